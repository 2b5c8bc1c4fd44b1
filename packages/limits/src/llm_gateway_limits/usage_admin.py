"""`GET /usage` of the administration API: what was used, by model, caller, label and time."""

from __future__ import annotations

import math
from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from llm_gateway_sdk import Store
from llm_gateway_sdk.admin import AdminCall, AdminError, AdminParameter, AdminReply, AdminRoute

from .admin_queries import moment_in, number_in, size_in
from .admin_schemas import page_of
from .usage import FIGURES
from .usage_report import DIMENSIONS, TIMES, UsageQuery, usage_of

__all__ = ["usage_routes"]

_BY = f"{', '.join(DIMENSIONS)}, label:NAME, {', '.join(TIMES)}"
_MEANINGS = {
    "requests": "Requests that were sent to the model, or answered without one.",
    "failed": "Those of them that failed.",
    "inputTokens": "Tokens of requests.",
    "outputTokens": "Tokens of replies.",
    "cost": "Nano-dollars.",
    "unpriced": "Calls of providers in which something without a price was used: `cost` lacks it.",
    "estimated": "Calls of providers whose tokens were counted by the gateway, as of a reply that ended early.",
}
_ROW = {
    "type": "object",
    "title": "Usage",
    "properties": {
        "group": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Values of what it is grouped by; what the caller does not have is left out.",
        },
        **{name: {"type": "integer", "description": _MEANINGS[name]} for name in FIGURES},
    },
    "required": ["group", *FIGURES],
}
_QUERY = (
    AdminParameter("by", f"What to group by, with commas between: {_BY}.", {"type": "string", "default": "model"}),
    AdminParameter("since", "Seconds since the epoch: periods that begin then or later.", {"type": "number"}),
    AdminParameter("until", "Seconds since the epoch: periods that begin before.", {"type": "number"}),
    *(AdminParameter(name, f"Only of this {name}; empty: of those without.") for name in DIMENSIONS),
    AdminParameter("label", "Only of this label, as `env=prod`."),
    AdminParameter("timeZone", "Whose hours, days and months.", {"type": "string", "default": "UTC"}),
    AdminParameter("after", "The `next` of the page before."),
    AdminParameter("size", "Rows of a page.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 1000}),
)


def usage_routes(store: Store, counts_usage: Callable[[], bool]) -> list[AdminRoute]:
    """The route, where `counts_usage` is whether anything is added up."""

    async def usage(call: AdminCall) -> AdminReply:
        first, size = number_in(call, "after", 0), size_in(call, "size", 1000)
        rows = await usage_of(store, _query(call))
        if not rows and not counts_usage():
            raise AdminError(404, "Usage is not added up: set `usage: hour` or `usage: day` of a plugin `limits`.")
        following = str(first + size) if len(rows) > first + size else None
        return AdminReply({"items": rows[first : first + size], "next": following})

    return [
        AdminRoute(
            method="GET", path="/usage", name="getUsage",
            summary="Requests, tokens and cost by model, project, key, user, team, org, label and time.", role="viewer",
            handler=usage, gives=page_of(_ROW), query=_QUERY,
        )
    ]  # fmt: skip


def _query(call: AdminCall) -> UsageQuery:
    only = {name: call.query[name] for name in DIMENSIONS if name in call.query}
    if "label" in call.query:
        label, separator, value = call.query["label"].partition("=")
        if not separator:
            raise AdminError(400, "`label` is written as `env=prod`.")
        only[f"label:{label}"] = value
    try:
        zone = ZoneInfo(call.query.get("timeZone", "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise AdminError(400, "`timeZone` is a name such as Europe/Zurich.") from None
    by = [each for each in call.query.get("by", "model").split(",") if each]
    try:
        return UsageQuery(by, moment_in(call, "since", 0.0), moment_in(call, "until", math.inf), only, zone)
    except ValueError as error:
        raise AdminError(400, f"{error}.") from None
