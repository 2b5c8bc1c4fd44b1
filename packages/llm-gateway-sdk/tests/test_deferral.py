"""What plugins hold beyond a request, and how they get it back."""

from __future__ import annotations

import asyncio
from typing import Any

from llm_gateway_sdk import HookChain, MountedPlugin, Plugin, RequestContext, plugin_metadata
from llm_gateway_sdk.deferral import defer, settle


@plugin_metadata(name="books")
class Books(Plugin):
    def __init__(self, held: Any = "held", *, fails: bool = False) -> None:
        self.held, self.fails, self.settled = held, fails, list[Any]()

    async def before_request(self, ctx: RequestContext) -> None: ...

    async def defer_request(self, ctx: RequestContext) -> Any:
        if self.fails:
            raise RuntimeError("no")
        return self.held

    async def settle_deferred(self, held: Any, ctx: RequestContext) -> None:
        if self.fails:
            raise RuntimeError("no")
        self.settled.append(held)


@plugin_metadata(name="plain")
class Plain(Plugin):
    async def before_request(self, ctx: RequestContext) -> None: ...


def mounted(**plugins: Plugin) -> HookChain:
    return HookChain([MountedPlugin(name, plugin) for name, plugin in plugins.items()])


def test_each_plugin_gets_back_what_it_held() -> None:
    async def run() -> None:
        one, other, none = Books({"lease": 1}), Books([2]), Books(None)
        chain, ctx = mounted(one=one, other=other, none=none, plain=Plain()), RequestContext(request_id="r")

        held = await defer(chain.select(ctx), ctx)

        assert held == {"one": {"lease": 1}, "other": [2]}
        assert await settle(chain.plugins, {**held, "gone": 3}, ctx)
        assert (one.settled, other.settled, none.settled) == ([{"lease": 1}], [[2]], [])

    asyncio.run(run())


def test_one_that_fails_holds_up_no_other_and_is_asked_again() -> None:
    async def run() -> None:
        good, bad = Books(1), Books(fails=True)
        chain, ctx = mounted(bad=bad, good=good), RequestContext(request_id="r")

        assert await defer(chain.select(ctx), ctx) == {"good": 1}
        assert not await settle(chain.plugins, {"bad": 0, "good": 1}, ctx)
        assert good.settled == [1]

    asyncio.run(run())
