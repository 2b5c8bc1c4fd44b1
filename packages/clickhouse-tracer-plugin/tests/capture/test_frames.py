"""A finished request as a frame: what became of it, what is left out, and that a frame is read as it was taken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.capture.frames import FrameTaker, decode_frame
from llm_gateway_clickhouse_tracer.settings import TracerSettings

from llm_gateway_sdk import (
    Attempt,
    GatewayError,
    Headers,
    HTTPRequest,
    InvalidRequest,
    LLMRequest,
    LLMResponse,
    Message,
    ModelHTTPError,
    ModelTimeout,
    Overloaded,
    Payload,
    RequestContext,
    RequestRejected,
    TextPart,
    Usage,
)

BODY = b'{"model":"gpt","messages":[{"role":"user","content":"as it came"}]}'


def context(**fields: Any) -> RequestContext:
    http = HTTPRequest(
        "POST", "/openai/v1/chat/completions", "", Headers([("authorization", "Bearer sk-CANARY")]), BODY
    )
    ctx = RequestContext(request_id="r1", http_request=http, requested_model="gpt", started=100.0)
    ctx.request = LLMRequest(model="gpt", messages=[Message("user", [TextPart("What is new?")])])
    ctx.response = LLMResponse(id="x", model="gpt-x")
    ctx.attempts = [Attempt("gpt", "openai/gpt-x", 100.1, 100.2, 100.9, 200, usage=Usage(10, 2))]
    for name, value in fields.items():
        setattr(ctx, name, value)
    return ctx


def frame(ctx: RequestContext, config: dict[str, Any] | None = None, **options: bool) -> dict[str, Any]:
    return decode_frame(b"".join(FrameTaker(TracerSettings.load(config or {})).take(ctx, **options).pieces))


@pytest.mark.parametrize(
    ("error", "sent", "outcome"),
    [
        (None, 200, ("ok", 200)),
        (None, None, ("ok", 200)),
        (None, 201, ("ok", 201)),
        (RequestRejected("no", status=403), 403, ("refused", 403)),
        (InvalidRequest("not JSON"), 400, ("refused", 400)),
        (Overloaded("full"), 503, ("error", 503)),
        (ModelHTTPError("busy", status=429, kind="rate_limit"), 429, ("error", 429)),
        (ModelTimeout("total"), None, ("error", 504)),
        (ModelHTTPError("late", status=500), 200, ("error", 200)),
        (GatewayError("left", status=499, code="client_disconnected"), 200, ("cancelled", 499)),
        (GatewayError("left", status=499, code="session_ended"), 499, ("cancelled", 499)),
        (asyncio.CancelledError(), None, ("cancelled", 499)),
        (ConnectionResetError(), 200, ("cancelled", 499)),
        (ZeroDivisionError(), None, ("error", 500)),
    ],
    ids=lambda value: f"{type(value).__name__}" if isinstance(value, BaseException) else str(value),
)
def test_what_became_of_a_request(error: Any, sent: int | None, outcome: tuple[str, int]) -> None:
    ctx = context(error=error)
    if sent is not None:
        ctx.status = sent

    found = frame(ctx)
    assert (found["status"], found["http_status"]) == outcome


def test_a_body_that_no_plugin_opened_is_kept_as_it_came() -> None:
    ctx = context()
    ctx._request = Payload(lambda: LLMRequest())

    found = frame(ctx)
    assert found["request"] == 0
    assert found["bodies"][0] == BODY


def test_a_body_that_a_plugin_changed_is_kept_as_the_plugin_left_it() -> None:
    found = frame(context())
    assert "What is new?" in str(found["request"])
    assert b"as it came" not in b"".join(found["bodies"])


@pytest.mark.parametrize("error", [RequestRejected("no"), None], ids=["refused", "never sent"])
def test_the_text_of_a_request_that_was_not_sent_or_was_refused_is_not_kept(error: Exception | None) -> None:
    ctx = context(error=error)
    if error is None:
        ctx.attempts = []

    found = frame(ctx, {"capture": {"original": "none"}} if error is None else None)
    assert found["request"] is None
    assert "What is new?" not in str(found)


def test_without_bodies_nothing_of_the_texts_is_kept() -> None:
    found = frame(context(), with_bodies=False)
    assert (found["request"], found["response"], found["original"], found["bodies"]) == (None, None, None, [])


def test_secrets_are_in_no_error_and_no_header() -> None:
    ctx = context(error=ModelHTTPError("the key sk-CANARY is wrong", status=401))
    ctx.attempts[0].error = "sk-CANARY"

    assert "CANARY" not in str(frame(ctx))


def test_long_messages_are_cut() -> None:
    ctx = context(error=ModelHTTPError("x" * 9000, status=500))
    ctx.attempts[0].error = "y" * 9000

    found = frame(ctx)
    assert len(found["error"]) == len(found["attempts"][0]["error"]) == 2000


def test_half_a_letter_in_an_error_loses_no_record() -> None:
    ctx = context(error=ModelHTTPError("half \ud800 a letter", status=500))
    ctx.caller = "\udfff"

    found = frame(ctx)
    assert found["id"] == "r1"
    assert "half" in found["error"]
    assert found["attempts"][0]["usage"]["input_tokens"] == 10


def test_a_reply_that_was_kept_in_part_is_marked() -> None:
    assert "cut" not in frame(context())
    assert frame(context(reply_truncated=True))["cut"] is True


@pytest.mark.parametrize("record", [b"", b"[]", b'{"a": 1}', b"\xff\xfe"])
def test_what_is_not_a_record_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_frame(record)
