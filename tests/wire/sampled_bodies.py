"""The sample of `bodies/*.yaml`, as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from five_apis import event_stream_message

from llm_gateway_sdk import Mint
from llm_gateway_sdk.wire import json

__all__ = ["Case", "cases", "events_of", "mint", "stream_of"]

DIALECTS = ("openai_chat", "openai_responses", "anthropic", "gemini", "bedrock")
BODIES = Path(__file__).resolve().parent / "bodies"
NAMED = {"anthropic", "openai_responses"}
"""APIs whose events have a name."""


@dataclass(frozen=True)
class Case:
    dialect: str
    name: str
    means: dict[str, Any]
    whole: bytes | None
    stream: bytes

    def __str__(self) -> str:
        return f"{self.dialect}: {self.name}"


def cases() -> Iterator[Case]:
    for dialect in DIALECTS:
        for case in yaml.safe_load((BODIES / f"{dialect}.yaml").read_text(encoding="utf-8")):
            whole = json.dumps(case["whole"]) if "whole" in case else None
            yield Case(dialect, case["name"], case["means"], whole, stream_of(dialect, case["events"]))


def stream_of(dialect: str, events: list[dict[str, Any]]) -> bytes:
    if dialect == "bedrock":
        return b"".join(event_stream_message(*next(iter(event.items()))) for event in events)
    parts = [
        (f"event: {event['type']}\n".encode() if dialect in NAMED else b"") + b"data: " + json.dumps(event) + b"\n\n"
        for event in events
    ]
    return b"".join([*parts, b"data: [DONE]\n\n"] if dialect == "openai_chat" else parts)


def mint() -> Mint:
    numbers = iter(range(1, 1000))
    return Mint(lambda prefix: f"{prefix}{next(numbers)}", lambda: 1_790_000_000)


def events_of(dialect: str) -> list[list[dict[str, Any]]]:
    """The events of each stream of a dialect."""
    written = yaml.safe_load((BODIES / f"{dialect}.yaml").read_text(encoding="utf-8"))
    return [case["events"] for case in written]
