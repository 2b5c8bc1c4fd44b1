import pytest

from llm_gateway_sdk import (
    ConfigError,
    LLMResponse,
    Message,
    ModelHTTPError,
    ModelStreamError,
    Plugin,
    PluginResult,
    RequestRejected,
    TextPart,
    ThinkingPart,
    ToolResultPart,
    plugin_metadata,
)
from llm_gateway_sdk.testing import Mount, PluginHarness, ScriptedModel, pause, tool_call


@plugin_metadata(name="shout", version="1.0.0", description="Upper-cases replies")
class Shout(Plugin):
    async def after_model(self, ctx):
        ctx.response.map_text(str.upper)

    async def after_chunk(self, ctx):
        ctx.buffered_chunk.map_text(str.upper)


def plugin(**members):
    return plugin_metadata(name="made")(type("Made", (Plugin,), members))


def test_a_reply_passes_through_the_hooks():
    reply = PluginHarness(Shout).ask(reply="hello there")

    assert reply.text == "HELLO THERE"
    assert reply.status == 200
    assert reply.error is None
    assert reply.response.finish_reason == "stop"
    assert reply.chunks == []


def test_a_stream_passes_through_the_hooks_chunk_by_chunk():
    reply = PluginHarness(Shout).stream(["he", "llo"])

    assert [chunk.text for chunk in reply.chunks] == ["HE", "LLO"]
    assert reply.text == "HELLO"
    assert [bool(event.choices[0].message.content) for event in reply.events] == [False, True, True, False]
    assert reply.events[-1].final


def test_a_text_that_is_a_whole_turn_is_streamed_word_by_word():
    assert [chunk.text for chunk in PluginHarness(Shout).stream("one two").chunks] == ["ONE ", "TWO"]


def test_the_model_sees_what_before_model_made_of_the_request():
    def before_model(self, ctx):
        ctx.request.map_text(lambda text: text.replace("cat", "dog"))

    reply = PluginHarness(plugin(before_model=before_model)).ask("A cat?")

    assert reply.requests[0].messages[0].text == "A dog?"
    assert reply.context.base_request.messages[0].text == "A cat?"


def test_a_refusal_has_its_status_and_words_and_asks_no_model():
    refuse = plugin(before_model=lambda self, ctx: PluginResult(success=False, status=402, error="Pay first."))

    reply = PluginHarness(refuse).ask()

    assert (reply.status, str(reply.error), reply.text, reply.requests) == (402, "Pay first.", "", [])
    assert isinstance(reply.error, RequestRejected)
    assert reply.error.plugin == "made"


def test_an_exception_in_a_hook_is_reported_with_plugin_and_phase_but_not_with_its_words():
    def before_model(self, ctx):
        raise KeyError("internal")

    reply = PluginHarness(plugin(before_model=before_model)).ask()

    assert (reply.status, str(reply.error)) == (500, "Plugin 'made' failed in before_model.")
    assert isinstance(reply.error.cause, KeyError)


def test_terminate_with_a_response_answers_in_the_models_place():
    from llm_gateway_sdk import Choice

    def before_model(self, ctx):
        ctx.response = LLMResponse(choices=[Choice(0, Message("assistant", [TextPart("cached")]), "stop")])
        return PluginResult(terminate=True)

    harness = PluginHarness(plugin(before_model=before_model))

    assert harness.ask().text == "cached"
    assert harness.stream().chunks[0].text == "cached"
    assert harness.model.calls == 0


def test_a_fallback_goes_to_the_model_that_the_plugin_names():
    def on_model_error(self, ctx):
        ctx.target_model = "spare"
        return PluginResult(reevaluate_request=True)

    models = {"main": ScriptedModel(503), "spare": ScriptedModel("from the spare")}
    reply = PluginHarness(plugin(on_model_error=on_model_error), models=models).ask()

    assert reply.text == "from the spare"
    assert [(attempt.model, attempt.status) for attempt in reply.attempts] == [("main", 503), ("spare", 200)]
    assert reply.context.error is None


def test_a_stream_that_breaks_before_its_first_content_is_tried_again_unseen():
    again = plugin(on_model_error=lambda self, ctx: PluginResult(reevaluate_request=True))

    reply = PluginHarness(again, model=ScriptedModel([pause(0), 503], "whole")).stream()

    assert (reply.text, reply.status, len(reply.attempts)) == ("whole", 200, 2)


