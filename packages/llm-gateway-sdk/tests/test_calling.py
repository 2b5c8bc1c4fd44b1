"""How one hook is called, and how a phase of several ends: policies, limits, and failures of every kind."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from llm_gateway_sdk import LLMResponse, MountedPlugin, Plugin, PluginResult, RequestContext, RequestRejected, Verdict
from llm_gateway_sdk.calling import Hook, call_hook, decide, run_authentication, run_detached, run_phase


def hook(
    call: Callable[[RequestContext], Any],
    name: str = "p",
    *,
    phase: str = "before_model",
    threaded: bool = False,
    **policy: Any,
) -> Hook:
    mounted = MountedPlugin(name, Plugin(), **policy)
    return Hook(mounted, call, phase, f"{phase}:{name}", asyncio.iscoroutinefunction(call), threaded)


def context() -> RequestContext:
    return RequestContext(request_id="r")


def phase(*hooks: Hook, ctx: RequestContext | None = None) -> Verdict | None:
    return asyncio.run(run_phase(hooks, ctx or context()))


def no(status: int = 403) -> PluginResult:
    return PluginResult(success=False, error=RequestRejected("No.", status=status), status=status)


def raising(error: BaseException) -> Callable[[RequestContext], Any]:
    def call(ctx: RequestContext) -> Any:
        raise error

    return call


def test_hooks_run_in_order_until_one_refuses() -> None:
    order: list[str] = []
    hooks = [
        hook(lambda ctx: order.append("a")),
        hook(lambda ctx: order.append("b") or no(), "guard"),
        hook(lambda ctx: order.append("c")),
    ]

    verdict = phase(*hooks)

    assert order == ["a", "b"]
    assert verdict is not None
    assert (verdict.action, verdict.plugin) == ("refuse", "guard")


def test_the_rest_is_skipped_without_a_verdict() -> None:
    order: list[str] = []
    skip = hook(lambda ctx: PluginResult(skip_remaining=True))

    assert phase(skip, hook(lambda ctx: order.append("late"))) is None
    assert order == []


@pytest.mark.parametrize(("has_reply", "action"), [(True, "reply"), (False, "refuse")])
def test_to_terminate_needs_a_reply(has_reply: bool, action: str) -> None:
    ctx = context()

    def end(ctx: RequestContext) -> PluginResult:
        if has_reply:
            ctx.response = LLMResponse()
        return PluginResult(terminate=True)

    verdict = phase(hook(end), ctx=ctx)

    assert verdict is not None
    assert verdict.action == action


def test_a_refusal_after_the_models_error_leaves_that_error() -> None:
    order: list[str] = []
    hooks = [
        hook(lambda ctx: no(), phase="on_model_error"),
        hook(lambda ctx: order.append("next"), phase="on_model_error"),
    ]

    assert phase(*hooks) is None
    assert order == ["next"]


@pytest.mark.parametrize("error", [RuntimeError("odd"), SystemExit(1), GeneratorExit(), KeyError("x")])
def test_what_a_hook_raises_refuses_the_request_and_hides_its_words(error: BaseException) -> None:
    verdict = phase(hook(raising(error), "broken"))

    assert verdict is not None
    assert (verdict.action, verdict.plugin) == ("refuse", "broken")
    assert "odd" not in str(verdict.error)


def test_with_fail_open_the_failed_hooks_changes_are_undone() -> None:
    ctx = context()

    def half(ctx: RequestContext) -> None:
        ctx.metadata["half"] = True
        ctx.target_model = "changed"
        raise RuntimeError

    assert phase(hook(half, on_error="fail_open"), ctx=ctx) is None
    assert "half" not in ctx.metadata
    assert ctx.target_model != "changed"


def test_a_refusal_is_one_with_fail_open_too() -> None:
    verdict = phase(hook(raising(RequestRejected("No.", status=451)), on_error="fail_open"))

    assert verdict is not None
    assert (verdict.action, getattr(verdict.error, "status", None)) == ("refuse", 451)


def test_a_result_of_another_type_is_the_plugins_failure() -> None:
    result = asyncio.run(decide(hook(lambda ctx: True), context()))

    assert result is not None
    assert not result.success


@pytest.mark.parametrize("threaded", [False, True])
def test_a_hook_has_the_time_that_its_plugin_allows(threaded: bool) -> None:
    async def slow(ctx: RequestContext) -> None:
        await asyncio.sleep(10)

    slow_hook = hook(lambda ctx: time.sleep(0.3) if threaded else slow(ctx), threaded=threaded, timeout=0.05)
    with pytest.raises(TimeoutError):
        asyncio.run(call_hook(slow_hook, context()))


@pytest.mark.parametrize("threaded", [False, True])
def test_the_time_of_a_hook_is_booked_also_where_it_fails(threaded: bool) -> None:
    ctx = context()

    def fail(ctx: RequestContext) -> None:
        time.sleep(0.01)
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(call_hook(hook(fail, threaded=threaded), ctx))

    assert ctx.timings["before_model:p"] >= 0.01


def test_a_cancelled_request_is_not_the_plugins_failure() -> None:
    async def waits(ctx: RequestContext) -> None:
        await asyncio.sleep(10)

    async def main() -> None:
        task = asyncio.ensure_future(run_phase([hook(waits)], context()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def knows(name: str) -> Callable[[RequestContext], None]:
    def call(ctx: RequestContext) -> None:
        ctx.caller = name

    return call


@pytest.mark.parametrize(
    ("calls", "status", "caller"),
    [
        ([lambda ctx: no(401), knows("ada")], None, "ada"),
        ([knows("ada"), lambda ctx: no(401)], None, "ada"),
        ([lambda ctx: no(429), knows("ada")], None, "ada"),
        ([lambda ctx: no(401), lambda ctx: no(429)], 401, None),
        ([lambda ctx: no(403), knows("ada")], 403, None),
        ([lambda ctx: None], None, None),
    ],
    ids=["other", "first", "guesses", "none", "forbidden", "silent"],
)
def test_who_is_asking_may_be_known_to_any_of_those_that_authenticate(
    calls: list[Callable[[RequestContext], Any]], status: int | None, caller: str | None
) -> None:
    ctx = context()
    verdict = asyncio.run(run_authentication([hook(call) for call in calls], ctx))

    assert (verdict.error.status if verdict is not None and verdict.error is not None else None) == status
    assert ctx.caller == caller


def test_a_detached_hooks_failure_is_returned_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def slow(ctx: RequestContext) -> None:
        await asyncio.sleep(10)

    late = asyncio.run(run_detached(hook(slow, phase="detached_after_response"), context(), limit=0.02))
    broken = asyncio.run(run_detached(hook(raising(ValueError("x")), "b", phase="detached_after_response"), context()))
    ended = asyncio.run(run_detached(hook(raising(SystemExit()), "c", phase="detached_after_response"), context()))

    assert isinstance(late, TimeoutError)
    assert isinstance(broken, ValueError)
    assert isinstance(ended, Exception)
    assert len(caplog.records) >= 3


def test_a_plugins_threads_are_its_own() -> None:
    seen: list[str] = []

    def note(ctx: RequestContext) -> None:
        seen.append(threading.current_thread().name)

    asyncio.run(call_hook(hook(note, "one", threaded=True), context()))
    asyncio.run(call_hook(hook(note, "two", threaded=True), context()))

    assert seen[0].startswith("plugin one")
    assert seen[1].startswith("plugin two")
