import tracemalloc
from collections import Counter

import pytest
from llm_gateway_model_router import ModelRouter

from llm_gateway_sdk import (
    ConfigError,
    LLMRequest,
    Message,
    ModelHTTPError,
    Plugin,
    TextPart,
    ThinkingPart,
    plugin_metadata,
)
from llm_gateway_sdk.testing import Mount, PluginHarness, ScriptedModel, assert_survives_every_part


def harness(config, **models):
    return PluginHarness(ModelRouter, config, models={"default": ScriptedModel("default"), **models})


def models_named(*names):
    return {name: ScriptedModel(name) for name in names}


FOUNDING = {"model": "gpt", "fallbacks": ["claude", "spare"]}


def test_requests_go_to_the_model_whatever_the_client_asked_for():
    assert harness(FOUNDING, **models_named("gpt", "claude", "spare")).ask(model="default").text == "gpt"


@pytest.mark.parametrize("stream", [False, True])
def test_fallbacks_are_asked_in_their_order(stream):
    reply = harness(FOUNDING, gpt=ScriptedModel(503), claude=ScriptedModel(429), **models_named("spare")).ask(
        stream=stream
    )

    assert reply.text == "spare"
    assert [attempt.model for attempt in reply.attempts] == ["gpt", "claude", "spare"]
    assert reply.context.metadata["model_router"] == [
        {"failed": "gpt", "next": "claude"},
        {"failed": "claude", "next": "spare"},
    ]


def test_the_last_error_is_reported_where_all_fail():
    reply = harness(FOUNDING, gpt=ScriptedModel(503), claude=ScriptedModel(503), spare=ScriptedModel(429)).ask()

    assert (reply.status, len(reply.attempts)) == (429, 3)


def test_more_fallbacks_than_retries_are_all_asked():
    names = [f"m{number}" for number in range(8)]
    models = {name: ScriptedModel(503) for name in names[:-1]}
    router = {"model": names[0], "fallbacks": names[1:]}

    assert harness(router, **models, **models_named(names[-1])).ask().text == names[-1]


def test_a_stream_that_has_begun_is_not_begun_again_elsewhere():
    reply = harness(FOUNDING, gpt=ScriptedModel(["half", 503]), **models_named("claude", "spare")).stream()

    assert (reply.text, len(reply.attempts)) == ("half", 1)


def test_the_clients_own_mistakes_do_not_fall_back():
    reply = harness(FOUNDING, gpt=ScriptedModel(400), **models_named("claude", "spare")).ask()

    assert (reply.status, len(reply.attempts)) == (400, 1)


def test_the_causes_may_be_chosen():
    models = {
        "gpt": ScriptedModel(ModelHTTPError("No.", status=400, kind="content_policy")),
        **models_named("claude", "spare"),
    }

    assert harness(FOUNDING, **models).ask().status == 400
    assert harness({**FOUNDING, "on": ["content_policy"]}, **models).ask().text == "claude"


def test_the_list_alone_begins_with_its_first():
    reply = harness({"fallbacks": ["a", "b"]}, a=ScriptedModel(503), **models_named("b")).ask()

    assert [attempt.model for attempt in reply.attempts] == ["a", "b"]


def test_it_is_known_whether_another_model_is_left():
    seen = []

    @plugin_metadata(name="look")
    class Look(Plugin):
        def before_model(self, ctx):
            seen.append((ctx.target_model, ctx.has_fallback))

    models = {name: ScriptedModel(503) for name in ("gpt", "claude", "spare")}
    PluginHarness([Mount(ModelRouter, FOUNDING), Mount(Look)], models=models).ask()

    assert seen == [("gpt", True), ("claude", True), ("spare", False)]


def test_weights_divide_the_requests():
    router = harness(
        {"models": [{"name": "a", "weight": 3}, {"name": "b"}, {"name": "c", "weight": 0}]}, **models_named(*"abc")
    )
    counts = Counter(router.ask(f"question {number}").text for number in range(400))

    assert counts["c"] == 0
    assert 240 <= counts["a"] <= 360


def test_a_failed_model_of_several_is_replaced_by_the_others():
    models = [{"name": "a", "weight": 1000000}, {"name": "b", "weight": 1}]
    router = harness(
        {"models": models, "fallbacks": ["c"]}, a=ScriptedModel(503), b=ScriptedModel(503), **models_named("c")
    )

    assert [attempt.model for attempt in router.ask().attempts][-1] == "c"


def test_sticky_conversations_stay_where_they_are():
    router = harness({"models": [{"name": "a"}, {"name": "b"}], "strategy": "sticky"}, **models_named("a", "b"))
    first = [router.ask(f"question {number}").text for number in range(40)]
    later = [
        router.ask([Message("user", [TextPart(f"question {number}")]), Message("user", [TextPart("And?")])]).text
        for number in range(40)
    ]

    assert first == later
    assert set(first) == {"a", "b"}


LONG = ("words" * 500 + " ") * 200