def test_a_stream_that_breaks_after_content_ends_with_its_error():
    again = plugin(on_model_error=lambda self, ctx: PluginResult(reevaluate_request=True))

    reply = PluginHarness(again, model=ScriptedModel(["half", 503], "whole")).stream()

    assert (reply.text, reply.status, len(reply.attempts)) == ("half", 200, 1)
    assert isinstance(reply.error, ModelStreamError)


def test_attempts_without_end_are_bounded():
    again = plugin(after_model=lambda self, ctx: PluginResult(reevaluate_request=True))

    reply = PluginHarness(again, max_retries=2).ask()

    assert "more than 2 attempts (maxRetries)" in str(reply.error)
    assert len(reply.attempts) == 3


def test_follow_ups_carry_the_conversation_on():
    def after_model(self, ctx):
        calls = ctx.response.tool_calls
        if calls:
            result = Message("tool", [ToolResultPart(calls[0].id, [TextPart("fair")])])
            return ctx.follow_up([ctx.response.message, result])
        return None

    model = ScriptedModel(tool_call("weather", {"city": "Rome"}), "It is fair.")
    reply = PluginHarness(plugin(after_model=after_model), model=model).ask("Weather?")

    assert reply.text == "It is fair."
    assert [message.role for message in reply.requests[1].messages] == ["user", "assistant", "tool"]
    assert reply.context.turn_count == 1


def test_follow_ups_without_end_are_bounded():
    endless = plugin(after_model=lambda self, ctx: ctx.follow_up([Message("user", [TextPart("more")])]))

    assert "more than 4 follow-ups (maxTurns)" in str(PluginHarness(endless, max_turns=4).ask().error)


def test_the_client_gets_the_error_of_a_failing_model():
    silent = plugin(before_model=lambda self, ctx: None)
    harness = PluginHarness(silent)

    assert harness.fail(429).status == 429
    assert harness.fail(429).error.kind == "rate_limit"
    assert harness.fail(ModelHTTPError("Gone.", status=404)).status == 404
    broken = harness.fail(503, after=["half "])
    assert (broken.status, broken.text) == (200, "half ")


def test_held_text_reaches_the_client_when_the_stream_breaks():
    def after_chunk(self, ctx):
        return PluginResult(emit_chunk=ctx.chunk.text.endswith(" "))

    assert PluginHarness(plugin(after_chunk=after_chunk)).fail(503, after=["a ", "b", "c"]).text == "a bc"


def test_detached_hooks_have_run_and_their_failures_are_there_to_see():
    def fails(self, ctx):
        raise ValueError(ctx.metadata["status"])

    seen = []
    watch = plugin(detached_after_response=lambda self, ctx: seen.append(ctx.response.text))
    reply = PluginHarness([Mount(watch, name="watch"), Mount(plugin(detached_after_response=fails), name="bad")]).ask()

    assert seen == ["Hello from the model."]
    assert list(reply.detached) == ["bad", "watch"]
    assert reply.detached["watch"] is None
    assert reply.detached["bad"].args == (200,)


def test_detached_hooks_see_the_whole_of_a_stream():
    seen = []

    def detached_after_response(self, ctx):
        seen.append((ctx.response.text, ctx.metrics.output_tokens, ctx.metrics.duration_ms is not None))

    PluginHarness(plugin(detached_after_response=detached_after_response)).stream(["two ", "words"])

    assert seen == [("two words", 2, True)]


def test_several_plugins_nest():
    def mark(sign):
        return plugin(
            before_model=lambda self, ctx: ctx.request.map_text(lambda text: text + sign),
            after_model=lambda self, ctx: ctx.response.map_text(lambda text: text + sign),
        )

    harness = PluginHarness([Mount(mark("b"), priority=20), Mount(mark("a"), priority=10)])
    reply = harness.ask("in:", reply="out:")

    assert reply.requests[0].messages[0].text == "in:ab"
    assert reply.text == "out:ba"


def test_operations_without_a_body_run_the_hooks_that_do_not_need_one():
    seen = []
    watch = plugin(before_model=lambda self, ctx: seen.append((ctx.operation, ctx.has_request)))

    reply = PluginHarness(watch).ask(operation="models")

    assert reply.status == 200
    assert seen == [("models", False)]


