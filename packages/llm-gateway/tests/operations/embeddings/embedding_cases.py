"""Helpers of the tests of embeddings."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import Mint, Target
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingRequest
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.wire import json

__all__ = ["MINT", "asked", "written"]

MINT = Mint(lambda prefix: f"{prefix}1", lambda: 7)


def asked(**fields: Any) -> EmbeddingRequest:
    """A request for the vectors of two texts."""
    return EmbeddingRequest("mine", ["a", "b"], **fields)


def written(form: OperationForm[Any, Any], request: EmbeddingRequest) -> tuple[dict[str, Any], list[str]]:
    """The body that a form sends for the model `theirs`, and the paths of what it leaves out."""
    losses = Losses()
    wire = form.encode_request(request, Target(model="theirs"), losses)
    return json.loads(wire.body), sorted(loss.path for loss in losses)
