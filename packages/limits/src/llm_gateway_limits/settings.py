"""The JSON Schema of the plugin's settings."""

from __future__ import annotations

from typing import Any

from .amounts import MEASURES
from .windows import CALENDAR

__all__ = ["SCHEMA"]

_AMOUNT = {"type": ["number", "string"]}
_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_DURATION = {"type": "number", "exclusiveMinimum": 0, "x-duration": True}
_DIMENSION = {
    "type": "string",
    "pattern": r"^(key|user|team|org|project|model|provider|ip|label:[A-Za-z0-9_.-]+)$",
    "x-llm-gateway-caller": {"user": "user", "team": "team", "org": "org", "label": "labels"},
}
_MEANINGS = {
    "requests": "Requests.",
    "tokens": "Input and output tokens together.",
    "inputTokens": "Tokens of requests.",
    "outputTokens": "Tokens of replies.",
    "cost": "US dollars, e.g. `500 USD`.",
    "concurrent": "Requests at once.",
}
_CONDITIONS = ("models", "projects", "teams", "users", "orgs", "keys", "providers", "operations", "ips")


def _known(condition: str) -> dict[str, str]:
    """The mark of conditions whose possible values are in the configuration: one that is none of them gets a notice."""
    kind = condition.removesuffix("s")
    return {"x-llm-gateway-names": kind} if kind in ("model", "project", "provider", "operation") else {}


