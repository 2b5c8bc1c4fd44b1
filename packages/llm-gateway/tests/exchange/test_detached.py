"""What runs after a reply: all of it, together where no task waits, concurrently where one does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context

import pytest

from llm_gateway.exchange import detached
from llm_gateway.exchange.detached import DetachedSupervisor, KeptBudget
from llm_gateway.exchange.log_context import current_request_id
from llm_gateway_sdk import ActiveChain, HookChain, MountedPlugin, Plugin, RequestContext, plugin_metadata
from llm_gateway_sdk.lifecycle import Lifecycle


def _busy(seconds: float) -> Callable[[RequestContext], None]:
    """A hook that holds up the loop for so long."""
    return lambda ctx: time.sleep(seconds)


def chain_of(*hooks: Callable[[RequestContext], Awaitable[None] | None]) -> ActiveChain:
    """A plugin for each hook, which run in the order given."""

    def mounted(hook: Callable[[RequestContext], Awaitable[None] | None]) -> MountedPlugin:
        def detached_after_response(self: Plugin, ctx: RequestContext) -> Awaitable[None] | None:
            return hook(ctx)

        body = {"detached_after_response": detached_after_response}
        return MountedPlugin("hook", plugin_metadata(name="hook")(type("Hook", (Plugin,), body))())

    return HookChain([mounted(hook) for hook in reversed(hooks)]).select(context("any"))


def context(request_id: str) -> RequestContext:
    return RequestContext(request_id=request_id)


def test_requests_that_end_together_share_one_task_and_keep_their_order() -> None:
    async def main() -> None:
        seen: list[tuple[str, asyncio.Task[None] | None]] = []
        chain = chain_of(lambda ctx: seen.append((ctx.request_id, asyncio.current_task())))
        supervisor = DetachedSupervisor()

        for number in range(20):
            supervisor.submit(chain, context(f"r{number}"))
        await supervisor.drain(1)

        assert [request_id for request_id, _ in seen] == [f"r{number}" for number in range(20)]
        assert len({task for _, task in seen}) == 1

    asyncio.run(main())


def test_hooks_run_without_anybody_asking() -> None:
    async def main() -> None:
        seen: list[str] = []
        supervisor = DetachedSupervisor()
        supervisor.submit(chain_of(lambda ctx: seen.append(ctx.request_id)), context("r1"))

        async with asyncio.timeout(1):
            while not seen or supervisor.backlog:  # noqa: ASYNC110 - the timer is what is tested
                await asyncio.sleep(0.005)

    asyncio.run(main())


def test_a_hook_that_waits_holds_no_other_up() -> None:
    async def main() -> None:
        gate, seen = asyncio.Event(), list[str]()

        async def waits(ctx: RequestContext) -> None:
            if ctx.request_id == "slow":
                async with asyncio.timeout(5):  # which works in a task only
                    await gate.wait()
            seen.append(ctx.request_id)

        chain, supervisor = chain_of(waits), DetachedSupervisor()
        for request_id in ("a", "slow", "b", "slow", "c"):
            supervisor.submit(chain, context(request_id))
        async with asyncio.timeout(1):
            while len(seen) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

        assert seen == ["a", "b", "c"]
        gate.set()
        await supervisor.drain(1)
        assert seen == ["a", "b", "c", "slow", "slow"]

    asyncio.run(main())


def test_no_more_than_the_given_number_of_hooks_wait_at_a_time() -> None:
    async def main() -> None:
        waiting, most = 0, 0

        async def waits(ctx: RequestContext) -> None:
            nonlocal waiting, most
            waiting += 1
            most = max(most, waiting)
            await asyncio.sleep(0.01)
            waiting -= 1

        chain, supervisor = chain_of(waits), DetachedSupervisor(workers=3)
        for number in range(12):
            supervisor.submit(chain, context(f"r{number}"))
        await supervisor.drain(2)

        assert most == 3
        assert supervisor.backlog == 0

    asyncio.run(main())


def test_long_work_is_interrupted_for_what_else_the_loop_has_to_do() -> None:
    async def main() -> None:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while supervisor.backlog:
                turns += 1
                await asyncio.sleep(0)

        chain, supervisor = chain_of(_busy(0.002)), DetachedSupervisor()
        for number in range(10):
            supervisor.submit(chain, context(f"r{number}"))
        rival = asyncio.create_task(others())
        await supervisor.drain(5)
        await rival

        assert turns >= 10

    asyncio.run(main())


def test_hooks_keep_up_with_a_loop_that_never_rests() -> None:
    async def main() -> None:
        chain, supervisor = chain_of(_busy(0.0002)), DetachedSupervisor()
        for turn in range(60):
            time.sleep(0.005)  # noqa: ASYNC251 - other requests' work, between two looks of the loop
            for number in range(10):
                supervisor.submit(chain, context(f"r{turn}-{number}"))
            await asyncio.sleep(0)

        # What one turn brings takes 2 ms, twice the shortest slice.
        assert supervisor.backlog < 100
        await supervisor.drain(5)

    asyncio.run(main())


def test_kept_bytes_are_given_back_whatever_becomes_of_the_hook() -> None:
    def fails(ctx: RequestContext) -> None:
        raise RuntimeError("broken")

    async def main() -> None:
        budget, supervisor = KeptBudget(100, 100), DetachedSupervisor(bound=2)
        chain = chain_of(fails)
        for number in range(3):
            assert budget.take(30)
            supervisor.submit(chain, context(f"r{number}"), 30, budget)
        assert supervisor.dropped == 1
        await supervisor.drain(1)

        assert budget.left == 100

    asyncio.run(main())


def test_a_shutdown_cuts_off_what_does_not_end(caplog: pytest.LogCaptureFixture) -> None:
    async def waits(ctx: RequestContext) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        supervisor = DetachedSupervisor()
        supervisor.submit(chain_of(waits), context("r1"))
        await supervisor.drain(0.05)

    asyncio.run(main())

    assert "cut off at shutdown" in caplog.text


def test_settling_waits_for_what_was_there_and_not_for_what_comes_after() -> None:
    async def main() -> None:
        gate, supervisor = asyncio.Event(), DetachedSupervisor()
        seen: list[str] = []

        async def waits(ctx: RequestContext) -> None:
            if ctx.request_id == "later":
                await gate.wait()
            seen.append(ctx.request_id)

        chain = chain_of(waits)
        supervisor.submit(chain, context("before"))
        settling = asyncio.create_task(supervisor.settle(2))
        await asyncio.sleep(0)
        supervisor.submit(chain, context("later"))
        await settling

        assert seen == ["before"]
        gate.set()
        await supervisor.drain(1)

    asyncio.run(main())


def test_hooks_of_one_plugin_that_hang_stop_those_of_no_other() -> None:
    async def main() -> None:
        seen: list[str] = []

        async def hangs(ctx: RequestContext) -> None:
            await asyncio.sleep(60)

        async def notes(ctx: RequestContext) -> None:
            seen.append(ctx.request_id)

        both, supervisor = chain_of(hangs, notes), DetachedSupervisor()
        for number in range(60):
            supervisor.submit(both, context(f"r{number}"))
        await asyncio.sleep(0.2)
        other = chain_of(notes)
        for number in range(60, 80):
            supervisor.submit(other, context(f"r{number}"))
        await asyncio.sleep(0.2)

        # The first of them wait with the plugin's hooks that they were waiting for already.
        assert set(seen) == {f"r{number}" for number in range(16, 80)}
        await supervisor.drain(0.01)

    asyncio.run(main())


def test_a_hook_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(detached, "HOOK_SECONDS", 0.05)

    async def main() -> None:
        async def hangs(ctx: RequestContext) -> None:
            await asyncio.sleep(60)

        supervisor = DetachedSupervisor(workers=2)
        budget = KeptBudget(100, 100)
        for number in range(6):
            assert budget.take(10)
            supervisor.submit(chain_of(hangs), context(f"r{number}"), 10, budget)
        await supervisor.drain(2)
        await asyncio.sleep(0)

        assert supervisor.backlog == 0
        assert budget.left == 100
        assert caplog.text.count("did not end in time") == 6

    asyncio.run(main())


def lifecycle_of(hook: Callable[[RequestContext], Awaitable[None] | None], request_id: str) -> Lifecycle:
    """Of a request whose only `after_request` is that one."""

    def after_request(self: Plugin, ctx: RequestContext) -> Awaitable[None] | None:
        return hook(ctx)

    made = plugin_metadata(name="hook")(type("Hook", (Plugin,), {"after_request": after_request}))
    ctx = context(request_id)
    lifecycle = Lifecycle(HookChain([MountedPlugin("hook", made())]).select(ctx).lifecycle, ctx)
    with pytest.raises(StopIteration):
        lifecycle.begin().send(None)
    return lifecycle


def finish_as(request_id: str, supervisor: DetachedSupervisor, lifecycle: Lifecycle) -> None:
    """As the request itself does it, with its own context variables."""
    current_request_id.set(request_id)
    supervisor.finish(lifecycle)


def test_the_end_of_a_request_that_waits_has_its_context_too() -> None:
    async def main() -> None:
        seen: list[str | None] = []

        async def later(ctx: RequestContext) -> None:
            await asyncio.sleep(0)
            seen.append(current_request_id.get())

        supervisor = DetachedSupervisor()
        for name in ("r0", "r1"):
            copy_context().run(finish_as, name, supervisor, lifecycle_of(later, name))
        await supervisor.drain(1)

        assert seen == ["r0", "r1"]

    asyncio.run(main())


def test_the_end_of_a_request_that_waits_for_nothing_takes_no_task_and_knows_its_request() -> None:
    async def main() -> None:
        seen: list[tuple[str, str | None]] = []
        supervisor = DetachedSupervisor()
        for number in range(3):
            name = f"r{number}"
            ends = lifecycle_of(lambda ctx: seen.append((ctx.request_id, current_request_id.get())), name)
            copy_context().run(finish_as, name, supervisor, ends)
        before = len(asyncio.all_tasks())
        await asyncio.sleep(0)

        assert seen == [(f"r{number}", f"r{number}") for number in range(3)]
        assert len(asyncio.all_tasks()) == before
        assert supervisor.backlog == 0
        assert current_request_id.get() is None

    asyncio.run(main())


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("end", [DetachedSupervisor.drain, DetachedSupervisor.settle])
def test_the_end_of_the_gateway_waits_for_requests_that_have_just_ended(
    end: Callable[[DetachedSupervisor, float], Awaitable[None]], waits: bool
) -> None:
    async def main() -> None:
        seen: list[str] = []

        async def later(ctx: RequestContext) -> None:
            await asyncio.sleep(0.01)
            seen.append(ctx.request_id)

        supervisor = DetachedSupervisor()
        for number in range(3):
            hook = later if waits else lambda ctx: seen.append(ctx.request_id)
            supervisor.finish(lifecycle_of(hook, f"r{number}"))
        assert supervisor.backlog == 3
        await end(supervisor, 5)

        assert sorted(seen) == ["r0", "r1", "r2"]

    asyncio.run(main())
