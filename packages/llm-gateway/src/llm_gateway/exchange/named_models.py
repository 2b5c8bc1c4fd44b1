"""The models that a request names which is handed on without being understood.

A caller who may use some models only names no other one, in whatever form a provider would still read it: in a JSON
object, in a form, in the query or in the path. A body that no model can be looked for in is not the caller's to send.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

from llm_gateway_sdk import DialectError, PayloadTooLarge, RequestRejected, WireRequest
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.pieces import decoded

from .multipart import FormUpload, WholeSource, boundary_of
from .request import ClientRequest

__all__ = ["named_models"]

_IN_PATH = re.compile(r"/(?:models?|tunedModels|deployments)/([^/:]+)")
_FIELDS = "application/x-www-form-urlencoded"


async def named_models(request: ClientRequest) -> list[str]:
    """Raises RequestRejected (403) where the body may name one that is not found."""
    wire = request.wire
    names = [unquote(name) for name in _IN_PATH.findall(wire.path)]
    names += [value for key, value in parse_qsl(wire.query) if _is_model(key)]
    if not wire.body or await request.work(wire.body.isspace):
        return names
    kind = wire.headers.get("content-type") or ""
    if (boundary := boundary_of(kind)) is not None:
        return names + await _in_form(boundary, wire.body)
    if kind.partition(";")[0].strip().lower() == _FIELDS:
        return names + await request.work(_in_fields, wire)
    return names + await request.work(_in_object, wire)


def _in_object(wire: WireRequest) -> list[str]:
    try:
        body = json.loads(wire.body)
        is_sure = isinstance(body, dict) and not json.names_two_models(wire.body)
    except (ValueError, RecursionError):
        is_sure = False
    if not is_sure:
        raise _unknown("is not a JSON object that names one model at most")
    return _texts([] if body.get("model") is None else [body["model"]])


def _in_fields(wire: WireRequest) -> list[str]:
    return [value for key, value in parse_qsl(decoded(wire.body, "replace")) if _is_model(key)]


async def _in_form(boundary: str, body: bytes) -> list[str]:
    try:
        form = await FormUpload.open(boundary, WholeSource(body), all_fields=True)
        try:
            fields = json.loads(form.as_json())
        finally:
            form.close()
    except (DialectError, PayloadTooLarge) as error:
        raise _unknown(f"is not a form whose fields can be read: {error}") from None
    return _texts([value for key, value in fields.items() if _is_model(key)])


def _texts(values: list[object]) -> list[str]:
    names = [value for value in values if isinstance(value, str)]
    if len(names) < len(values):
        raise _unknown("names a model that is not a text")
    return names


def _is_model(key: str) -> bool:
    return key.strip().lower() in ("model", "model[]")


def _unknown(what: str) -> RequestRejected:
    message = f"The body {what}, and this caller may use certain models only."
    return RequestRejected(message, status=403, code="model_not_allowed", kind="permission")