_LIMIT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {
            "type": "string",
            "pattern": "^[^|]+$",
            "minLength": 1,
            "description": "What refusals, headers and counters call it. A renamed limit starts again at 0.",
        },
        "per": {
            "type": "array",
            "items": _DIMENSION,
            "default": [],
            "description": "Counts for each of these apart: `key`, `user`, `team`, `org`, `project`, `model`, "
            "`provider`, `ip`, `label:NAME`. Empty is one counter for all.",
        },
        **{measure: {**_AMOUNT, "description": _MEANINGS[measure]} for measure in MEASURES},
        "window": {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["calendar"],
                    "properties": {
                        "calendar": {"enum": list(CALENDAR), "description": "Begins at midnight."},
                        "timeZone": {"type": "string", "default": "UTC", "description": "Whose midnight."},
                    },
                },
            ],
            "description": "`10s`, `1m`, `1h`, `7d` (rolling), `{calendar: month, timeZone: Europe/Zurich}`, or "
            "`lifetime`.",
        },
        "burst": {**_AMOUNT, "description": "Of a rolling window: how much may come at once; the whole by default."},
        "when": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                **{name: {**_TEXTS, **_known(name), "description": f"Any of these {name}."} for name in _CONDITIONS},
                "labels": {
                    "type": "object",
                    "additionalProperties": _TEXTS,
                    "description": "All of these labels.",
                },
            },
            "description": "Only for these requests. `*` is any text, `/…/` is a regular expression.",
        },
        "mode": {"enum": ["enforce", "shadow"], "default": "enforce", "description": "`shadow` refuses nothing."},
        "warnAt": {
            "type": "array",
            "items": {"type": "number", "minimum": 0, "maximum": 100},
            "default": [80, 95],
            "description": "Percent from which replies carry a warning.",
        },
        "onStoreDown": {
            "enum": ["lease", "allow", "deny"],
            "default": "lease",
            "description": "Where the store can't be reached: go on with what was taken out in advance and refuse "
            "with 503 after that (`lease`; `deny` without even that), or let all through and count it later (`allow`).",
        },
        "onCrash": {
            "enum": ["charge", "release"],
            "default": "charge",
            "description": "What happens to the reservations of a gateway that was killed, after their lease.",
        },
        "overrides": {
            "type": "array",
            "items": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
            "default": [],
            "description": "Other amounts for some, e.g. `{team: research, cost: 2000 USD}` or `{team: ops, unlimited: "
            "true}`.",
        },
        "unknownPrice": {
            "enum": ["refuse", "estimate", "free"],
            "default": "refuse",
            "description": "Of a cost limit: a model without a price is refused, counted at the highest known price, "
            "or counted as nothing.",
        },
        "overdraft": {
            "enum": ["refuse", "allow"],
            "default": "refuse",
            "description": "Of a cost limit: a fallback to a more expensive model, for which the difference to what "
            "was reserved is not left, is refused, or goes on and leaves debt.",
        },
        "missing": {
            "enum": ["skip", "refuse"],
            "default": "skip",
            "description": "A request that lacks what the limit is `per`, such as a key without a team: the limit does "
            "not apply, or the request is refused.",
        },
        "onExceed": {
            "enum": ["refuse", "queue"],
            "default": "refuse",
            "description": "`queue`: requests of several principals wait in turn, by weight, instead of being refused.",
        },
        "queueTimeout": {**_DURATION, "default": 30_000, "description": "Longest wait in the queue."},
        "defaultOutput": {
            "type": "integer",
            "minimum": 1,
            "default": 4096,
            "description": "Output tokens that are reserved where the request sets no maximum.",
        },
    },
}  # fmt: skip

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "examples": [
        {
            "limits": [
                {"name": "key-rate", "per": ["key"], "requests": 60, "window": "1m"},
                {
                    "name": "team-month",
                    "per": ["team"],
                    "cost": "1500 USD",
                    "window": {"calendar": "month", "timeZone": "Europe/Zurich"},
                },
            ]
        }
    ],
    "properties": {
        "limits": {"type": "array", "items": _LIMIT, "minItems": 1, "description": "All that apply are checked."},
        "paths": {
            "type": "array",
            "default": [],
            "description": "What native calls, whose bodies are not understood, cost by their path.",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path", "cost"],
                "properties": {
                    "path": {"type": "string", "description": "`*` is any text."},
                    "cost": {**_AMOUNT, "description": "US dollars per call, e.g. `0.04 USD`."},
                },
            },
        },
        "blocks": {
            "type": "object",
            "additionalProperties": False,
            "description": "What a worker takes out of the counters in advance, to decide in memory.",
            "properties": {
                "share": {
                    "type": "number",
                    "minimum": 0,
                    "maximum": 0.5,
                    "default": 0.02,
                    "description": "Largest share of what is left in one block; 0 asks the store for each request.",
                },
                "duration": {**_DURATION, "default": 2000, "description": "How long a block is used."},
                "requests": {"type": "integer", "minimum": 1, "default": 64, "description": "Maximum in a block."},
            },
        },
        "domain": {
            "type": "string",
            "default": "fleet",
            "description": "Which counters one step of the store may touch: those of the whole `fleet`, which are on "
            "one server of a Redis Cluster. There is no other.",
        },
        "lease": {
            **_DURATION,
            "default": 60_000,
            "description": "How long the reservations of a gateway that was killed stay open.",
        },
        "upstreamQueue": {
            "type": "object",
            "additionalProperties": False,
            "description": "Requests wait in turn, by weight, for what their provider reports to have left of its "
            "rates, instead of meeting its 429. Nothing else is configured: the rates are in the provider's replies.",
            "properties": {
                "timeout": {
                    **_DURATION,
                    "default": 30_000,
                    "description": "Longest wait; a request that would wait longer is refused at once, with 429.",
                },
            },
        },
        "weights": {
            "type": "object",
            "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
            "default": {},
            "description": "Shares in the queue by team, user or key; 1 where none is given.",
        },
        "headers": {"type": "boolean", "default": True, "description": "Show clients their limits."},
        "ledger": {
            "type": "boolean",
            "default": False,
            "description": "Write every charge to the log `ledger` of the store, in the same step, and if it is exact.",
        },
        "usage": {
            "enum": ["hour", "day"],
            "description": "Add up requests, tokens and cost by model, project, key, user, team, org and labels, for "
            "each hour or each day (of UTC), whatever limits there are: `llm-gateway usage`, and `/usage` of the "
            "administration API. The store keeps the newest 200,000 rows, for 400 days. Left out, nothing is added up.",
        },
        "explainRetention": {
            "type": "integer",
            "anyOf": [{"const": 0}, {"minimum": 100}],
            "default": 10_000,
            "description": "How many refusals the store's log `limits` keeps, for explanations: a number of events, "
            "not of days. 0, or 100 and more.",
        },
        "journal": {
            "type": "string",
            "description": "Folder for settlements that the store could not take; below the machine's temporary one "
            "where left out.",
        },
    },
}  # fmt: skip
