"""The checker finds nothing in what the vendor sent, and something in everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway_sdk.testing.grammar.openai_responses import violations
from llm_gateway_sdk.testing.recordings import Recording, load_recordings

REPLY = {"id": "resp_1", "status": "in_progress", "output": []}
ITEM: dict[str, Any] = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
PART = {"type": "output_text", "text": "", "annotations": []}
WHOLE_PART = {**PART, "text": "hi"}
WHOLE = {**ITEM, "status": "completed", "content": [WHOLE_PART]}
PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
LEGAL: list[dict[str, Any]] = [
    {"type": "response.created", "response": REPLY},
    {"type": "response.in_progress", "response": REPLY},
    {"type": "response.output_item.added", "output_index": 0, "item": ITEM},
    {"type": "response.content_part.added", **PLACE, "part": PART},
    {"type": "response.output_text.delta", **PLACE, "delta": "h"},
    {"type": "response.output_text.delta", **PLACE, "delta": "i"},
    {"type": "response.output_text.done", **PLACE, "text": "hi"},
    {"type": "response.content_part.done", **PLACE, "part": WHOLE_PART},
    {"type": "response.output_item.done", "output_index": 0, "item": WHOLE},
    {"type": "response.completed", "response": {**REPLY, "status": "completed", "output": [WHOLE]}},
]


def stream(events: list[dict[str, Any]]) -> bytes:
    numbered = [{"sequence_number": number, **event} for number, event in enumerate(events)]
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in numbered)


def changed(at: int, **fields: Any) -> bytes:
    return stream([{**event, **fields} if place == at else event for place, event in enumerate(LEGAL)])


def without(at: int) -> bytes:
    return stream([event for place, event in enumerate(LEGAL) if place != at])


def test_a_legal_stream_is_legal() -> None:
    assert violations(stream(LEGAL)) == []
    assert violations(stream(LEGAL).replace(b"\n", b"\r\n")) == []


@pytest.mark.parametrize("at", [0, 2, 3, 4, 7, 8, 9])
def test_a_missing_event_is_found(at: int) -> None:
    assert violations(without(at))


@pytest.mark.parametrize(
    "data",
    [
        changed(1, sequence_number=7),
        changed(2, output_index=3),
        changed(2, item={**ITEM, "id": None}),
        changed(4, output_index=1),
        changed(4, item_id="msg_2"),
        changed(4, content_index=1),
        changed(4, type="response.reasoning_text.delta"),
        changed(6, text="ho"),
        changed(8, item={**WHOLE, "id": "msg_2"}),
        changed(8, item={**WHOLE, "content": []}),
        changed(9, response={**REPLY, "status": "completed"}),
        changed(9, response={**REPLY, "id": "resp_2", "status": "completed", "output": [WHOLE]}),
        changed(9, response={**REPLY, "status": "failed", "output": [WHOLE]}),
        stream([*LEGAL, LEGAL[4]]),
        stream([*LEGAL[:3], LEGAL[2], *LEGAL[3:]]),
        stream(LEGAL).replace(b"event: response.created", b"event: created"),
        b"data: x\n\n",
        b"",
    ],
)
def test_what_is_wrong_is_found(data: bytes) -> None:
    assert violations(data)


def test_a_stream_that_broke_off_needs_no_end() -> None:
    failed = {"type": "response.failed", "response": {**REPLY, "status": "failed", "error": {"message": "x"}}}

    assert violations(stream(LEGAL[:5]), complete=False) == []
    assert violations(stream([*LEGAL[:5], failed])) == []
    assert violations(stream([*LEGAL[:5], failed, LEGAL[5]]), complete=False)


def recordings() -> list[Any]:
    """Streams as they are now: the first ones had no sequence numbers, and one leaves its first items open."""
    found = [
        recording
        for recording in load_recordings("openai-responses")
        if recording.stream is not None and b"sequence_number" in recording.stream and "backfills" not in recording.id
    ]
    skipped = pytest.param(None, marks=pytest.mark.skip(reason="the conformance kit is not there"))
    return [pytest.param(recording, id=recording.id) for recording in found] or [skipped]


@pytest.mark.parametrize("recording", recordings())
def test_what_the_vendor_sends_is_legal(recording: Recording) -> None:
    assert violations(recording.stream or b"") == []
