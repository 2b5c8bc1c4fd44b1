import pytest

from llm_gateway_sdk import (
    Choice,
    Headers,
    HTTPRequest,
    LLMRequest,
    LLMResponse,
    Message,
    Payload,
    RequestContext,
    RequestMetrics,
    TextPart,
)
from llm_gateway_sdk.context import Engine

# The founding description's object, in snake_case; RequestContext has every field of it.
FOUNDING = [
    "project", "adapter", "request_id", "request", "response", "available_models", "target_model",
    "target_model_provider", "http_request", "headers", "query_params", "client_ip", "user_agent", "metadata",
    "plugin_data", "metrics", "error", "retry_count", "chunk", "buffered_chunk", "final_chunk", "accumulated_response",
]  # fmt: skip
FOUNDING_METRICS = ["start_time", "end_time", "duration_ms", "input_tokens", "output_tokens", "total_tokens"]


def context(**fields):
    request = LLMRequest(messages=[Message("user", [TextPart("Hi")])])
    return RequestContext(
        request_id="r1", request=Payload(lambda: LLMRequest(messages=list(request.messages))), **fields
    )


def test_every_field_of_the_founding_description_is_there():
    ctx = context()

    for name in FOUNDING:
        getattr(ctx, name)
    for name in FOUNDING_METRICS:
        getattr(ctx.metrics, name)


def test_misspelt_fields_are_errors():
    with pytest.raises(AttributeError):
        context().targetModel = "gpt"


def test_views_of_the_http_request():
    headers = Headers([("X-Team", "blue"), ("User-Agent", "curl"), ("x-team", "red")])
    ctx = context(http_request=HTTPRequest("POST", "/v1/x", "a=1&b=&a=2", headers, b""))

    assert ctx.headers["x-team"] == "red"
    assert ctx.user_agent == "curl"
    assert ctx.query_params == {"a": "2", "b": ""}
    assert ctx.http_request.url == "/v1/x?a=1&b=&a=2"


def test_an_operation_without_a_body_has_no_request():
    ctx = RequestContext(request_id="r1", operation="models")

    assert not ctx.has_request
    with pytest.raises(LookupError, match="operation 'models'"):
        _ = ctx.request


def test_a_new_attempt_keeps_what_belongs_to_the_request_alone():
    ctx = context()
    ctx.metadata["m"] = ctx.plugin_data["p"] = ctx.attempt_data["a"] = 1
    ctx.response = LLMResponse()
    Engine.accumulate(ctx, LLMResponse(choices=[Choice(0, Message("assistant", [TextPart("x")]))]))
    Engine.begin_attempt(ctx, None)

    assert (ctx.metadata, ctx.plugin_data, ctx.attempt_data) == ({"m": 1}, {"p": 1}, {})
    assert (ctx.response, ctx.accumulated_response, ctx.final_chunk) == (None, None, False)


def test_the_base_request_is_what_came():
    ctx = context()
    ctx.request.messages.clear()

    assert ctx.base_request.messages[0].text == "Hi"


def test_a_follow_up_is_taken_once():
    ctx = context()
    result = ctx.follow_up([Message("user")])

    assert result.reevaluate_request
    assert (Engine.take_follow_up(ctx), Engine.take_follow_up(ctx)) == ([Message("user")], None)


def test_times_have_the_shape_of_the_founding_description():
    metrics = RequestMetrics(started=0.0)

    assert metrics.start_time.isoformat() == "1970-01-01T00:00:00+00:00"
    assert metrics.end_time is None


def test_a_payload_decodes_when_somebody_looks_and_knows_whether_it_was_changed():
    decoded = []
    payload = Payload(lambda: decoded.append(1) or ["a"])
    assert (payload.opened, payload.changed, decoded) == (False, False, [])

    assert payload.value == ["a"]
    assert (payload.opened, payload.changed) == (True, False)
    payload.value.append("b")
    assert payload.changed
    payload.value.pop()
    assert not payload.changed


def test_a_payload_without_bytes_has_always_changed():
    assert Payload(None, "a").changed
    with pytest.raises(ValueError, match="no pristine value"):
        Payload(None, "a").pristine()


def test_the_status_is_that_of_the_reply():
    ctx = context()
    assert ctx.status is None

    ctx.status = 429
    assert ctx.status == 429


def test_what_is_known_of_a_kept_reply_ends_with_its_attempt():
    ctx = context()
    ctx.reply_truncated = True
    Engine.begin_attempt(ctx, None)

    assert ctx.reply_truncated is False
