"""A gateway whose every request is on the books: plugins that note what begins and ends, and the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accounting import NATIVE
from loopback import Gateway, config

__all__ = ["INPUT_PRICE", "KEY", "OUTPUT_PRICE", "SPENT", "Book", "settings"]

PLUGINS = """
from llm_gateway_sdk import *

SEEN = {}

@plugin_metadata(name="keeper", version="1.0.0", configuration_schema={})
class Keeper(Plugin):
    def before_request(self, ctx):
        SEEN.setdefault(ctx.headers["x-case"], []).append(("before", ctx.request_id))
        self.seen = SEEN

    def after_request(self, ctx):
        SEEN.setdefault(ctx.headers["x-case"], []).append(("after", ctx.metrics, ctx.attempts, ctx.request_id))

    def after_chunk(self, ctx):
        return None

    def wants(self, phase, ctx):
        return phase != "after_chunk" or "watched" in ctx.headers["x-outcome"]

@plugin_metadata(name="gate", version="1.0.0", configuration_schema={})
class Gate(Plugin):
    def before_model(self, ctx):
        outcome = ctx.headers["x-outcome"]
        if outcome == "refused":
            return PluginResult(success=False, error="no", status=400)
        if outcome == "cached":
            message = Message("assistant", [TextPart("from the cache")])
            ctx.response = LLMResponse(id="r", model="m", choices=[Choice(0, message, "stop")])
            return PluginResult(terminate=True)
        if outcome == "fallback" and ctx.attempts:
            ctx.target_model = ctx.headers["x-target"] + "-twin"

    def on_model_error(self, ctx):
        if ctx.headers["x-outcome"] == "fallback" and len(ctx.attempts) == 1:
            return PluginResult(reevaluate_request=True)
"""

KEY, SPENT = "key-of-ann", "key-of-bob"
MEASURES = ("requests", "inputTokens", "outputTokens", "cost")
INPUT_PRICE, OUTPUT_PRICE = 1000, 10_000
"""Nano-dollars per token."""


def settings(folder: Path, models: list[dict[str, Any]]) -> dict[str, Any]:
    (folder / "plugins.py").write_text(PLUGINS)
    limits = [
        {"name": "requests", "requests": "1M", "window": "lifetime"},
        {"name": "inputTokens", "inputTokens": "1000M", "window": "lifetime"},
        {"name": "outputTokens", "outputTokens": "1000M", "window": "lifetime"},
        {"name": "cost", "cost": "100000 USD", "window": "lifetime"},
        {"name": "spent", "requests": 1, "window": "lifetime", "when": {"keys": "*:bob"}},
    ]
    keys = [{"name": "ann", "key": KEY}, {"name": "bob", "key": SPENT}]
    given = {
        "limits": limits,
        "blocks": {"share": 0},
        "ledger": True,
        "journal": str(folder),
        "paths": [{"path": f"*{NATIVE}", "cost": "0.001 USD"}],
    }
    return config(
        *models,
        availablePlugins=[{"path": str(folder / "plugins.py")}],
        plugins=[
            {"name": "keeper", "type": "keeper"},
            {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": keys}},
            {"name": "limits", "type": "limits", "config": given},
            {"name": "gate", "type": "gate"},
        ],
        store={"url": f"sqlite:{folder}/state.db"},
        nativePaths=[f"/v1{NATIVE}"],
        breaker={"enabled": False},
        batches={"pollInterval": "1h"},  # a batch is looked at when its client does, not in the midst of another case
    )


@dataclass(slots=True)
class Book:
    """The ledger by request."""

    served: Gateway
    lines: dict[str, list[dict[str, int]]] = field(default_factory=dict)
    """By measure what was charged, and how much of that was not exact: `cost`, `cost partial`, `cost estimated`."""

    async def read(self) -> None:
        store, cursor = self.served.plugins[2].gateway.store, ""
        while events := await store.read_since("ledger", cursor):
            cursor = events[-1].cursor
            for event in events:
                line = dict.fromkeys(MEASURES, 0)
                for key, amount in event.event["charges"].items():
                    line[key.partition("|")[0]] = int(amount)
                for mark in ("partial", "estimated"):
                    for key, amount in event.event.get(mark, {}).items():
                        line[f"{key.partition('|')[0]} {mark}"] = int(amount)
                self.lines.setdefault(event.event["note"], []).append(line)
