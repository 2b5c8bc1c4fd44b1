"""The lines of a batch: which model each goes to, and what all of them may use."""

from __future__ import annotations

from collections.abc import Sequence

from llm_gateway_sdk import InvalidRequest, ModelNotFound, PayloadTooLarge, RequestRejected
from llm_gateway_sdk.batch_share import BatchShare
from llm_gateway_sdk.operations.owned import BatchLine, OwnedForm
from llm_gateway_sdk.request_estimate import estimate_request
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.lines import has_more_lines

from ...models import ModelTarget
from ..body_bounds import refuse_beyond_bounds
from ..request import ClientRequest

__all__ = [
    "address_of", "asked_model", "check_lines", "read_lines", "shares_of", "target_of_line",
]  # fmt: skip


def read_lines(form: OwnedForm, fields: bytes, content: bytes, most: int) -> bytes:
    """`form.read_files` of a file with at most so many values, and lines. Raises PayloadTooLarge, DialectError."""
    refuse_beyond_bounds(content, most)
    if has_more_lines(content, most):
        raise PayloadTooLarge(f"The file has more than {most} lines, which is more than is accepted.")
    return form.read_files(fields, content)


def check_lines(request: ClientRequest, lines: Sequence[BatchLine]) -> ModelTarget:
    """The model of the first line. Raises InvalidRequest where the lines can't be one batch."""
    target: ModelTarget | None = None
    seen: set[str] = set()
    for line in lines:
        if line.custom_id in seen:
            raise InvalidRequest(f"{line.place}: the custom_id '{line.custom_id}' is given twice.")
        seen.add(line.custom_id)
        found = target_of_line(request, line)
        if target is not None and found is not target and address_of(found) != address_of(target):
            raise InvalidRequest(f"{line.place}: the models of one batch have to be the same provider's.")
        target = target or found
    assert target is not None
    return target


def target_of_line(request: ClientRequest, line: BatchLine) -> ModelTarget:
    """Raises InvalidRequest, and RequestRejected where the caller may not use the model."""
    model, principal = asked_model(line), request.ctx.principal
    try:
        target = request.project.registry.resolve(None, model)
    except ModelNotFound as error:
        raise InvalidRequest(f"{line.place}: {error.message}") from None
    names = [target.name] + ([model] if model is not None and request.project.registry.find(model) else [])
    if principal is not None and not any(map(principal.may_use, names)):
        raise RequestRejected(
            f"{line.place}: the model '{model or target.name}' is not open to this caller.",
            status=403, code="model_not_allowed", kind="permission",
        )  # fmt: skip
    if line.body.get("stream") is True:
        raise InvalidRequest(f"{line.place}: a request of a batch can't be a stream.")
    return target


def asked_model(line: BatchLine) -> str | None:
    if line.model is not None:
        return line.model
    model = line.body.get("model")
    return model if isinstance(model, str) else None


def address_of(target: ModelTarget) -> tuple[str, str, str | None]:
    """Models with equal addresses are the same provider's."""
    http = target.http
    return (target.provider.name, http.base_url, http.settings.api_key) if http is not None else (target.name, "", None)


def shares_of(request: ClientRequest, lines: Sequence[BatchLine]) -> list[BatchShare]:
    """What the lines may use at most, by model. Raises as `target_of_line`."""
    found: dict[tuple[str, str], BatchShare] = {}
    for line in lines:
        target, asked = target_of_line(request, line), asked_model(line)
        upstream = target.upstream_model(asked)
        share = found.setdefault((target.name, upstream), BatchShare(target.name, upstream))
        if asked is not None and asked not in share.names:
            share.names += (asked,)
        estimate = estimate_request(json.dumps(line.body))
        prices = target.described(asked).prices
        above = prices.threshold(estimate.input_tokens) if prices is not None else 0
        share.add(above, estimate.input_tokens, estimate.output_tokens if line.writes else 0)
    return list(found.values())
