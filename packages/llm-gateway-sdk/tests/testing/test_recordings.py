"""Recordings are read from a kit where there is one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_gateway_sdk.testing.recordings import kit_directory, load_recordings

ASKED = {"path": "/v1/messages?beta=true", "headers": {"X-A": "1"}, "body": {"model": "ü"}}


@pytest.fixture(autouse=True)
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "corpus").mkdir()
    monkeypatch.setenv("LLM_GATEWAY_CONFORMANCE_KIT", str(tmp_path))
    load_recordings.cache_clear()
    yield tmp_path
    load_recordings.cache_clear()


def write(kit: Path, *replies: dict[str, Any]) -> None:
    cases = [{"id": f"case-{n}", "request": ASKED, "response": reply} for n, reply in enumerate(replies)]
    (kit / "corpus" / "anthropic.jsonl").write_text("\n".join(map(json.dumps, cases)) + "\n\n")


def test_a_reply_is_a_body_or_a_stream(kit: Path) -> None:
    write(
        kit,
        {"body": {"a": 1}, "headers": {"x-b": 2}},
        {"sse": "data: 1\n\n"},
        {"base64": base64.b64encode(b"\x00\x01").decode()},
        {"status": 503, "body": "no"},
    )

    whole, stream, frames, error = load_recordings("anthropic", "unknown")

    assert (whole.body, whole.stream, whole.reply_headers) == (b'{"a": 1}', None, (("x-b", "2"),))
    assert (stream.body, stream.stream, frames.stream) == (None, b"data: 1\n\n", b"\x00\x01")
    assert (error.failed, error.reply.body, whole.failed) == (True, b"no", False)


def test_the_request_has_its_query_and_its_bytes(kit: Path) -> None:
    write(kit, {"body": None})

    (recording,) = load_recordings("anthropic")

    asked = recording.request
    assert (asked.method, asked.path, asked.query) == ("POST", "/v1/messages", "beta=true")
    assert (asked.body, asked.headers.get("x-a")) == ('{"model": "ü"}'.encode(), "1")


def test_without_a_kit_there_are_none(kit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_GATEWAY_CONFORMANCE_KIT", str(kit / "elsewhere"))

    assert kit_directory() is None
    assert load_recordings("anthropic") == ()
