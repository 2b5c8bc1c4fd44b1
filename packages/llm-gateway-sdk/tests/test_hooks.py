"""The meaning of every flag, for every hook that it has one for: the table in docs/plugins/hooks.md, executed."""

import asyncio
import logging
import time

import pytest

from llm_gateway_sdk import (
    Choice,
    HookChain,
    LLMResponse,
    Message,
    MountedPlugin,
    Plugin,
    PluginResult,
    RequestContext,
    TextPart,
    plugin_metadata,
)
from llm_gateway_sdk.testing import Mount, PluginHarness, ScriptedModel, pause


def plugin(name="made", **members):
    return plugin_metadata(name=name)(type("Made", (Plugin,), members))


def answer(text="canned"):
    return LLMResponse(choices=[Choice(0, Message("assistant", [TextPart(text, index=0)]), "stop")])


def result(**flags):
    return lambda self, ctx: PluginResult(**flags)


class Trace:
    """Plugins that write down when they run."""

    def __init__(self):
        self.calls = []

    def plugin(self, name, **flags):
        def hook(phase):
            def call(plugin, ctx):
                self.calls.append(f"{name}.{phase}")
                return PluginResult(**flags.get(phase, {}))

            return call

        phases = ("before_model", "after_model", "after_chunk", "on_model_error", "detached_after_response")
        return Mount(plugin(name, **{phase: hook(phase) for phase in phases}))

    def of(self, phase):
        return [call.partition(".")[0] for call in self.calls if call.endswith(phase)]


# Order.


def test_hooks_run_in_order_on_the_way_in_and_in_reverse_on_the_way_out():
    trace = Trace()
    PluginHarness([trace.plugin("a"), trace.plugin("b")]).ask()

    assert trace.calls == [
        "a.before_model", "b.before_model", "b.after_model", "a.after_model",
        "b.detached_after_response", "a.detached_after_response",
    ]  # fmt: skip


def test_a_lower_priority_runs_first_and_the_file_order_decides_among_equals():
    trace = Trace()
    late, early, middle = trace.plugin("late"), trace.plugin("early"), trace.plugin("middle")
    early.priority = 1
    PluginHarness([late, early, middle]).fail(500)

    assert trace.of("on_model_error") == ["early", "late", "middle"]


def test_streams_run_after_chunk_and_no_after_model():
    trace = Trace()
    PluginHarness([trace.plugin("a")]).stream(["one", "two"])

    assert trace.of("after_chunk") == ["a"] * 4  # the opening, two texts, the end
    assert trace.of("after_model") == []


def test_detached_hooks_run_after_refusals_and_failures_too():
    trace = Trace()
    harness = PluginHarness([trace.plugin("a", before_model={"success": False})])
    harness.ask()
    harness.fail(500)

    assert trace.of("detached_after_response") == ["a", "a"]


# success.


@pytest.mark.parametrize("phase", ["before_model", "after_model"])
def test_success_false_refuses_with_status_and_words(phase):
    refusing = plugin(**{phase: result(success=False, status=451, error="Not here.")})

    reply = PluginHarness(refusing).ask()

    assert (reply.status, str(reply.error), reply.text) == (451, "Not here.", "")


def test_success_false_without_more_is_a_500_that_names_the_plugin():
    reply = PluginHarness(plugin(before_model=result(success=False))).ask()

    assert (reply.status, str(reply.error)) == (500, "Plugin 'made' refused the request.")


def test_success_false_in_a_stream_ends_it_with_an_error():
    def after_chunk(self, ctx):
        return PluginResult(success="bad" not in ctx.chunk.text, error="No.")

    reply = PluginHarness(plugin(after_chunk=after_chunk)).stream(["good ", "bad ", "more"])

    assert (reply.status, reply.text, str(reply.error)) == (200, "good ", "No.")


