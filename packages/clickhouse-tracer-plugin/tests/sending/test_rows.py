"""What becomes of a finished request: which figures, which texts, and what never gets in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.capture.frames import FrameTaker
from llm_gateway_clickhouse_tracer.counters import Counters
from llm_gateway_clickhouse_tracer.database.schema import COLUMNS
from llm_gateway_clickhouse_tracer.prices import PriceTable
from llm_gateway_clickhouse_tracer.sending.rows import Dialects, Recorder
from llm_gateway_clickhouse_tracer.settings import TracerSettings

from llm_gateway_sdk import (
    Attempt,
    Choice,
    Dialect,
    DialectError,
    Echo,
    Headers,
    HTTPRequest,
    LLMRequest,
    LLMResponse,
    Loss,
    Message,
    Mint,
    ModelHTTPError,
    Payload,
    Principal,
    RequestContext,
    RequestRejected,
    TextPart,
    ToolCallPart,
    Usage,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.context import Engine

STARTED = 1_790_000_000.5


def context(*, headers: dict[str, str] | None = None, **fields: Any) -> RequestContext:
    ctx = RequestContext(
        request_id="r1",
        project="shop",
        adapter="openai",
        http_request=HTTPRequest(
            "POST",
            "/shop/openai/v1/chat/completions",
            "key=CANARY-query",
            Headers((headers or {}).items()),
            b'{"model":"gpt","messages":[{"role":"user","content":"as it came"}]}',
        ),
        requested_model="gpt",
        client_dialect="openai_chat",
        client_ip="10.0.0.7",
        started=STARTED,
        streaming=True,
    )
    ctx.request = LLMRequest(model="gpt", messages=[Message("user", [TextPart("What is new?")])])
    ctx.response = LLMResponse(
        id="x",
        model="gpt-4.1-2025-04-14",
        choices=[Choice(0, Message("assistant", [TextPart("Nothing.")]), "stop", "stop")],
        usage=Usage(1000, 100, 400, None, 20),
    )
    ctx.caller = "alice"
    ctx.attempts = [Attempt("gpt", "openai/gpt-4.1", STARTED + 0.01, STARTED + 0.2, STARTED + 0.9, 200)]
    ctx.metrics.first_token, ctx.metrics.ended = STARTED + 0.2, STARTED + 1.0
    for name, value in fields.items():
        setattr(ctx, name, value)
    return ctx


def frame_of(ctx: RequestContext, config: dict[str, Any] | None = None) -> bytes:
    """What waits in the spool."""
    return b"".join(FrameTaker(TracerSettings.load(config or {})).take(ctx).pieces)


def line_of(ctx: RequestContext, config: dict[str, Any] | None = None, counters: Counters | None = None) -> bytes:
    """What is sent to ClickHouse."""
    recorder = Recorder(TracerSettings.load(config or {}), PriceTable.load(), counters or Counters(), DIALECTS)
    return recorder.rows(frame_of(ctx, config))


def row_of(ctx: RequestContext, config: dict[str, Any] | None = None) -> dict[str, Any]:
    line = line_of(ctx, config)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    row: dict[str, Any] = json.loads(line)
    return row


def test_a_record_answers_the_questions_people_ask() -> None:
    row = row_of(context(headers={"user-agent": "curl/8", "x-session-id": "s-1", "x-user-id": "u-7"}))

    expected = {
        "ts": "2026-09-21T14:13:20.500000+00:00",
        "project": "shop",
        "caller": "alice",
        "user_id": "u-7",
        "session_id": "s-1",
        "interaction_id": "r1",
        "model_requested": "gpt",
        "model_routed": "gpt",
        "model_answered": "gpt-4.1-2025-04-14",
        "provider": "openai",
        "status": "ok",
        "http_status": 200,
        "attempts": 1,
        "stream": True,
        "duration_us": 1_000_000,
        "ttft_us": 200_000,
        "input_tokens": 1000,
        "output_tokens": 100,
        "cache_read_tokens": 400,
        "reasoning_tokens": 20,
        "cost_usd": "0.002200000",
        "finish_reason": "stop",
        "prompt": "What is new?",
        "answer": "Nothing.",
        "path": "/shop/openai/v1/chat/completions",
    }
    assert {name: row[name] for name in expected} == expected


def test_a_record_knows_the_callers_team_and_labels() -> None:
    ctx = context()
    ctx.principal = Principal("k1", "alice", team="data", labels={"env": "prod"})
    row = row_of(ctx)

    assert (row["principal"], row["team"], row["org"], row["labels"]) == ("k1", "data", "", {"env": "prod"})
    assert set(row) <= {column.name for column in COLUMNS}
    assert "team" not in row_of(context())


def test_every_key_of_a_record_is_a_column() -> None:
    ctx = context(
        error=ModelHTTPError("no", status=500), losses=[Loss("dropped", "seed")], metadata={"tags": {"team": "a"}}
    )

    assert row_of(ctx, {"capture": {"original": "all"}}).keys() <= {column.name for column in COLUMNS}


def test_bodies_are_kept_in_canonical_form() -> None:
    row = row_of(context())

    assert json.loads(row["request"]) == {
        "model": "gpt",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "What is new?"}]}],
    }
    assert json.loads(row["response"])["choices"][0]["message"]["content"] == [{"type": "text", "text": "Nothing."}]


def test_bodies_are_recorded_as_the_plugins_left_them() -> None:
    ctx = context()
    ctx.request.map_text(lambda text: text.replace("What is new", "[hidden]"))

    line = line_of(ctx)

    assert b"[hidden]" in line
    assert b"What is new" not in line
    assert b"as it came" not in line


def test_the_unedited_body_is_kept_only_where_it_is_asked_for() -> None:
    assert "as it came" in row_of(context(), {"capture": {"original": "all"}})["original"]
    assert "original" not in row_of(context())


@pytest.mark.parametrize("attempted", [False, True], ids=["before the model", "after it"])
def test_what_a_plugin_refused_is_recorded_without_its_text(attempted: bool) -> None:
    # The plugin that would have hidden something may come after the one that refused.
    ctx = context(error=RequestRejected("The reply holds a card number", status=422))
    if not attempted:
        ctx.attempts.clear()

    frame, row = frame_of(ctx), row_of(ctx)

    assert b"What is new" not in frame
    assert b"Nothing." not in frame
    assert (row["status"], row["error"]) == ("refused", "The reply holds a card number")


def test_of_a_stream_that_was_refused_half_way_only_what_had_gone_out_is_kept() -> None:
    ctx = context(error=RequestRejected("The reply holds a card number", status=422))
    Engine.accumulate(ctx, LLMResponse(choices=[Choice(0, Message("assistant", [TextPart("Your card is")]))]))

    assert row_of(ctx)["answer"] == "Your card is"


def test_an_unknown_price_is_absent_and_not_zero() -> None:
    ctx = context()
    assert ctx.response is not None
    ctx.response.model = "my-own-model"
    ctx.attempts[0].target = "openai/my-own-model"

    row = row_of(ctx)

    assert "cost_usd" not in row
    assert row["input_tokens"] == 1000


def test_unknown_token_counts_are_null() -> None:
    ctx = context()
    assert ctx.response is not None
    ctx.response.usage = None

    assert row_of(ctx)["input_tokens"] is None


@pytest.mark.parametrize(
    "header", ["authorization", "x-api-key", "cookie", "x-goog-api-key", "my-secret-thing", "x-mine"]
)
def test_the_value_of_a_secret_header_never_gets_in(header: str) -> None:
    secret = "CANARY-0123456789"
    ctx = context(
        headers={header: f"Bearer {secret}", "user-agent": "curl"},
        error=ModelHTTPError(f"bad key {secret}", status=401),
    )
    ctx.attempts[0].error = f"Incorrect API key provided: {secret}"

    config = {"redactHeaders": ["X-Mine"]}
    line = line_of(ctx, config)

    assert b"CANARY" not in line + frame_of(ctx, config)
    assert json.loads(line)["headers"] == {header: "[hidden]", "user-agent": "curl"}


def test_what_looks_like_a_key_in_an_error_is_hidden() -> None:
    row = row_of(context(error=ModelHTTPError("Incorrect API key provided: sk-proj-abcdefghijkl****mnop.", status=401)))

    assert "sk-proj" not in row["error"]
    assert "Incorrect API key provided" in row["error"]


def test_the_query_string_is_not_kept_since_some_clients_put_keys_there() -> None:
    assert b"CANARY-query" not in line_of(context())


@pytest.mark.parametrize(
    ("error", "status", "http_status", "kind"),
    [
        (ModelHTTPError("slow down", status=429, kind="rate_limit"), "error", 429, "rate_limit"),
        (RequestRejected("no", status=403), "refused", 403, None),
        (RuntimeError("boom"), "error", 500, "RuntimeError"),
        (ConnectionResetError("client left"), "cancelled", 499, "ConnectionResetError"),
    ],
)
def test_what_went_wrong_is_distinguished(error: Exception, status: str, http_status: int, kind: str | None) -> None:
    row = row_of(context(error=error))

    assert (row["status"], row["http_status"]) == (status, http_status)
    assert kind is None or row["error_kind"] == kind


def test_every_attempt_is_in_the_log_with_its_times() -> None:
    ctx = context()
    failed = Attempt("gpt", "openai/gpt-4.1", STARTED, None, STARTED + 0.05, 503, "overloaded", "overloaded")
    ctx.attempts.insert(0, failed)

    row = row_of(ctx)
    first, second = json.loads(row["attempt_log"])

    assert row["attempts"] == 2
    assert (first["status"], first["error"], first["end_ms"]) == (503, "overloaded", 50)
    assert (second["status"], second["first_token_ms"]) == (200, 200)


def test_metadata_keeps_figures_and_leaves_the_bodies_out() -> None:
    row = row_of(context(), {"capture": {"request": "metadata", "response": "metadata"}})

    assert (row["messages"], row["finish_reason"], row["model_answered"]) == (1, "stop", "gpt-4.1-2025-04-14")
    assert not {"prompt", "answer", "request", "response"} & row.keys()


def test_without_capture_a_body_is_not_even_decoded() -> None:
    def decode() -> LLMRequest:
        raise AssertionError("the body was opened")

    ctx = context()
    Engine.begin_attempt(ctx, Payload(decode))

    assert row_of(ctx, {"capture": {"request": "none", "response": "none"}})["project"] == "shop"


class Backwards(Dialect):
    """Reads bodies backwards, and has a bug where one begins with `!`."""

    name = "backwards"

    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        return LLMRequest(messages=[Message("user", [TextPart(self._text(wire.body))])]), Echo()

    def decode_response(self, wire: WireReply, mint: Mint) -> LLMResponse:
        return LLMResponse(choices=[Choice(0, Message("assistant", [TextPart(self._text(wire.body))]))])

    def _text(self, body: bytes) -> str:
        if body.startswith(b"!"):
            raise AttributeError("a bug")
        if body.startswith(b"?"):
            raise DialectError("not understood")
        return body.decode()[::-1]


Backwards.__abstractmethods__ = frozenset()  # the rest of a dialect has no part in this
DIALECTS = Dialects({"backwards": Backwards()})  # type: ignore[abstract]


def passed_through(request: bytes, reply: bytes) -> RequestContext:
    """No plugin looked: the bytes went through as they were."""

    def unread() -> Any:
        raise AssertionError("decoded on the request's path")

    ctx = context()
    ctx.http_request.body = request
    ctx.client_dialect = "backwards"
    ctx.streaming = False
    Engine.begin_attempt(ctx, Payload(unread))
    ctx.response_payload = Payload(unread)
    ctx.upstream_response = WireReply(200, Headers(), reply)
    return ctx


def test_bodies_that_no_plugin_opened_are_decoded_when_they_are_sent() -> None:
    row = row_of(passed_through(b"olleh", b"dlrow"))

    assert (row["prompt"], row["answer"]) == ("hello", "world")


def test_a_body_that_does_not_decode_is_kept_as_it_was() -> None:
    row = row_of(passed_through(b"?what", b"dlrow"))

    assert row["request"] == "?what"
    assert row["answer"] == "world"


def test_bodies_of_a_dialect_that_is_not_installed_are_kept_as_they_were() -> None:
    ctx = passed_through(b"olleh", b"dlrow")
    ctx.client_dialect = "of-old"

    row = row_of(ctx)

    assert (row["request"], row["response"]) == ("olleh", "dlrow")


@pytest.mark.filterwarnings("ignore")
def test_a_bug_in_somebody_s_decoder_costs_the_bodies_and_not_the_record() -> None:
    counters = Counters()

    row = json.loads(line_of(passed_through(b"!", b"dlrow"), counters=counters))

    assert row["request_id"] == "r1"
    assert row["duration_us"] == 1_000_000
    assert counters.unreadable == 1


def test_a_long_body_is_cut_inside_its_strings_and_stays_json() -> None:
    ctx = context()
    ctx.request.messages[0].content = [TextPart("x" * 5000) for _ in range(10)]

    row = row_of(ctx, {"capture": {"maxBytes": 8192}})

    assert row["truncated"] is True
    assert len(row["request"]) <= 8192
    assert len(json.loads(row["request"])["messages"][0]["content"]) == 10


def test_half_a_surrogate_pair_does_not_poison_the_record() -> None:
    ctx = context()
    ctx.request.messages[0].content = [TextPart("cut \ud83d here")]

    row = row_of(ctx)

    assert row["prompt"] == "cut ? here"
    assert json.loads(row["request"])["messages"][0]["content"][0]["text"].startswith("cut ")


def test_tools_that_the_model_called_are_named() -> None:
    ctx = context()
    assert ctx.response is not None
    ctx.response.choices[0].message.content = [ToolCallPart("call_1234567890", "get_weather", "{}")]

    row = row_of(ctx)

    assert row["tool_calls"] == ["get_weather"]
    assert row["interaction_id"] != "r1"


def test_only_named_metadata_becomes_tags() -> None:
    metadata = {"prompt_manager": {"original": "CANARY", "mode": "wrapper"}, "tags": {"team": "a"}, "other": "CANARY"}

    row = row_of(context(metadata=metadata))

    assert row["tags"] == {"prompt_manager.mode": "wrapper", "tags.team": "a"}
    assert "CANARY" not in json.dumps(row)
