"""Which model a session is with."""

from __future__ import annotations

from llm_gateway_sdk import NotFound, RequestRejected

from ...models import ModelTarget
from ..outlet import ByteSource
from ..request import ClientRequest

__all__ = ["realtime_target", "refuse_plain", "speaks"]


def refuse_plain(request: ClientRequest) -> ByteSource:
    """The client's side of the session. Raises RequestRejected (426) where it did not ask for WebSocket."""
    if request.duplex is None:
        raise RequestRejected(
            f"{request.ctx.http_request.path} is a WebSocket endpoint: ask for it with `Upgrade: websocket`.",
            status=426, code="upgrade_required", kind="bad_request",
        )  # fmt: skip
    return request.duplex


def realtime_target(request: ClientRequest) -> ModelTarget:
    """The model of the session. Realtime models are rarely configured: a name that is not goes to the default model's
    provider where that speaks the client's API, else to the first that does."""
    registry, ctx = request.project.registry, request.ctx
    if ctx.target_model is not None or registry.find(ctx.requested_model) is not None:
        return registry.resolve(ctx.target_model, ctx.requested_model)
    found = [each for each in registry.targets if speaks(request, each)]
    if not found:
        raise NotFound(f"No model of this project has the endpoint {ctx.http_request.path}.")
    return next((each for each in found if each.is_default), found[0])


def speaks(request: ClientRequest, target: ModelTarget) -> bool:
    return target.http is not None and target.http.dialect in {route.dialect for route in request.adapter.routes}