def test_success_false_before_the_first_content_of_a_stream_is_a_plain_error():
    reply = PluginHarness(plugin(after_chunk=result(success=False, status=403))).stream(["never"])

    assert (reply.status, reply.events) == (403, [])


def test_success_false_in_on_model_error_leaves_the_models_own_error():
    reply = PluginHarness(plugin(on_model_error=result(success=False, status=418, error="Mine."))).fail(503)

    assert (reply.status, str(reply.error)) == (503, "The scripted model fails with 503.")


# terminate.


def test_terminate_without_a_response_is_an_error():
    reply = PluginHarness(plugin(before_model=result(terminate=True, status=503, error="Closed."))).ask()

    assert (reply.status, str(reply.error), reply.requests) == (503, "Closed.", [])


@pytest.mark.parametrize("phase", ["before_model", "on_model_error"])
def test_terminate_with_a_response_replies_with_it(phase):
    def hook(self, ctx):
        ctx.response = answer()
        return PluginResult(terminate=True)

    harness = PluginHarness(plugin(**{phase: hook}))

    assert harness.fail(503).text == "canned"
    assert harness.fail(503, stream=True).text == "canned"


def test_terminate_in_after_model_replies_now_and_leaves_out_the_rest():
    trace = Trace()
    mounts = [trace.plugin("outer"), trace.plugin("inner", after_model={"terminate": True})]

    assert PluginHarness(mounts).ask(reply="as it is").text == "as it is"
    assert trace.of("after_model") == ["inner"]


def test_terminate_in_a_stream_drains_what_others_hold_and_ends_it():
    hold = plugin("hold", after_chunk=lambda self, ctx: PluginResult(emit_chunk="." in ctx.buffered_chunk.text))
    stop = plugin("stop", after_chunk=lambda self, ctx: PluginResult(terminate="stop" in ctx.chunk.text))

    reply = PluginHarness([Mount(hold), Mount(stop)]).stream(["a. ", "b ", "stop ", "never"])

    assert (reply.text, reply.error) == ("a. b stop ", None)


# skip_remaining.


def test_skip_remaining_leaves_out_later_plugins_in_this_phase_only():
    trace = Trace()
    mounts = [trace.plugin("a", before_model={"skip_remaining": True}), trace.plugin("b")]
    PluginHarness(mounts).ask()

    assert trace.of("before_model") == ["a"]
    assert trace.of("after_model") == ["b", "a"]


def test_skip_remaining_in_a_stream_releases_first_what_later_plugins_hold():
    hold = plugin("hold", after_chunk=lambda self, ctx: PluginResult(emit_chunk=False))
    skip = plugin("skip", after_chunk=lambda self, ctx: PluginResult(skip_remaining="!" in ctx.chunk.text))

    reply = PluginHarness([Mount(hold), Mount(skip)]).stream(["one ", "two ", "three! ", "four"])

    assert [chunk.text for chunk in reply.chunks] == ["one two three! ", "four"]


# reevaluate_request.


def once(phase):
    def hook(self, ctx):
        return PluginResult(reevaluate_request=ctx.retry_count == 0)

    return plugin(**{phase: hook})


@pytest.mark.parametrize(("phase", "calls"), [("before_model", 1), ("after_model", 2)])
def test_reevaluate_starts_the_request_again(phase, calls):
    reply = PluginHarness(once(phase), model=ScriptedModel("first", "second")).ask()

    assert len(reply.requests) == calls
    assert reply.text == ("first", "second")[calls - 1]
    assert reply.context.retry_count == 1


def test_reevaluate_in_a_stream_works_while_nothing_was_sent():
    reply = PluginHarness(once("after_chunk"), model=ScriptedModel("first", "second")).stream()

    assert reply.text == "second"


def test_reevaluate_in_a_stream_is_ignored_and_logged_once_content_was_sent(caplog):
    late = plugin(after_chunk=lambda self, ctx: PluginResult(reevaluate_request=ctx.chunk.text == "b"))

    reply = PluginHarness(late).stream(["a", "b", "c"])

    assert reply.text == "abc"
    assert "asked for another attempt after content was sent" in caplog.text


