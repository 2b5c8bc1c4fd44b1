"""Errors of requests before there is an exchange."""

from __future__ import annotations

import json

from llm_gateway_sdk import GatewayError, NotFound

from ..exchange.headers import of_refusal
from .generation import Generation
from .incoming import EdgeRequest, Incoming
from .routes import Match, RouteTable

__all__ = ["edge_error", "encode_refusal", "path_meant", "refuse_page"]

HeaderList = list[tuple[bytes, bytes]]


class _UnknownPath(NotFound):
    """No route has the path. `near` is the path that was probably meant, "" where none is like it."""

    def __init__(self, method: str, path: str, near: str | None) -> None:
        self.near = near or ""
        hint = f"Did you mean {near}?" if near else "GET / lists the projects and their addresses."
        super().__init__(f"There is no route {method} {path}. {hint}", code="unknown_url")


def edge_error(routes: RouteTable, method: str, path: str) -> GatewayError:
    """Why a path or a method has no route."""
    allowed = routes.allowed(path)
    if allowed:
        return GatewayError(
            f"{path} does not take {method}; it takes {', '.join(allowed)}.", status=405, kind="bad_request"
        )
    return _UnknownPath(method, path, routes.suggest(path))


def path_meant(error: GatewayError) -> str:
    """The path that a client with an unknown one probably meant; "" where none is like it, and for other errors."""
    return error.near if isinstance(error, _UnknownPath) else ""


def encode_refusal(
    generation: Generation, match: Match | None, request: EdgeRequest, request_id: str, error: GatewayError
) -> tuple[int, HeaderList, bytes]:
    """(status, headers, body) in the shape of the client's API, as far as that is known."""
    services = generation.gateway.services
    info = error.info()
    info.request_id = request_id
    dialect_name = match.route.dialect if match is not None else None
    if dialect_name is None:
        adapter = generation.routes.adapter_of(request.path, request.wire)
        dialect_name = adapter.dialect if adapter is not None else ""
    dialect = services.dialects.get(dialect_name or "") or next(iter(services.dialects.values()))
    form = match.route.form if match is not None else None
    reply = (form.encode_error(info) if form is not None else None) or dialect.encode_error(info)
    headers: HeaderList = [*of_refusal(request_id), (b"content-length", b"%d" % len(reply.body))]
    known = {name for name, _ in headers} | {b"retry-after"}
    headers += [
        (name.encode(), value.encode("latin-1", "replace"))
        for name, value in reply.headers.items
        if name.encode() not in known
    ]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after + 0.49))))
    if error.status == 405:
        headers.append((b"allow", ", ".join(generation.routes.allowed(request.path)).encode()))
    if error.status in (408, 413):
        # The rest of the body has not been read.
        headers.append((b"connection", b"close"))
    return reply.status, headers, reply.body


async def refuse_page(incoming: Incoming, error: GatewayError) -> None:
    """The same for a page, which has no API."""
    body = json.dumps({"error": error.message}).encode()
    headers = [
        (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), (b"connection", b"close"),
    ]  # fmt: skip
    await incoming.start(error.status, headers)
    await incoming.write(body, more=False)
