"""Whose a file or a batch is that a request names: an id is looked for among what is the caller's own."""

from __future__ import annotations

import re

from llm_gateway_sdk import GatewayError, NotFound
from llm_gateway_sdk.operations.owned import OwnedForm
from llm_gateway_sdk.principal import owner_of

from ..belongings import Belonging, Belongings
from ..request import ClientRequest

__all__ = ["belongings_of", "form_of", "id_of", "kind_of", "mine"]

_ID = re.compile(r"/(?:files|batches)/([^/:]+)")


def form_of(request: ClientRequest) -> OwnedForm:
    form = request.route.form
    assert isinstance(form, OwnedForm)
    return form


def belongings_of(request: ClientRequest) -> Belongings:
    if request.project.belongings is None:
        raise GatewayError(
            "Files and batches need a store that all workers share (`store.url`).", status=501, code="no_shared_store"
        )
    return request.project.belongings


def kind_of(request: ClientRequest, operation: str) -> str:
    """Each vendor's API has its own files and batches."""
    return f"{request.adapter.name}.{operation}"


def id_of(request: ClientRequest) -> str:
    found = _ID.search(request.wire.path)
    return found[1] if found is not None else ""


async def mine(request: ClientRequest, operation: str, id_: str) -> Belonging:
    thing = await belongings_of(request).find(owner_of(request.ctx), kind_of(request, operation), id_)
    if thing is None:
        raise NotFound(f"There is no {operation} '{id_}' of this caller.")
    return thing