def test_another_attempt_begins_with_the_request_as_it_came():
    def before_model(self, ctx):
        ctx.request.map_text(lambda text: text + "!")
        ctx.metadata["kept"] = ctx.metadata.get("kept", 0) + 1
        ctx.attempt_data["gone"] = ctx.attempt_data.get("gone", 0) + 1

    again = plugin(before_model=before_model, on_model_error=result(reevaluate_request=True))
    reply = PluginHarness(again, model=ScriptedModel(500, "ok")).ask("Hi")

    assert [request.messages[0].text for request in reply.requests] == ["Hi!", "Hi!"]
    assert reply.context.metadata["kept"] == 2
    assert reply.context.attempt_data["gone"] == 1


# emit_chunk and holds.


def test_what_one_plugin_holds_the_next_does_not_see():
    seen = []

    def hold(self, ctx):
        return PluginResult(emit_chunk=ctx.buffered_chunk.text.endswith("."))

    def look(self, ctx):
        seen.append(ctx.chunk.text)

    # On the way out the last of the list comes first.
    mounts = [Mount(plugin("look", after_chunk=look)), Mount(plugin("hold", after_chunk=hold))]
    PluginHarness(mounts).stream(["a", "b.", "c"])

    assert seen == ["ab.", "c"]


def test_the_end_of_a_stream_releases_every_hold():
    hold = plugin(after_chunk=result(emit_chunk=False))

    assert PluginHarness([Mount(hold, name="a"), Mount(hold, name="b")]).stream(["x", "y"]).text == "xy"


def test_a_hook_may_change_what_it_holds_and_sees_its_change_again():
    def after_chunk(self, ctx):
        ctx.buffered_chunk.map_text(str.upper)
        return PluginResult(emit_chunk=False)

    assert PluginHarness(plugin(after_chunk=after_chunk)).stream(["ab", "cd"]).text == "ABCD"


def test_new_text_is_what_the_current_chunk_adds():
    seen = []

    def after_chunk(self, ctx):
        seen.extend(ctx.new_text(part) for part in ctx.buffered_chunk.choices[0].message.content)
        return PluginResult(emit_chunk=False)

    PluginHarness(plugin(after_chunk=after_chunk)).stream(["ab", "cd"])

    assert seen == ["ab", "cd", ""]


def test_holding_without_end_is_refused(monkeypatch):
    monkeypatch.setattr("llm_gateway_sdk.chunk_run.MAX_HELD_BYTES", 1000)

    reply = PluginHarness(plugin(after_chunk=result(emit_chunk=False))).stream(["x" * 400] * 10)

    assert "held back too much" in str(reply.error)


def test_accumulated_response_is_what_the_client_was_sent_so_far():
    seen = []

    def after_chunk(self, ctx):
        sent = ctx.accumulated_response
        seen.append(sent.text if sent else None)

    PluginHarness(plugin(after_chunk=after_chunk)).stream(["a", "b"])

    assert seen == [None, "", "a", "ab"]


# Streams and after_model.


def test_on_stream_whole_runs_after_model_once_on_the_held_stream():
    calls = []

    def after_model(self, ctx):
        calls.append(ctx.response.text)
        ctx.response.map_text(str.upper)

    reply = PluginHarness(plugin(after_model=after_model, on_stream="whole")).stream(["ab", "cd"])

    assert calls == ["abcd"]
    assert (reply.text, len(reply.chunks)) == ("ABCD", 1)


def test_on_stream_refuse_states_what_to_do():
    reply = PluginHarness(plugin(after_model=lambda self, ctx: None, on_stream="refuse")).stream(["ab"])

    assert (reply.status, reply.requests) == (400, [])
    assert "send the request with `stream: false`" in str(reply.error)


