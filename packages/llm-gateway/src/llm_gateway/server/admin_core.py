"""The routes of the administration API that need no plugin: the store's health, its logs, and this API's document."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from llm_gateway_sdk import LogEvent, Store
from llm_gateway_sdk.admin import AdminCall, AdminError, AdminParameter, AdminReply, AdminRoute
from llm_gateway_sdk.audit import AUDIT_LOG
from llm_gateway_sdk.numerals import whole_number

__all__ = ["core_routes"]

_EVENT: dict[str, Any] = {
    "type": "object",
    "title": "Event",
    "properties": {"cursor": {"type": "string"}, "at": {"type": "number"}, "event": {"type": "object"}},
    "required": ["cursor", "at", "event"],
}


def _page_of(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "title": f"{item['title']}Page",
        "properties": {"items": {"type": "array", "items": item}, "next": {"type": ["string", "null"]}},
        "required": ["items", "next"],
    }


_PAGING = (
    AdminParameter("after", "The `next` of the page before."),
    AdminParameter("limit", "Entries of a page.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
)


def core_routes(open_store: Callable[[], Store], document: Callable[[], dict[str, Any]]) -> list[AdminRoute]:
    """`open_store` gives the gateway's store, `document` the OpenAPI document of all routes."""

    async def openapi(call: AdminCall) -> AdminReply:
        return AdminReply(document())

    async def health(call: AdminCall) -> AdminReply:
        began = time.monotonic()
        warnings = await open_store().check()
        return AdminReply({"ok": True, "warnings": warnings, "milliseconds": 1000 * (time.monotonic() - began)})

    async def audit(call: AdminCall) -> AdminReply:
        return await _log_page(open_store(), AUDIT_LOG, call)

    async def explain(call: AdminCall) -> AdminReply:
        wanted = call.path["request"]
        found = [each async for each in _events(open_store(), "limits") if wanted in each.event.values()]
        if not found:
            raise AdminError(404, f"No limit has refused or warned request {wanted}, or it was too long ago.")
        return AdminReply({"items": [_shown(each) for each in found], "next": None})

    checked = {
        "type": "object",
        "title": "StoreHealth",
        "properties": {
            "ok": {"type": "boolean"},
            "warnings": {"type": "array", "items": {"type": "string"}},
            "milliseconds": {"type": "number"},
        },
    }
    return [
        AdminRoute(
            method="GET", path="/openapi.json", name="getOpenAPI", summary="This API's OpenAPI document.",
            role="viewer", handler=openapi, gives={"type": "object"},
        ),
        AdminRoute(
            method="GET", path="/store", name="getStore", summary="Whether the store answers, what could lose counts.",
            role="viewer", handler=health, gives=checked,
        ),
        AdminRoute(
            method="GET", path="/audit", name="listAudit", summary="Who changed what, oldest first.", role="admin",
            handler=audit, gives=_page_of(_EVENT), query=_PAGING,
        ),
        AdminRoute(
            method="GET", path="/explain/{request}", name="explainRequest",
            summary="Which limits refused or warned a request, with their numbers.", role="viewer", handler=explain,
            gives=_page_of(_EVENT),
        ),
    ]  # fmt: skip


async def _events(store: Store, log: str) -> AsyncIterator[LogEvent]:
    cursor = ""
    while page := await store.read_since(log, cursor, limit=1000):
        for each in page:
            yield each
        cursor = page[-1].cursor


async def _log_page(store: Store, log: str, call: AdminCall) -> AdminReply:
    limit = limit_of(call)
    page = await store.read_since(log, call.cursor, limit=limit)
    following = page[-1].cursor if len(page) == limit else None
    return AdminReply({"items": [_shown(each) for each in page], "next": following})


def _shown(event: LogEvent) -> dict[str, Any]:
    return {"cursor": event.cursor, "at": event.at, "event": event.event}


def limit_of(call: AdminCall) -> int:
    """The size of a page. Raises AdminError."""
    size = whole_number(call.query.get("limit", "100"))
    if size is None or not 1 <= size <= 1000:
        raise AdminError(400, "`limit` is a number from 1 to 1000.")
    return size
