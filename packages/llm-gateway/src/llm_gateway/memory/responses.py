"""The memory of one project: what an exchange asks for."""

from __future__ import annotations

from collections.abc import Callable

from llm_gateway_sdk import Store, WireReply
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.pieces import has_any

from ..exchange.outlet import Sink
from ..exchange.request import ClientRequest
from .attendance import Attendance
from .endpoints import is_own, serve
from .items import may_refer
from .shelf import Bounds, Shelf

__all__ = ["ResponsesMemory"]


_LOOKED_AT = 256 * 1024
"""A longer body is not looked through here, where every other request waits; it is read aside when it is recalled."""


class ResponsesMemory:
    """Implements `exchange.services.Memory`. `seconds` is how long something is kept. The store is opened when it is
    first needed."""

    dialect = "openai_responses"

    def __init__(self, open_store: Callable[[], Store], project: str, *, seconds: float, bounds: Bounds) -> None:
        self._shelf = Shelf(open_store, project, seconds=seconds, bounds=bounds)
        self._bounds = bounds

    def attend(self, request: ClientRequest, sink: Sink) -> Attendance | None:
        """None where the request neither refers to anything that is kept nor is to be kept."""
        body = request.wire.body
        looks = len(body) > _LOOKED_AT
        keeps = request.ctx.operation == "generate" and _is_stored(body)
        refers = looks or may_refer(body)
        if not keeps and not refers:
            return None
        return Attendance(request, sink, self._shelf, self._bounds, keeps=keeps, refers=refers, looks=looks)

    def serves(self, path: str) -> bool:
        """Whether the endpoint, relative to a base URL, is one of those that `serve` answers."""
        return is_own(path)

    async def serve(self, request: ClientRequest) -> WireReply | None:
        """The reply of an endpoint; None where what the path names is not kept here. Raises GatewayError."""
        return await serve(request, self._shelf)


def _is_stored(body: bytes) -> bool:
    """By the API's default everything is stored."""
    if not has_any(body, b'"store"'):
        return True
    try:
        value = json.loads(body)
    except ValueError:
        return False
    return not isinstance(value, dict) or value.get("store") is not False
