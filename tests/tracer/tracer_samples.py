"""A day of traffic for looking at: plain and streamed requests, a tool conversation, errors, a fallback."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from tracer_contexts import assistant_calls, finished, tool_result, user

from llm_gateway_sdk import (
    Attempt,
    Loss,
    Message,
    ModelHTTPError,
    RequestContext,
    RequestRejected,
    TextPart,
    ThinkingPart,
)

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
"""What an attacker would write into a prompt that an operator reads."""

QUESTIONS = (
    "Summarise the attached report in three sentences.",
    "What is the capital of France?",
    "Write a haiku about connection pools.",
    "Why does my query read the whole table?",
    "Translate to Spanish: the train leaves at nine.",
)


def samples(count: int = 300, *, seed: int = 7, span_seconds: float = 20 * 3600) -> Iterator[RequestContext]:
    """`count` requests spread over the span before now, and the special ones within the last hour."""
    dice = random.Random(seed)
    now = time.time()
    for number in range(count):
        started = now - dice.random() * span_seconds - 3600
        ctx = finished(
            f"req-{number:04d}",
            messages=[user(dice.choice(QUESTIONS))],
            started=started,
            project=dice.choice(("production", "production", "development")),
            caller=dice.choice(("mobile-app", "batch", "support-bot")),
            streaming=dice.random() < 0.6,
        )
        spent = dice.lognormvariate(0.2, 0.6)
        ctx.metrics.ended, ctx.metrics.first_token = started + spent, started + spent * dice.uniform(0.1, 0.5)
        if dice.random() < 0.05:
            ctx.response = None
            ctx.error = ModelHTTPError("Rate limit reached", status=429, kind="rate_limit")
        yield ctx
    yield from tool_conversation(now - 600)
    yield fallback(now - 400)
    yield finished(
        "req-hostile",
        started=now - 300,
        messages=[user(HOSTILE)],
        reply=Message(
            "assistant", [ThinkingPart("The user wants to see markup: " + HOSTILE), TextPart(f"Here it is: {HOSTILE}")]
        ),
    )
    refused = finished(
        "req-refused", started=now - 200, error=RequestRejected("The prompt names a customer", status=422)
    )
    refused.attempts.clear()
    yield refused


def tool_conversation(started: float) -> Iterator[RequestContext]:
    """Three rounds which the client sends without any id of the conversation."""
    question = user("Will I need an umbrella in Paris tomorrow, and what does one cost?")
    first = assistant_calls(
        "call_weather_0001", "get_weather", '{"city":"Paris","day":"tomorrow","units":{"temperature":"C","rain":"mm"}}'
    )
    second = assistant_calls("call_price_0002", "search_shop", '{"query":"umbrella","max_price":30}')
    history = [Message("system", [TextPart("You are a helpful assistant.")]), question]
    yield finished(
        "req-tools-1", started=started, messages=history, reply=first, project="production", caller="mobile-app"
    )
    history = [*history, first, tool_result("call_weather_0001", '{"rain_mm": 12, "wind": "strong"}')]
    yield finished(
        "req-tools-2", started=started + 2, messages=history, reply=second, project="production", caller="mobile-app"
    )
    history = [*history, second, tool_result("call_price_0002", '[{"name": "Storm 3000", "price": 24.9}]')]
    last = Message("assistant", [TextPart("Yes: 12 mm of rain and strong wind. The “Storm 3000” costs 24.90 €.")])
    yield finished(
        "req-tools-3",
        started=started + 4,
        messages=history,
        reply=last,
        project="production",
        caller="mobile-app",
        streaming=True,
    )


def fallback(started: float) -> RequestContext:
    ctx = finished("req-fallback", started=started, project="production", caller="batch", target_model="claude")
    failed = Attempt(
        "gpt-mini", "openai/gpt-4.1-mini", started + 0.01, None, started + 0.06, 503, "overloaded", "overloaded"
    )
    ctx.attempts[:] = [
        failed,
        Attempt("claude", "anthropic/claude-sonnet-4-5", started + 0.07, started + 0.1, started + 0.24, 200),
    ]
    ctx.losses = [Loss("dropped", "logit_bias"), Loss("converted", "max_completion_tokens", detail="max_tokens")]
    ctx.timings = {"auth.before_model": 0.000031, "router.before_model": 0.000012, "upstream": 0.17}
    return ctx
