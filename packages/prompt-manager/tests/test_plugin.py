import asyncio
import json

import pytest
from llm_gateway_prompt_manager import PromptManager

from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk import (
    CacheHint,
    ConfigError,
    LLMRequest,
    Losses,
    Message,
    Payload,
    Plugin,
    PluginResult,
    RequestContext,
    Target,
    TextPart,
    WireRequest,
    plugin_metadata,
)
from llm_gateway_sdk.testing import Mount, PluginHarness, ScriptedModel, assert_survives_every_part


def request(system="Be kind.", role="system"):
    messages = [Message(role, [TextPart(system)])] if system else []
    return LLMRequest(messages=[*messages, Message("user", [TextPart("Hi")])])


def system_of(reply):
    return [(message.role, message.text) for message in reply.requests[-1].messages[:-1]]


@pytest.mark.parametrize(
    ("mode", "prompt", "expected"),
    [
        ("override", "Be brief.", [("system", "Be brief.")]),
        ("before", "Be brief.", [("system", "Be brief."), ("system", "Be kind.")]),
        ("after", "Be brief.", [("system", "Be kind."), ("system", "Be brief.")]),
        ("wrapper", "<${PROMPT}> or ${PROMPT}", [("system", "<Be kind.> or Be kind.")]),
    ],
)
def test_the_prompt_takes_its_place(mode, prompt, expected):
    reply = PluginHarness(PromptManager, {"prompt": prompt, "mode": mode}).ask(request())

    assert system_of(reply) == expected
    assert reply.requests[0].messages[-1].text == "Hi"


@pytest.mark.parametrize("mode", ["override", "before", "after", "wrapper"])
def test_a_client_without_a_prompt_gets_one(mode):
    reply = PluginHarness(PromptManager, {"prompt": "Be brief.${PROMPT}", "mode": mode}).ask("Hi")

    expected = "Be brief." if mode == "wrapper" else "Be brief.${PROMPT}"
    assert system_of(reply) == [("system", expected)]


def test_override_is_the_default():
    assert system_of(PluginHarness(PromptManager, {"prompt": "Mine."}).ask(request())) == [("system", "Mine.")]


def test_the_clients_word_for_the_role_is_kept():
    reply = PluginHarness(PromptManager, {"prompt": "Mine."}).ask(request(role="developer"))

    assert system_of(reply) == [("developer", "Mine.")]


@pytest.mark.parametrize(("mode", "prompt"), [("override", "Mine."), ("wrapper", "Mine. ${PROMPT}")])
def test_a_cached_prompt_stays_cached(mode, prompt):
    asked = request()
    asked.messages[0].content[0].cache = CacheHint("1h")
    reply = PluginHarness(PromptManager, {"prompt": prompt, "mode": mode}).ask(asked)

    assert reply.requests[0].messages[0].content[0].cache == CacheHint("1h")


def test_what_was_used_is_in_the_metadata():
    used = PluginHarness(PromptManager, {"prompt": "A ${PROMPT}", "mode": "wrapper"}).ask(request())

    entry = {
        "used": True,
        "original_prompt": "Be kind.",
        "injected_prompt": "A Be kind.",
        "mode": "wrapper",
        "experiment": False,
    }
    assert used.context.metadata["prompt_manager"] == {**entry, "applied": [entry]}


@plugin_metadata(name="again")
class Again(Plugin):
    def on_model_error(self, ctx):
        return PluginResult(reevaluate_request=True)


def test_several_apply_in_order_of_priority_and_once_per_attempt():
    mounts = [
        Mount(PromptManager, {"prompt": "<b>${PROMPT}</b>", "mode": "wrapper"}, "second", priority=20),
        Mount(PromptManager, {"prompt": "<a>${PROMPT}</a>", "mode": "wrapper"}, "first", priority=10),
        Mount(Again),
    ]
    reply = PluginHarness(mounts, model=ScriptedModel(503, "ok")).ask(request("x"))

    assert [system_of(reply), len(reply.requests)] == [[("system", "<b><a>x</a></b>")], 2]
    applied = [entry["injected_prompt"] for entry in reply.context.metadata["prompt_manager"]["applied"]]
    assert applied == ["<a>x</a>", "<b><a>x</a></b>"]


def test_an_experiment_takes_its_share():
    config = {"prompt": "Old.", "experiment": {"prompt": "New.", "percentage": 25}}
    harness = PluginHarness(PromptManager, config)
    replies = [harness.ask() for _ in range(400)]
    tried = [reply for reply in replies if reply.context.metadata["prompt_manager"]["experiment"]]

    assert 60 <= len(tried) <= 140
    assert {system_of(reply)[0][1] for reply in tried} == {"New."}


def test_a_request_stays_on_its_arm_over_attempts():
    config = {"prompt": "Old.", "experiment": {"prompt": "New.", "percentage": 50}}
    harness = PluginHarness([Mount(PromptManager, config), Mount(Again)], model=ScriptedModel(503, 503, "ok"))
    for _ in range(20):
        reply = harness.ask(reply=ScriptedModel(503, 503, "ok"))
        assert len({request.messages[0].text for request in reply.requests}) == 1


def test_tokens_are_counted_with_the_prompt():
    reply = PluginHarness(PromptManager, {"prompt": "Mine."}).ask(operation="count_tokens")

    assert reply.context.request.system == "Mine."


def test_it_survives_everything():
    assert_survives_every_part(PromptManager, {"prompt": "Mine. ${PROMPT}", "mode": "wrapper"})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "'prompt' is a required property"),
        ({"prompt": "No place.", "mode": "wrapper"}, "prompt: mode wrapper needs the placeholder"),
        (
            {"prompt": "${PROMPT}", "mode": "wrapper", "experiment": {"prompt": "None.", "percentage": 1}},
            r"experiment\.prompt: mode wrapper needs the placeholder",
        ),
        ({"prompt": "a", "mode": "around"}, "'around' is not one of"),
        ({"prompt": "a", "experiment": {"prompt": "b", "percentage": 101}}, "101 is greater than"),
    ],
)
def test_settings_that_make_no_sense_are_refused(config, words):
    with pytest.raises(ConfigError, match=words):
        PluginHarness(PromptManager, config)


@pytest.mark.parametrize(
    ("mode", "prompt", "expected"),
    [
        ("before", "Be brief.", "Be brief.\n\nBe kind."),
        ("after", "Be brief.", "Be kind.\n\nBe brief."),
        ("override", "Be brief.", "Be brief."),
        ("wrapper", "<${PROMPT}>", "<Be kind.>"),
    ],
)
def test_instructions_of_the_responses_api_stay_instructions(mode, prompt, expected):
    dialect = OpenAIResponses()
    body = b'{"model": "m", "input": "Hi", "instructions": "Be kind."}'
    asked, _ = dialect.decode_request(WireRequest("POST", "/responses", body=body))
    context = RequestContext(request_id="r", client_dialect="openai_responses", request=Payload(None, asked))
    manager = PromptManager()
    asyncio.run(manager.configure({"prompt": prompt, "mode": mode}))
    manager.before_model(context)
    target = Target("m", "openai", None, False, {})
    sent = json.loads(dialect.encode_request(context.request, target, Losses("request")).body)
    assert sent["instructions"] == expected
    assert "Be" not in json.dumps(sent["input"])