def test_on_stream_skip_leaves_streams_alone():
    shout = plugin(after_model=lambda self, ctx: ctx.response.map_text(str.upper), on_stream="skip")

    assert PluginHarness(shout).stream(["ab"]).text == "ab"


# context.


def test_a_returned_context_is_merged_field_by_field():
    def before_model(self, ctx):
        own = RequestContext(request_id="own")
        own.target_model = "b"
        own.metadata["new"] = 1
        own.reply_headers["x-own"] = "1"
        return PluginResult(context=own)

    def before(self, ctx):
        ctx.metadata["old"] = 0

    mounts = [Mount(plugin("a", before_model=before)), Mount(plugin("b", before_model=before_model))]
    reply = PluginHarness(mounts, models={"a": ScriptedModel("A"), "b": ScriptedModel("B")}).ask()

    assert reply.text == "B"
    assert (reply.context.metadata["old"], reply.context.metadata["new"]) == (0, 1)
    assert reply.headers == {"x-own": "1"}
    assert reply.context.request_id != "own"


# Errors, time limits, the watchdog.


def test_what_is_not_a_result_is_an_error_not_ignored():
    reply = PluginHarness(plugin(before_model=lambda self, ctx: True)).ask()

    assert reply.status == 500
    assert "must return a PluginResult or None, not bool" in str(reply.error.cause)


def test_fail_open_undoes_what_the_hook_had_changed():
    def before_model(self, ctx):
        ctx.request.map_text(lambda text: "broken")
        ctx.target_model = "nowhere"
        ctx.metadata["half"] = True
        ctx.reply_headers["x-half"] = "1"
        raise RuntimeError

    reply = PluginHarness(plugin(before_model=before_model), on_error="fail_open").ask("Hi")

    assert (reply.status, reply.requests[0].messages[0].text) == (200, "Hi")
    assert "half" not in reply.context.metadata
    assert reply.headers == {}


@pytest.mark.parametrize("stream", [False, True])
def test_fail_open_gives_the_reply_as_it_was(stream):
    def broken(self, ctx):
        (ctx.buffered_chunk or ctx.response).map_text(lambda text: "broken")
        raise RuntimeError

    reply = PluginHarness(plugin(after_model=broken, after_chunk=broken), on_error="fail_open").ask(
        reply=["as ", "it was"], stream=stream
    )

    assert (reply.status, reply.text) == (200, "as it was")


def test_a_failing_hook_is_logged_with_plugin_phase_project_and_request(caplog):
    def before_model(self, ctx):
        raise RuntimeError("the cause")

    PluginHarness(plugin(before_model=before_model), name="guard", project="shop").ask()

    assert "plugin 'guard' failed in before_model (project 'shop', request test-1, fail_closed)" in caplog.text
    assert "the cause" in caplog.text


@pytest.mark.parametrize("blocking", [False, True])
def test_a_time_limit_ends_a_hook_that_waits(blocking):
    async def waits(self, ctx):
        await asyncio.sleep(5)

    def blocks(self, ctx):
        time.sleep(0.3)

    slow = plugin(before_model=blocks if blocking else waits, blocking=blocking)
    with PluginHarness(slow, timeout=0.02) as harness:
        reply = harness.ask()

    assert reply.status == 500
    assert isinstance(reply.error.cause, TimeoutError)


def test_a_time_limit_leaves_quick_hooks_alone():
    async def before_model(self, ctx):
        await asyncio.sleep(0)
        ctx.metadata["ran"] = True

    assert PluginHarness(plugin(before_model=before_model), timeout=5).ask().context.metadata["ran"]


def test_a_time_limit_holds_after_a_late_condition_too():
    async def before_model(self, ctx):
        await asyncio.sleep(5)

    mounted = MountedPlugin("slow", plugin(before_model=before_model)(), late_condition=lambda ctx: True, timeout=0.02)

    async def run():
        ctx = RequestContext(request_id="r1")
        return await HookChain([mounted]).select(ctx).before_model(ctx)

    verdict = asyncio.run(run())
    assert verdict.action == "refuse"


