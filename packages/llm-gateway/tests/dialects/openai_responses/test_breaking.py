"""How a forwarded stream ends that broke off."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.dialects.openai_responses.breaking import break_off
from llm_gateway_sdk.errors import ErrorInfo
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.sse import parse_event

ERROR = ErrorInfo("The provider closed the connection.", 502, code="provider_connection_failed")
CREATED = (
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,'
    b'"response":{"id":"resp_1","model":"m","status":"in_progress","output":[]}}\n\n'
)


def failed(head: bytes, tail: bytes) -> dict[str, Any]:
    written = break_off(ERROR, head, tail)
    assert written is not None
    assert written.endswith(b"\n\n")
    event = parse_event(written.strip(b"\n"))
    assert event is not None
    found: dict[str, Any] = json.loads(event.data)
    return found


@pytest.mark.parametrize(
    ("tail", "number"),
    [
        (b"", 1),
        (b'data: {"type":"response.output_text.delta","sequence_number":41,"delta":"a"}\n\n', 42),
        (b'..."sequence_number" : 8}\n\ndata: {"sequence_number":9', 10),
    ],
    ids=["head alone", "one event", "cut events"],
)
def test_the_last_event_follows_the_numbers_that_the_client_has(tail: bytes, number: int) -> None:
    event = failed(CREATED, tail)

    assert (event["type"], event["sequence_number"]) == ("response.failed", number)
    assert event["response"]["id"] == "resp_1"
    assert event["response"]["status"] == "failed"
    assert event["response"]["error"]["message"] == ERROR.message


def test_line_ends_of_other_servers_are_read() -> None:
    assert failed(CREATED.replace(b"\n", b"\r\n"), b"")["response"]["id"] == "resp_1"


@pytest.mark.parametrize(
    "head",
    [b"", b"data: not JSON\n\n", b"data: [1]\n\n", b'data: {"response": 1}\n\n', b": comment\n\n"],
    ids=["empty", "not JSON", "list", "number", "comment"],
)
def test_without_a_response_to_end_there_is_no_such_event(head: bytes) -> None:
    assert break_off(ERROR, head, b"") is None
