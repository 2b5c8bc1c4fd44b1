"""Finished requests as the gateway hands them to the tracer."""

from __future__ import annotations

import time
from typing import Any

from llm_gateway_sdk import (
    Attempt,
    Choice,
    Headers,
    HTTPRequest,
    LLMRequest,
    LLMResponse,
    Message,
    RequestContext,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)

__all__ = ["assistant_calls", "finished", "tool_result", "user"]


def user(text: str) -> Message:
    return Message("user", [TextPart(text)])


def assistant_calls(call_id: str, name: str, arguments: str) -> Message:
    return Message("assistant", [ToolCallPart(call_id, name, arguments)])


def tool_result(call_id: str, text: str) -> Message:
    return Message("tool", [ToolResultPart(call_id, [TextPart(text)])])


def finished(
    request_id: str,
    *,
    messages: list[Message] | None = None,
    reply: Message | None = None,
    headers: dict[str, str] | None = None,
    error: Exception | None = None,
    started: float | None = None,
    **fields: Any,
) -> RequestContext:
    """One request to `gpt-4.1-mini`, answered after 0.25 s, the first token after 0.1 s."""
    started = time.time() if started is None else started
    request = LLMRequest(model="gpt-mini", messages=messages or [user("What is the capital of France?")])
    ctx = RequestContext(
        request_id=request_id,
        project=fields.pop("project", "default"),
        adapter="openai",
        http_request=HTTPRequest(
            "POST", "/openai/v1/chat/completions", "", Headers((headers or {"user-agent": "tests/1"}).items()), b"{}"
        ),
        requested_model="gpt-mini",
        client_dialect="openai_chat",
        client_ip="127.0.0.1",
        started=started,
    )
    ctx.request = request
    ctx.target_model = "gpt-mini"
    attempt = Attempt("gpt-mini", "openai/gpt-4.1-mini", started + 0.01, started + 0.1, started + 0.24, 200)
    ctx.attempts.append(attempt)
    ctx.metrics.first_token = started + 0.1
    ctx.metrics.ended = started + 0.25
    if error is None:
        answer = reply or Message("assistant", [TextPart("Paris.")])
        ctx.response = LLMResponse(
            id=f"chatcmpl-{request_id}",
            model="gpt-4.1-mini-2025-04-14",
            choices=[Choice(0, answer, "tool_calls" if answer.tool_calls else "stop", "stop")],
            usage=Usage(1000, 100, 400),
        )
        ctx.metrics.input_tokens, ctx.metrics.output_tokens, ctx.metrics.cache_read_tokens = 1000, 100, 400
    else:
        ctx.error = error
        attempt.error, attempt.status = str(error), getattr(error, "status", None)
    for name, value in fields.items():
        setattr(ctx, name, value)
    return ctx
