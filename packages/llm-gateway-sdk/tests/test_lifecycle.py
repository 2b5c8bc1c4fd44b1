"""`before_request` and `after_request`: once each, in pairs, whatever becomes of the request."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from llm_gateway_sdk import (
    HookChain,
    MountedPlugin,
    Plugin,
    PluginResult,
    Principal,
    RequestContext,
    RequestRejected,
    plugin_metadata,
)
from llm_gateway_sdk import lifecycle as lifecycle_module
from llm_gateway_sdk.lifecycle import Lifecycle
from llm_gateway_sdk.testing import Mount, PluginHarness, ScriptedModel


def plugin(name: str, log: list[str], **hooks: Any) -> type[Plugin]:
    def noting(phase: str, then: Any) -> Any:
        async def hook(self: Plugin, ctx: RequestContext) -> Any:
            log.append(f"{name}.{phase}")
            return then(ctx) if then is not None else None

        return hook

    body = {
        phase: noting(phase, hooks.get(phase))
        for phase in ("before_request", "after_request", "before_model")
        if phase not in hooks or hooks[phase] is not False
    }
    return plugin_metadata(name=name)(type(name, (Plugin,), {**body, **hooks.get("attributes", {})}))


def run(*plugins: type[Plugin], model: Any = None, **options: Any) -> Any:
    mounts = [Mount(each, name=each.metadata.name, priority=number) for number, each in enumerate(plugins)]
    with PluginHarness(mounts, model=model or ScriptedModel("hi"), **options) as harness:
        return harness.ask("Hello")


def refuses(**fields: Any) -> Any:
    return lambda ctx: PluginResult(success=False, error="no", **fields)


def fails(ctx: RequestContext) -> None:
    raise ValueError("no")


def test_each_runs_once_in_the_order_of_the_chain_and_back() -> None:
    log: list[str] = []
    run(plugin("a", log), plugin("b", log))

    assert log == [
        *("a.before_request", "b.before_request", "a.before_model", "b.before_model"),
        *("b.after_request", "a.after_request"),
    ]


def test_neither_runs_again_when_the_request_begins_again() -> None:
    log: list[str] = []

    def again(ctx: RequestContext) -> PluginResult:
        return PluginResult(reevaluate_request=ctx.retry_count < 2)

    run(plugin("a", log), plugin("b", log, before_model=again))

    assert log.count("a.before_model") == 3
    assert log.count("a.before_request") == log.count("a.after_request") == 1


@pytest.mark.parametrize("outcome", [refuses(status=429, retry_after=7.0, limit="team-month"), fails])
def test_each_plugin_that_was_begun_is_ended_also_after_a_refusal(outcome: Any) -> None:
    log: list[str] = []
    reply = run(plugin("a", log), plugin("b", log, before_request=outcome), plugin("c", log))

    assert log == ["a.before_request", "b.before_request", "b.after_request", "a.after_request"]
    assert reply.status == (429 if outcome is not fails else 500)
    if outcome is not fails:
        assert isinstance(reply.error, RequestRejected)
        assert (reply.error.retry_after, reply.error.limit) == (7.0, "team-month")


def test_a_refusal_of_a_later_phase_ends_it_too() -> None:
    log: list[str] = []
    run(plugin("a", log), plugin("b", log, before_model=refuses(status=400)))

    assert log.count("a.after_request") == 1


def test_one_that_fails_or_hangs_afterwards_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_module, "AFTER_SECONDS", 0.05)
    log: list[str] = []

    async def hangs(self: Plugin, ctx: RequestContext) -> None:
        await asyncio.sleep(60)

    def exits(ctx: RequestContext) -> None:
        raise SystemExit(1)

    slow = plugin("slow", log, attributes={"after_request": hangs})
    run(plugin("a", log), slow, plugin("b", log, after_request=exits))

    assert log[-1] == "a.after_request"
    assert "b.after_request" in log


def test_a_chain_without_such_hooks_has_none() -> None:
    log: list[str] = []
    cls = plugin("a", log, before_request=False, after_request=False)
    with PluginHarness(cls) as harness:
        reply = harness.ask("Hello")
        assert harness.chain.select(reply.context).lifecycle == []


# Authentication.


def named(name: str) -> Any:
    def hook(ctx: RequestContext) -> None:
        ctx.principal = Principal(name, name.title(), team="blue")

    return hook


def test_authentication_runs_first_and_once_whatever_its_priority() -> None:
    log: list[str] = []
    key = plugin("key", log, before_model=named("ann"), attributes={"authenticates": True})

    def again(ctx: RequestContext) -> PluginResult:
        return PluginResult(reevaluate_request=ctx.retry_count < 1)

    reply = run(plugin("a", log, before_model=again), key)

    assert log[:2] == ["key.before_model", "a.before_request"]
    assert log.count("key.before_model") == 1
    assert reply.context.caller == "Ann"
    assert reply.context.principal.team == "blue"


def test_the_plugin_that_knows_the_credential_answers() -> None:
    log: list[str] = []
    plugins = [
        plugin(name, log, before_model=hook, attributes={"authenticates": True})
        for name, hook in (("one", None), ("two", named("ann")))
    ]

    assert run(*plugins).status == 200


def test_without_a_principal_the_request_is_refused_before_anything_is_spent() -> None:
    log: list[str] = []
    reply = run(plugin("a", log), plugin("key", log, before_model=None, attributes={"authenticates": True}))

    assert reply.status == 401
    assert log == ["key.before_model"]


def test_a_refusal_of_authentication_begins_nothing() -> None:
    log: list[str] = []
    key = plugin("key", log, before_model=refuses(status=401), attributes={"authenticates": True})

    assert run(plugin("a", log), key).status == 401
    assert log == ["key.before_model"]


def test_authentication_that_is_moved_ahead_is_named() -> None:
    log: list[str] = []
    key = plugin("key", log, attributes={"authenticates": True})
    with PluginHarness([Mount(plugin("a", log), priority=1), Mount(key, priority=2)]) as harness:
        assert harness.chain.moved_ahead == ["key"]
    with PluginHarness([Mount(plugin("a", log), priority=2), Mount(key, priority=1)]) as harness:
        assert harness.chain.moved_ahead == []


def ending(name: str, log: list[str], kind: str) -> MountedPlugin:
    """A plugin whose `after_request` is of this kind."""

    async def waits(ctx: RequestContext) -> None:
        await asyncio.sleep(0)
        log.append(f"{name} after waiting")

    def plain(self: Plugin, ctx: RequestContext) -> Any:
        log.append(name)
        if kind == "fails":
            raise SystemExit(name)
        return waits(ctx) if kind == "hands on" else None

    async def asynchronous(self: Plugin, ctx: RequestContext) -> None:
        log.append(name)
        await waits(ctx)

    hook = asynchronous if kind == "waits" else plain
    made = plugin_metadata(name=name)(type(name, (Plugin,), {"after_request": hook}))
    return MountedPlugin(name, made())


def begun(*plugins: MountedPlugin) -> Lifecycle:
    """The lifecycle of a request that is to end."""
    ctx = RequestContext(request_id="r1")
    lifecycle = Lifecycle(HookChain(plugins).select(ctx).lifecycle, ctx)
    with pytest.raises(StopIteration):
        lifecycle.begin().send(None)
    return lifecycle


@pytest.mark.parametrize("kinds", list(itertools.product(["plain", "hands on", "waits", "fails"], repeat=3)))
def test_hooks_end_in_the_same_order_whether_or_not_a_task_runs_them(kinds: tuple[str, ...]) -> None:
    async def main() -> None:
        logs: list[list[str]] = []
        for at_once in (True, False):
            log: list[str] = []
            lifecycle = begun(*(ending(name, log, kind) for name, kind in zip("abc", kinds, strict=True)))
            rest = lifecycle.end_now() if at_once else lifecycle.end()
            assert (rest is None) == (at_once and not {"waits", "hands on"} & set(kinds))
            if rest is not None:
                await rest
            assert not lifecycle.is_open
            logs.append(log)
        assert logs[0] == logs[1]
        assert [name for name in logs[0] if len(name) == 1] == ["c", "b", "a"]

    asyncio.run(main())
