"""docs/errors.md, row by row, through the running gateway: statuses, bodies, headers, exceptions, events."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from typing import Any

import anthropic
import openai
import pytest
from asking import CLIENTS, error_of, events_of, google_error, post, sdk_error
from error_table import DIALECTS, PAGE, exception_of, page, rows
from provider_errors import CLASSES, NO_FORM, failure_inside, provider_error
from served_gateway import ServedGateway

each_client = pytest.mark.parametrize("client", CLIENTS)
each_provider = pytest.mark.parametrize("provider", DIALECTS)
each_class = pytest.mark.parametrize("kind", CLASSES)

FAMILY = {"openai_chat": "openai", "openai_responses": "openai"}
FAILURES = ("rate_limit", "overloaded", "upstream")


def message_of(provider: str, kind: str) -> str:
    body = provider_error(provider, kind).body
    return str(body["error"]["message"] if "error" in body else body["message"])


def test_the_page_states_what_the_code_does() -> None:
    assert PAGE.read_text() == page(), "python tools/error_table.py --write"


@each_client
@each_provider
@each_class
def test_a_providers_error_is_reported_in_the_clients_words(
    gateway: ServedGateway, client: str, provider: str, kind: str
) -> None:
    reported = provider_error(provider, kind)

    reply = post(gateway, client, provider, f"fail {kind}")

    assert reply.headers["x-llm-gateway-error-source"] == "upstream"
    if client == provider:
        assert (reply.status_code, reply.json()) == (reported.status, reported.body)
        return
    assert error_of(client, reply.json())[2].startswith(message_of(provider, kind))
    if FAMILY.get(client, client) == FAMILY.get(provider, provider):
        assert reply.status_code == reported.status
        return
    row = next(row for row in rows(client) if row.kind == ("bad_request" if (provider, kind) in NO_FORM else kind))
    assert reply.status_code // 100 == row.status // 100
    assert exception_of(client, reply.status_code) == row.exception or kind == "quota"
    if kind != "quota":
        assert error_of(client, reply.json())[0] == row.word


@pytest.mark.parametrize("client", CLIENTS[:3])
@each_provider
@each_class
def test_the_official_sdk_raises_the_exception_of_the_table(
    gateway: ServedGateway, client: str, provider: str, kind: str
) -> None:
    raised = sdk_error(gateway, client, provider, f"fail {kind}")

    status: int = raised.status_code  # type: ignore[attr-defined]
    sdk: Any = anthropic if client == "anthropic" else openai
    assert isinstance(raised, getattr(sdk, exception_of(client, status)))
    assert raised.request_id  # type: ignore[attr-defined]


@pytest.mark.skipif(importlib.util.find_spec("google.genai") is None, reason="google-genai is not installed")
@pytest.mark.filterwarnings("ignore")
@each_provider
@pytest.mark.parametrize("kind", ["authentication", "rate_limit", "overloaded"])
def test_googles_sdk_raises_its_exceptions(gateway: ServedGateway, provider: str, kind: str) -> None:
    raised = google_error(gateway, provider, f"fail {kind}")

    assert type(raised).__name__ == ("ServerError" if kind == "overloaded" else "ClientError")
    assert raised.message.startswith(message_of(provider, kind))  # type: ignore[attr-defined]


@each_client
@each_provider
def test_rate_limits_are_reported_in_the_clients_headers(gateway: ServedGateway, client: str, provider: str) -> None:
    headers = post(gateway, client, provider, "fail rate_limit").headers

    if provider != "gemini" or client != "gemini":
        assert headers["retry-after"] == "7"
    source = FAMILY.get(provider, provider)
    if source == "gemini" or source == "bedrock" or client == "gemini":
        return
    if client == "anthropic":
        assert headers["anthropic-ratelimit-requests-limit"] == "60"
        assert headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert datetime.fromisoformat(headers["anthropic-ratelimit-requests-reset"]) > datetime.now(UTC)
    else:
        assert headers["x-ratelimit-limit-requests"] == "60"
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert headers["x-ratelimit-reset-requests"].endswith("s")


@each_client
@each_provider
@pytest.mark.parametrize("kind", FAILURES)
def test_a_stream_that_has_begun_ends_in_the_clients_error_event(
    gateway: ServedGateway, client: str, provider: str, kind: str
) -> None:
    events = events_of(post(gateway, client, provider, f"fail inside {kind}", stream=True))

    assert "heard" in str(events[:-1])
    last = events[-1]
    if client == provider:
        wanted = failure_inside(provider, kind).event
        assert last == wanted
        return
    error: Any = last["response"]["error"] if client == "openai_responses" else last["error"]
    message = message_of(provider, kind)
    assert error["message"].startswith(message)
    assert not any(_marks_whole(client, event) for event in events)
    if client == "anthropic":
        assert (last["type"], error["type"]) == ("error", next(r.word for r in rows(client) if r.kind == kind))
    elif client == "openai_responses":
        assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")


def _marks_whole(client: str, event: dict[str, Any]) -> bool:
    if client == "openai_chat":
        return any(choice.get("finish_reason") for choice in event.get("choices") or [])
    if client == "gemini":
        return any(candidate.get("finishReason") for candidate in event.get("candidates") or [])
    return event.get("type") in ("message_stop", "response.completed")


@pytest.mark.parametrize("client", CLIENTS[:3])
@each_provider
def test_the_official_sdk_does_not_take_a_broken_stream_for_whole(
    gateway: ServedGateway, client: str, provider: str
) -> None:
    assert sdk_error(gateway, client, provider, "fail inside overloaded", stream=True)