@pytest.mark.parametrize("turn", [
    lambda text: LLMRequest(messages=[Message("user", [TextPart("hi"), TextPart(text)])]),
    lambda text: LLMRequest(messages=[Message("user", [TextPart(piece) for piece in text.split(" ")])]),
    lambda text: LLMRequest(messages=[Message("system", [TextPart(text)]), Message("user", [TextPart("hi")])]),
    lambda text: LLMRequest(messages=[Message("user", [TextPart("hi")])], cache_key=text),
], ids=["a text", "many texts", "instructions", "a key"])  # fmt: skip
def test_of_long_texts_the_beginning_decides(turn):
    """They are looked at on the event loop, which a copy of 60 MB would hold."""
    models = {"models": [{"name": "a"}, {"name": "b"}]}
    router = harness({**models, "strategy": "sticky"}, **models_named("a", "b"))
    replies = [router.ask(turn(f"{number} {LONG}")) for number in range(12)]

    assert [router.ask(turn(f"{number} {LONG}!")).text for number in range(12)] == [one.text for one in replies]
    assert len({reply.text for reply in replies}) == 2
    tracemalloc.start()
    try:
        assert router.plugin._sticky_key(replies[0].context)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(LONG)
    remembering = harness(models, **models_named("a", "b"))
    remembering.ask(turn(LONG))
    assert all(len(key) < 100 for key in remembering.plugin._conversations)


@pytest.mark.parametrize(
    ("by", "options"), [("caller", {"caller": "ann"}), ("header:X-Team", {"headers": {"x-team": "blue"}})]
)
def test_sticky_may_go_by_caller_or_header(by, options):
    config = {"models": [{"name": "a"}, {"name": "b"}], "strategy": "sticky", "stickyBy": by}
    router = harness(config, **models_named("a", "b"))

    assert len({router.ask(f"question {number}", **options).text for number in range(30)}) == 1
    assert len({router.ask(f"question {number}").text for number in range(30)}) == 2


def test_the_least_busy_is_chosen():
    router = harness(
        {"models": [{"name": "a"}, {"name": "b"}], "strategy": "least_in_flight"}, **models_named("a", "b")
    )
    replies = router.stream_together(["x"], ["x"], ["x"], ["x"])

    assert Counter(reply.attempts[0].model for reply in replies) == {"a": 2, "b": 2}
    assert not any(router.plugin._in_flight.values())


def test_books_of_running_requests_are_closed_after_failures():
    router = harness(
        {"models": [{"name": "a"}, {"name": "b"}], "strategy": "least_in_flight"}, **models_named("a", "b")
    )
    router.fail(503)
    router.fail(503, after=["half"])

    assert not any(router.plugin._in_flight.values())


def test_signed_reasoning_goes_back_to_where_it_was_made():
    router = harness({"models": [{"name": "a"}, {"name": "b"}]}, **models_named("a", "b"))
    for number in range(20):
        question = Message("user", [TextPart(f"question {number}")])
        made = router.ask([question]).text
        thought = ThinkingPart("hm", signature="s", signed_by="anthropic")
        request = LLMRequest(messages=[question, Message("assistant", [thought]), Message("user", [TextPart("And?")])])

        assert {router.ask(request).text for _ in range(5)} == {made}


def test_native_calls_of_a_session_are_routed_without_a_body():
    router = harness({"models": [{"name": "a"}, {"name": "b"}]}, **models_named("a", "b"))

    assert router.ask(operation="native", headers={"x-session-id": "s1"}).status == 200


@pytest.mark.parametrize("config", [FOUNDING, {"models": [{"name": "gpt"}, {"name": "claude"}]}])
def test_it_survives_everything(config):
    assert_survives_every_part(ModelRouter, config, models=models_named("gpt", "claude", "spare"))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "not valid under any of the given schemas"),
        ({"model": "a", "models": [{"name": "b"}]}, "should not be valid"),
        ({"models": [{"name": "a", "weight": 0}]}, "at least one weight must be above 0"),
        ({"model": "a", "stickyBy": "moon"}, "'moon' is none of conversation, caller, header:<name>"),
        ({"model": "a", "fallback": ["b"]}, "'fallback' was unexpected"),
        ({"model": "a", "on": ["whatever"]}, "is not one of"),
    ],
)
def test_settings_that_make_no_sense_are_refused(config, words):
    with pytest.raises(ConfigError, match=words):
        PluginHarness(ModelRouter, config)


@pytest.mark.parametrize("on", [["rate_limit"], ["timeout", "upstream"]])
def test_it_is_known_which_errors_lead_on(on):
    seen = []

    @plugin_metadata(name="look")
    class Look(Plugin):
        def before_model(self, ctx):
            seen.append((ctx.has_fallback, ctx.fallback_kinds))

    models = {"gpt": ScriptedModel("gpt"), **models_named("claude", "spare")}
    PluginHarness([Mount(ModelRouter, {**FOUNDING, "on": on}), Mount(Look)], models=models).ask()

    assert seen == [(True, frozenset(on))]


def test_only_the_kinds_of_requests_that_are_named_are_routed():
    router = harness({"model": "gpt", "operations": ["image"]}, **models_named("gpt"))

    assert router.ask().text == "default"
    assert router.plugin.operations == {"image"}
    with pytest.raises(ConfigError, match="operations"):
        harness({"model": "gpt", "operations": ["chat"]}, **models_named("gpt"))
