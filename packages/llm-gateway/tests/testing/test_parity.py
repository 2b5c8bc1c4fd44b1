"""PluginHarness is faithful: the same plugin and the same model give the same through a whole gateway."""

import json

import pytest

from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import (
    Choice,
    LLMResponse,
    Message,
    Plugin,
    PluginResult,
    TextPart,
    ToolResultPart,
    plugin_metadata,
)
from llm_gateway_sdk.testing import FakeUpstream, PluginHarness, ScriptedModel, tool_call


def result(**flags):
    return lambda self, ctx: PluginResult(**flags)


def canned(self, ctx):
    ctx.response = LLMResponse(choices=[Choice(0, Message("assistant", [TextPart("canned", index=0)]), "stop")])
    return PluginResult(terminate=True)


def once(self, ctx):
    return PluginResult(reevaluate_request=ctx.retry_count == 0)


def runs_tools(self, ctx):
    reply = ctx.response if ctx.response is not None else ctx.buffered_chunk
    if not ctx.final_chunk and ctx.chunk is not None:
        return PluginResult(emit_chunk=False)
    if not reply.tool_calls:
        return None
    answer = Message("tool", [ToolResultPart(reply.tool_calls[0].id, [TextPart("fair")])])
    return ctx.follow_up([reply.message, answer])


def shouts(self, ctx):
    (ctx.buffered_chunk or ctx.response).map_text(str.upper)


def holds(self, ctx):
    return PluginResult(emit_chunk="." in ctx.chunk.text)


def refuses_in_the_middle(self, ctx):
    return PluginResult(success="bad" not in ctx.chunk.text, status=400, error="No.")


def other_words(self, ctx):
    ctx.error.message = "Try later."


def breaks(self, ctx):
    raise RuntimeError


SCENARIOS = {
    "nothing": ({}, ["fine"]),
    "refusal": ({"before_model": result(success=False, status=402, error="Pay.")}, ["fine"]),
    "late refusal": ({"after_model": result(success=False, status=402, error="No.")}, ["fine"]),
    "broken": ({"before_model": breaks}, ["fine"]),
    "broken late": ({"after_model": breaks, "after_chunk": breaks}, ["fine"]),
    "canned": ({"before_model": canned}, ["fine"]),
    "terminate without a response": ({"before_model": result(terminate=True, status=503)}, ["fine"]),
    "a second try": ({"after_model": once, "after_chunk": once}, ["first", "second"]),
    "tries without end": ({"after_model": result(reevaluate_request=True)}, ["fine"]),
    "shouting": ({"after_model": shouts, "after_chunk": shouts}, ["a b. c"]),
    "holding": ({"after_chunk": holds}, ["a b. c d. e"]),
    "refusal in the middle": ({"after_chunk": refuses_in_the_middle}, ["good bad more"]),
    "the model fails": ({}, [503]),
    "the model fails once": ({"on_model_error": result(reevaluate_request=True)}, [503, "second"]),
    "canned after a failure": ({"on_model_error": canned}, [429]),
    "failure in other words": ({"on_model_error": other_words}, [429]),
    "the stream breaks": ({"after_chunk": holds}, [["half. ", "way", 503]]),
    "tools": ({"after_model": runs_tools, "after_chunk": runs_tools}, [tool_call("weather", {"a": 1}), "It is fair."]),
    "held as a whole": ({"after_model": shouts, "on_stream": "whole"}, ["a b. c"]),
    "no streams": ({"after_model": shouts, "on_stream": "refuse"}, ["a b. c"]),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_harness_gives_what_the_gateway_gives(name, stream):
    members, turns = SCENARIOS[name]
    plugin = plugin_metadata(name="made")(type("Made", (Plugin,), {"on_stream": "skip", **members}))

    with PluginHarness(plugin, model=ScriptedModel(*turns)) as harness:
        reply = harness.ask("Weather?", stream=stream)
    tested = (reply.status, reply.text, reply.error and reply.error.message, len(reply.attempts), asked(harness.model))

    with FakeUpstream(OpenAIChat(), ScriptedModel(*turns)) as upstream, gateway(plugin, upstream.url) as client:
        answer = client.chat("Weather?", stream=stream, model="model")
    text, error = heard(answer)
    assert (answer.status, text, error, len(answer.context.attempts), asked(upstream.model)) == tested


def gateway(plugin, url):
    provider = {"type": "openai", "config": {"apiKey": "k", "baseUrl": url, "api": "chat", "retryAttempts": 1}}
    models = [{"name": "model", "isDefault": True, "provider": provider}]
    plugins = [{"name": "made", "type": "made"}]
    return GatewayClient(json.dumps({"models": models, "plugins": plugins}), extensions=[plugin])


def asked(model):
    return [[(message.role, len(message.content)) for message in request.messages] for request in model.requests]


def heard(answer):
    """(text, error message) of a whole or streamed Chat reply."""
    bodies = answer.events if answer.headers["content-type"].startswith("text/event-stream") else [answer.json()]
    text, error = "", None
    for body in bodies:
        if body == "[DONE]":
            continue
        if "error" in body:
            error = body["error"]["message"]
            continue
        for choice in body["choices"]:
            text += (choice.get("delta") or choice.get("message") or {}).get("content") or ""
    return text, error
