"""Anthropic's batches, as a provider shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway.operations.batches.anthropic_api import AnthropicBatchAPI
from llm_gateway_sdk import DialectError

API = AnthropicBatchAPI()


def shown(status: str = "ended", **more: Any) -> bytes:
    counts = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
    counts |= more.pop("counts", {})
    batch = {"id": "msgbatch_1", "processing_status": status, "request_counts": counts, **more}
    return json.dumps(batch).encode()


@pytest.mark.parametrize(
    ("body", "phase"),
    [
        (shown("in_progress"), "in_progress"),
        (shown("canceling"), "cancelling"),
        (shown(counts={"succeeded": 2, "errored": 1}), "completed"),
        (shown(counts={"succeeded": 1, "expired": 4}), "completed"),
        (shown(counts={"expired": 4}), "expired"),
        (shown(counts={"canceled": 4}, cancel_initiated_at="2026-01-01T00:00:00Z"), "cancelled"),
    ],
    ids=["going on", "cancelling", "done", "in part", "expired", "cancelled"],
)
def test_the_counts_say_how_a_batch_ended(body: bytes, phase: str) -> None:
    found = API.decode_status(body)

    assert found.phase == phase
    assert found.results == (["msgbatch_1"] if found.is_final else [])


def test_times() -> None:
    found = API.decode_status(shown(created_at="1970-01-01T00:00:09Z", expires_at="2026-01-02T00:00:00+00:00"))

    assert (found.created, found.expires, found.ended) == (9, 1767312000, None)


@pytest.mark.parametrize("body", [b"", b"{}", shown("other"), shown(id=1)])
def test_what_is_not_a_batch(body: bytes) -> None:
    with pytest.raises(DialectError):
        API.decode_status(body)


def test_results_by_how_they_ended() -> None:
    def line(result: Any) -> bytes:
        return json.dumps({"custom_id": "a", "result": result}).encode()

    good = API.decode_result(line({"type": "succeeded", "message": {"model": "m"}}))
    assert good is not None
    assert (good.kind, good.body) == ("succeeded", {"model": "m"})
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "m"}, "request_id": "r"}
    bad = API.decode_result(line({"type": "errored", "error": error}))
    assert bad is not None
    assert (bad.kind, bad.status, bad.request_id) == ("errored", 529, "r")
    gone = API.decode_result(line({"type": "canceled"}))
    assert gone is not None
    assert gone.kind == "cancelled"
    for wrong in (line({"type": "other"}), line({"type": "succeeded"}), line(None), b"{}"):
        with pytest.raises(DialectError):
            API.decode_result(wrong)