def test_what_the_client_sends_is_in_the_context():
    seen = {}

    def before_model(self, ctx):
        seen.update(key=ctx.headers["x-team"], path=ctx.http_request.path, ip=ctx.client_ip, caller=ctx.caller)

    harness = PluginHarness(plugin(before_model=before_model), project="shop")
    harness.ask(headers={"X-Team": "blue"}, client_ip="10.0.0.1", caller="ann", client_dialect="anthropic")

    assert seen == {"key": "blue", "path": "/shop/anthropic/v1/messages", "ip": "10.0.0.1", "caller": "ann"}


def test_reply_headers_are_shown():
    def before_model(self, ctx):
        ctx.reply_headers["x-cost"] = "0.01"

    assert PluginHarness(plugin(before_model=before_model)).ask().headers == {"x-cost": "0.01"}


def test_thinking_and_tool_calls_are_shown():
    reply = PluginHarness(Shout).stream([ThinkingPart("hm "), ThinkingPart("so"), "yes", tool_call("f", {"a": 1})])

    assert (reply.thinking, reply.text) == ("hm so", "YES")
    assert reply.tool_calls[0].arguments == '{"a": 1}'
    assert reply.response.finish_reason == "tool_calls"


SCHEMA = {
    "type": "object",
    "properties": {"wait": {"type": "number", "x-duration": True}},
    "required": ["wait"],
    "additionalProperties": False,
}


def test_settings_are_checked_by_the_schema():
    strict = plugin_metadata(name="strict", configuration_schema=SCHEMA)(type("Strict", (Plugin,), {}))

    assert PluginHarness(strict, {"wait": "2s"}).plugin.config == {"wait": 2000}
    with pytest.raises(ConfigError, match="'wait' is a required property"):
        PluginHarness(strict)


def test_settings_are_checked_by_validate_config():
    async def validate_config(self, config):
        return "n: must be even" if config["n"] % 2 else True

    with pytest.raises(ConfigError, match="n: must be even"):
        PluginHarness(plugin(validate_config=validate_config), {"n": 1})


def test_a_pydantic_model_gives_the_schema_and_the_object():
    pydantic = pytest.importorskip("pydantic")

    class Settings(pydantic.BaseModel):
        size: int = pydantic.Field(gt=0)

    typed = plugin_metadata(name="typed", configuration_schema=Settings)(type("Typed", (Plugin,), {}))

    assert PluginHarness(typed, {"size": 3}).plugin.config == Settings(size=3)
    with pytest.raises(ConfigError, match=r"config\.size"):
        PluginHarness(typed, {"size": 0})


def test_a_class_that_the_gateway_would_not_load_is_not_run():
    with pytest.raises(ConfigError, match="did you mean `after_model`"):
        PluginHarness(plugin(afterModel=lambda self, ctx: None))


def test_a_configured_instance_may_be_given():
    shout = Shout()

    assert PluginHarness(shout).plugin is shout


def test_the_plugin_finds_the_gateways_services():
    class Client:
        pass

    seen = {}

    async def configure(self, config):
        seen.update(models=self.gateway.models, client=self.gateway.http_client(), n=self.gateway.shared("n", list))

    PluginHarness(plugin(configure=configure), models={"a": ScriptedModel()}, http_client=Client)

    assert seen == {"models": ("a",), "client": Client, "n": []}


def test_closing_closes_the_plugin_once():
    closed = []

    async def close(self):
        closed.append(self)

    with PluginHarness(plugin(close=close)) as harness:
        harness.ask()
    harness.close()

    assert len(closed) == 1


def test_the_fixture_makes_harnesses_and_closes_them(plugin_harness):
    assert plugin_harness(Shout).ask(reply="x").text == "X"


def test_a_script_may_depend_on_the_request():
    model = ScriptedModel(lambda request: request.messages[-1].text[::-1])

    assert PluginHarness(Shout, model=model).ask("abc").text == "CBA"


def test_the_last_turn_repeats_and_the_model_remembers_what_it_was_asked():
    harness = PluginHarness(Shout, model=ScriptedModel("one", "two"))

    assert [harness.ask(str(n)).text for n in range(3)] == ["ONE", "TWO", "TWO"]
    assert [request.messages[0].text for request in harness.model.requests] == ["0", "1", "2"]
