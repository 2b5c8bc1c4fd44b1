"""The forms of what the plugin's administration routes take and give, as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_gateway_sdk.admin import AdminParameter

__all__ = [
    "EVENT",
    "LEDGER",
    "LEDGER_QUERY",
    "LIMIT",
    "NEW_OVERRIDE",
    "OVERRIDE",
    "PAGING",
    "STATE",
    "STATE_QUERY",
    "page_of",
]

_TEXT = {"type": "string"}
_SUBJECT = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "description": "The subject that it counts for, e.g. `{team: research}`; empty where one counter is for all.",
}
_UNITS = "In units of the measure; of `cost` nano-dollars."
_MOMENT = {"type": ["number", "null"], "description": "Seconds since the epoch."}
_NUMBER = {"type": "integer", "description": _UNITS}


def _object(title: str, properties: Mapping[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "title": title, "properties": dict(properties), "required": required}


def page_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """The form of a page of such items."""
    found = {"items": {"type": "array", "items": dict(item)}, "next": {"type": ["string", "null"]}}
    return _object(f"{item['title']}Page", found)


LIMIT = _object(
    "Limit",
    {
        "name": _TEXT,
        "measure": _TEXT,
        "amount": _NUMBER,
        "window": {"type": "string", "description": "`60s`, `month@Europe/Zurich` or `lifetime`."},
        "per": {"type": "array", "items": _TEXT},
        "mode": {"type": "string", "enum": ["enforce", "shadow"]},
        "onStoreDown": {"type": "string", "enum": ["lease", "allow", "deny"]},
        "onExceed": {"type": "string", "enum": ["refuse", "queue"]},
        "place": {"type": "string", "description": "Where it is in the plugin's configuration."},
    },
)
STATE = _object(
    "LimitState",
    {
        "limit": _TEXT,
        "measure": _TEXT,
        "subject": _SUBJECT,
        "settled": {"type": "integer", "description": f"Spent. {_UNITS}"},
        "open": {"type": "integer", "description": f"Reserved by requests that run. {_UNITS}"},
        "of": {"type": "integer", "description": f"The limit, with the overrides for this subject. {_UNITS}"},
        "remaining": _NUMBER,
        "window": _TEXT,
        "endsAt": {"type": ["number", "null"], "description": "End of the window, in seconds since the epoch."},
        "mode": {"type": "string", "enum": ["enforce", "shadow"]},
    },
)
EVENT = _object(
    "LimitEvent",
    {
        "cursor": _TEXT,
        "at": {"type": "number", "description": "Seconds since the epoch."},
        "event": {
            "type": "object",
            "title": "LimitEventDetail",
            "description": "`kind`, `limit`, `measure`, `subject`, `asked`, `settled`, `open`, `of`, `retryAfter`, "
            "`project`, `place` in the configuration, and the id of the `request`.",
        },
    },
)
_WRITTEN = {
    "type": ["string", "null"],
    "description": "As in the configuration, e.g. `2000 USD` or `250k`; null lifts the limit.",
}
OVERRIDE = _object(
    "Override",
    {
        "id": _TEXT,
        "limit": _TEXT,
        "subject": _SUBJECT,
        "amount": _WRITTEN,
        "until": _MOMENT,
        "reason": _TEXT,
        "createdBy": _TEXT,
        "created": {"type": "number", "description": "Seconds since the epoch."},
    },
)
NEW_OVERRIDE = {
    **_object(
        "NewOverride",
        {
            "limit": {"type": "string", "description": "The limit's name."},
            "subject": _SUBJECT,
            "amount": _WRITTEN,
            "until": _MOMENT,
            "reason": {"type": "string", "maxLength": 1000},
        },
        "subject",
        "until",
        "reason",
    ),
    "additionalProperties": False,
}
LEDGER = _object(
    "LedgerSum",
    {
        "key": {"type": "string", "description": "The counter's name, where sums are by counter."},
        "limit": _TEXT,
        "measure": _TEXT,
        "subject": _SUBJECT,
        "window": _TEXT,
        "begins": {"type": "string", "description": "First day or hour of a calendar window."},
        "amount": _NUMBER,
        "partial": {
            "type": "integer",
            "description": "How much of the amount may be too little: something that was used has no price, or a reply "
            "ended early, after the provider's last count.",
        },
        "estimated": {
            "type": "integer",
            "description": "How much of it no provider has reported: counted by the gateway, at another model's price, "
            "or charged as reserved. What is neither partial nor estimated is exact.",
        },
    },
    "key",
    "window",
    "begins",
)
PAGING = (
    AdminParameter("after", "The `next` of the page before."),
    AdminParameter("limit", "Entries of a page.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
)
STATE_QUERY = (
    AdminParameter("limit", "The name of one limit."),
    AdminParameter("subject", "Only this subject, as `team=research`."),
    AdminParameter(
        "order", "`name`, or the fullest first.", {"type": "string", "enum": ["name", "fullest"], "default": "name"}
    ),
    AdminParameter("after", "The `next` of the page before."),
    AdminParameter("size", "Rows of a page.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 1000}),
)
LEDGER_QUERY = (
    AdminParameter("since", "Seconds since the epoch.", {"type": "number"}),
    AdminParameter("until", "Seconds since the epoch.", {"type": "number"}),
    AdminParameter(
        "by",
        "What to group by next to limit and measure, with commas between: `counter`, `window`, `subject`, or one of "
        "what the limit counts per, such as `team`.",
        {"type": "string", "default": "counter"},
    ),
    AdminParameter("name", "Only this limit."),
    AdminParameter("measure", "Only this measure, e.g. `cost`."),
    AdminParameter("window", "Only such windows, e.g. `month@UTC`."),
    AdminParameter("subject", "Only this subject, as `team=research`."),
)
