"""Real exchanges with providers, from the conformance kit: `LLM_GATEWAY_CONFORMANCE_KIT`, else `../shared/conformance`
next to the repository."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..dialect import Headers, WireReply, WireRequest

__all__ = ["Recording", "kit_directory", "load_recordings"]


@dataclass(frozen=True)
class Recording:
    """One exchange with a provider. `body` is the reply's whole body, `stream` its streamed bytes; one of the two."""

    id: str
    request: WireRequest = field(repr=False)
    status: int = field(repr=False)
    reply_headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False, default=None)
    stream: bytes | None = field(repr=False, default=None)
    features: frozenset[str] = field(repr=False, default=frozenset())

    @property
    def failed(self) -> bool:
        return self.status >= 400

    @property
    def reply(self) -> WireReply:
        return WireReply(self.status, Headers(self.reply_headers), self.body or b"")


def kit_directory() -> Path | None:
    """Where the conformance kit is; None where there is none."""
    named = os.environ.get("LLM_GATEWAY_CONFORMANCE_KIT")
    if named:
        return Path(named) if (Path(named) / "corpus").is_dir() else None
    for parent in Path(__file__).resolve().parents:
        if (parent / "hatch.toml").is_file():
            kit = parent.parent / "shared" / "conformance"
            return kit if (kit / "corpus").is_dir() else None
    return None


@cache
def load_recordings(*providers: str) -> tuple[Recording, ...]:
    """The recordings of these providers (`openai-chat`, `anthropic`, …); none where the kit is not there."""
    kit = kit_directory()
    if kit is None:
        return ()
    found: list[Recording] = []
    for provider in providers:
        path = kit / "corpus" / f"{provider}.jsonl"
        if path.is_file():
            lines = path.read_bytes().splitlines()
            found.extend(_read_recording(json.loads(line)) for line in lines if line.strip())
    return tuple(found)


def _read_recording(case: dict[str, Any]) -> Recording:
    asked, replied = case["request"], case["response"]
    path, _, query = asked["path"].partition("?")
    request = WireRequest(
        asked.get("method", "POST"),
        path,
        query,
        Headers((asked.get("headers") or {}).items()),
        _bytes_of(asked.get("body")),
    )
    stream = None
    if "sse" in replied:
        stream = replied["sse"].encode()
    elif "base64" in replied:
        stream = base64.b64decode(replied["base64"])
    return Recording(
        case["id"],
        request,
        replied.get("status", 200),
        tuple((str(name), str(value)) for name, value in (replied.get("headers") or {}).items()),
        None if stream is not None else _bytes_of(replied.get("body")),
        stream,
        frozenset(case.get("features", ())),
    )


def _bytes_of(body: Any) -> bytes:
    if body is None:
        return b""
    # With spaces, as recordings have them: no decoder may rely on compact JSON.
    return body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
