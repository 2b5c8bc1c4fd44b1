import httpx
import pytest

from llm_gateway_sdk import (
    Choice,
    ConfigError,
    HTTPProvider,
    LLMResponse,
    Message,
    ModelHTTPError,
    Provider,
    TextPart,
    http_provider_schema,
)
from llm_gateway_sdk.testing import HTTPAnswer, ProviderHarness, ScriptedHTTP

closed = []


class Parrot(Provider):
    name = "parrot"
    configuration_schema = {"type": "object", "properties": {"model": {}, "ends": {"type": "boolean"}}}

    async def execute(self, request, call):
        if request.messages[-1].text == "fail":
            raise ModelHTTPError("Broken.", status=502)
        part = TextPart(request.messages[-1].text, index=0)
        return LLMResponse(call.new_id("p-"), call.model, call.now(), [Choice(0, Message("assistant", [part]), "stop")])

    async def execute_streaming(self, request, call):
        for word in request.messages[-1].text.split():
            yield LLMResponse(choices=[Choice(0, Message("assistant", [TextPart(word, index=0)]))])
        if self.config.get("ends", True):
            yield LLMResponse(final=True)

    async def close(self):
        closed.append(self)


def test_whole_and_streamed_replies():
    with ProviderHarness(Parrot, {"model": "m-1"}) as harness:
        whole = harness.ask("a b")
        assert (whole.text, whole.response.model, whole.response.id) == ("a b", "m-1", "p-1")
        streamed = harness.stream("a b")
        assert (streamed.text, len(streamed.chunks)) == ("ab", 3)
    assert len(closed) == 1


def test_errors_are_shown():
    assert ProviderHarness(Parrot).ask("fail").error.status == 502


def test_a_failure_is_not_taken_for_an_empty_answer():
    reply = ProviderHarness(Parrot).ask("fail")

    assert (reply.status, str(reply)) == (502, "ModelHTTPError (upstream, status 502): Broken.")
    with pytest.raises(AssertionError, match=r"the call failed: ModelHTTPError \(upstream, status 502\): Broken\."):
        _ = reply.text


class Weather(Provider):
    """Calls the network by itself."""

    name = "weather"

    async def execute(self, request, call):
        answer = await self.gateway.http_client().get("https://weather.example/today")
        part = TextPart(answer.text, index=0)
        return LLMResponse(call.new_id("w-"), call.model, call.now(), [Choice(0, Message("assistant", [part]), "stop")])


def test_a_provider_that_calls_the_network_gets_the_client_of_the_test():
    client = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(200, text="Rain")))

    assert ProviderHarness(Weather, http_client=client).ask().text == "Rain"


def test_a_provider_that_calls_the_network_needs_a_client():
    with pytest.raises(LookupError, match="http_client="):
        ProviderHarness(Weather).ask()


def test_a_stream_without_its_end_is_found():
    with pytest.raises(AssertionError, match="must have `final` set"):
        ProviderHarness(Parrot, {"ends": False}).stream("a b")


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="is not of type 'boolean'"):
        ProviderHarness(Parrot, {"ends": "never"})


def test_a_provider_without_a_name_is_reported():
    with pytest.raises(ConfigError, match=r'write `name = "…"`'):
        ProviderHarness(type("Nameless", (Provider,), {}))


class Acme(HTTPProvider):
    name = "acme"
    dialect = "chat"
    default_base_url = "https://acme.example/v1"
    configuration_schema = http_provider_schema()


def test_a_provider_over_http_is_prepared_without_a_network():
    sent = ProviderHarness(Acme, {"apiKey": "k", "headers": {"X-Org": "1"}}).prepare("/chat/completions")

    assert sent.url == "https://acme.example/v1/chat/completions"
    assert dict(sent.headers.items) == {"x-org": "1", "authorization": "Bearer k"}


def test_a_provider_over_http_runs_on_a_dialect_and_scripted_answers():
    chat = pytest.importorskip("llm_gateway.dialects.openai_chat").OpenAIChat()
    choice = b'{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}'
    whole = b'{"id": "1", "choices": [' + choice + b"]}"
    first = b'data: {"id": "1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "H"}}]}'
    second = b'data: {"id": "1", "choices": [{"index": 0, "delta": {"content": "i"}, "finish_reason": "stop"}]}'
    body = first + b"\n\n" + second + b"\n\ndata: [DONE]\n\n"
    stream = [body[:100], body[100:]]
    failed = b'{"error": {"message": "Slow down.", "type": "rate_limit_error"}}'
    http = ScriptedHTTP(
        HTTPAnswer(200, whole), HTTPAnswer(200, stream, {"content-type": "text/event-stream"}), HTTPAnswer(429, failed)
    )
    harness = ProviderHarness(Acme, {"apiKey": "k", "model": "m-1"}, dialect=chat, http=http)

    assert harness.ask().text == "Hi"
    assert harness.stream().text == "Hi"
    assert (harness.ask().error.status, harness.ask().error.kind) == (429, "rate_limit")
    assert b'"m-1"' in harness.sent[0].body


def test_a_provider_over_http_needs_its_dialect():
    with pytest.raises(TypeError, match="give the harness the dialect"):
        ProviderHarness(Acme).ask()