def test_a_late_condition_is_asked_before_each_call():
    def before_model(self, ctx):
        ctx.metadata["ran"] = True

    mounted = MountedPlugin("a", plugin(before_model=before_model)(), late_condition=lambda ctx: ctx.caller == "ann")

    def ran(caller):
        ctx = RequestContext(request_id="r1")
        ctx.caller = caller
        asyncio.run(HookChain([mounted]).select(ctx).before_model(ctx))
        return "ran" in ctx.metadata

    assert ran("ann")
    assert not ran("bob")


def test_the_watchdog_names_a_hook_that_holds_the_loop(caplog, monkeypatch):
    monkeypatch.setattr("llm_gateway_sdk.calling.WATCHDOG_SECONDS", 0.01)

    def before_model(self, ctx):
        time.sleep(0.03)

    async def after_model(self, ctx):
        await asyncio.sleep(0)
        time.sleep(0.03)  # noqa: ASYNC251 - the fault that is looked for

    with caplog.at_level(logging.WARNING):
        PluginHarness(plugin(before_model=before_model, after_model=after_model), name="hog").ask()

    assert "plugin 'hog' held the event loop for" in caplog.text
    assert "in before_model; its author can declare `blocking = True`" in caplog.text
    assert "in after_model" in caplog.text


def test_the_watchdog_reports_the_first_time_and_each_tenfold(caplog, monkeypatch):
    monkeypatch.setattr("llm_gateway_sdk.calling.WATCHDOG_SECONDS", 0.001)

    def before_model(self, ctx):
        time.sleep(0.002)

    with caplog.at_level(logging.WARNING), PluginHarness(plugin(before_model=before_model), name="hog") as harness:
        for _ in range(12):
            harness.ask()

    held = [record.getMessage() for record in caplog.records if "held the event loop" in record.getMessage()]
    assert len(held) == 2
    assert "(10 times so far)" in held[1]


def test_waiting_is_not_holding(caplog, monkeypatch):
    monkeypatch.setattr("llm_gateway_sdk.calling.WATCHDOG_SECONDS", 0.01)

    async def before_model(self, ctx):
        await asyncio.sleep(0.03)

    PluginHarness(plugin(before_model=before_model)).ask()

    assert caplog.text == ""


def test_blocking_hooks_run_off_the_event_loop(caplog, monkeypatch):
    monkeypatch.setattr("llm_gateway_sdk.calling.WATCHDOG_SECONDS", 0.01)

    def before_model(self, ctx):
        time.sleep(0.03)

    with PluginHarness(plugin(before_model=before_model, blocking=True)) as harness:
        assert harness.ask().status == 200
    assert caplog.text == ""


def test_a_plain_hook_may_return_something_to_wait_for():
    def before_model(self, ctx):
        async def later():
            return PluginResult(success=False, status=402)

        return asyncio.ensure_future(later())

    assert PluginHarness(plugin(before_model=before_model)).ask().status == 402


# Who runs.


def test_a_plugin_runs_for_its_operations_only():
    trace = []
    counts = plugin(before_model=lambda self, ctx: trace.append(ctx.operation), operations=frozenset({"embed"}))
    harness = PluginHarness(counts)
    harness.ask()
    harness.ask(operation="embed")

    assert trace == ["embed"]


def test_a_plugin_runs_where_its_condition_holds():
    refuse = plugin(before_model=result(success=False))
    harness = PluginHarness([Mount(refuse, condition=lambda ctx: ctx.headers.get("x-team") == "blue")])

    assert harness.ask().status == 200
    assert harness.ask(headers={"x-team": "blue"}).status == 500


def test_wants_is_asked_once_per_phase():
    asked = []

    def wants(self, phase, ctx):
        asked.append(phase)
        return phase != "after_chunk"

    shout = plugin(after_chunk=lambda self, ctx: ctx.buffered_chunk.map_text(str.upper), wants=wants)

    assert PluginHarness(shout).stream(["a", "b", pause(0), "c"]).text == "abc"
    assert asked.count("after_chunk") == 1


def test_attempts_wanted_raises_the_bound():
    again = plugin(on_model_error=result(reevaluate_request=True), attempts_wanted=lambda self: 5)

    reply = PluginHarness(again, model=ScriptedModel(500, 500, 500, 500, 500, "at last"), max_retries=1).ask()

    assert reply.text == "at last"


@pytest.mark.parametrize("flags", [{"reevaluate_request": True}, {"terminate": True}])
def test_who_edits_sees_a_failure_where_another_plugin_has_decided_before(flags):
    def hide(self, ctx):
        ctx.error.message = "[hidden]"
        return PluginResult(success=False)

    decides, edits = plugin("decides", on_model_error=result(**flags)), plugin("edits", on_model_error=hide)
    edits.edits_reply = True
    seen = []
    looks = plugin("looks", on_model_error=lambda self, ctx: seen.append(ctx.error))
    harness = PluginHarness([Mount(decides), Mount(edits), Mount(looks)], model=ScriptedModel(503), max_retries=0)

    reply = harness.ask()

    assert reply.context.attempts[0].error == "[hidden]"
    assert seen == [], "the others are left out"


def test_timings_are_kept_per_plugin_and_phase():
    reply = PluginHarness(plugin(before_model=lambda self, ctx: None), name="quick").ask()

    assert set(reply.context.timings) == {"quick.before_model"}


def test_closing_a_chain_closes_all_whatever_one_does(caplog):
    closed = []

    async def fails(self):
        raise RuntimeError

    async def closes(self):
        closed.append(True)

    PluginHarness([Mount(plugin("a", close=fails)), Mount(plugin("b", close=closes))]).close()

    assert closed == [True]
    assert "plugin 'a' failed in close" in caplog.text


def test_requests_that_plugins_judge_alike_share_a_chain() -> None:
    class Choosy(Plugin):
        def wants(self, phase: str, ctx: RequestContext) -> bool:
            return ctx.streaming

        async def after_chunk(self, ctx: RequestContext) -> None:
            return None

    chain = HookChain([MountedPlugin("choosy", Choosy())])
    streamed = [chain.select(RequestContext(request_id="1", streaming=True)) for _ in range(2)]
    whole = chain.select(RequestContext(request_id="2"))

    assert streamed[0] is streamed[1]
    assert len(streamed[0].chunk) == 1
    assert whole.chunk == []


def active(*plugins):
    mounted = [MountedPlugin(made.metadata.name, made) for made in plugins]
    return HookChain(mounted).select(RequestContext(request_id="r1"))


def test_an_instance_runs_only_the_hooks_that_it_names():
    hooks = dict.fromkeys(("before_model", "after_model", "after_chunk"), lambda self, ctx: None)
    every = plugin("every", **hooks)()
    some = plugin("some", **hooks, hooks=lambda self: ("before_model",))()

    chain = active(every, some)
    assert [hook.mounted.name for hook in chain.before] == ["every", "some"]
    assert [hook.mounted.name for hook in chain.after] == ["every"]
    assert [hook.mounted.name for hook in chain.chunk] == ["every"]


def test_without_its_after_model_a_plugin_holds_no_stream():
    members = {"on_stream": "whole", "after_model": lambda self, ctx: None}

    assert active(plugin("made", **members)()).chunk
    assert not active(plugin("made", **members, hooks=lambda self: ())()).chunk


def test_a_hook_that_does_not_exist_is_refused_at_start():
    made = plugin("made", hooks=lambda self: ("after_modle",))()

    with pytest.raises(ValueError, match=r"'after_modle' is not a hook: before_request, .*after_model"):
        active(made)
