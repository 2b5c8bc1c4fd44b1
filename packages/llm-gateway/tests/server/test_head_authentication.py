"""Who is let in before the body has come."""

from __future__ import annotations

import asyncio
from typing import Any

from llm_gateway.server.head_authentication import authenticate_from_head
from llm_gateway_sdk import (
    GatewayError,
    HookChain,
    MountedPlugin,
    Plugin,
    PluginResult,
    RequestContext,
    RequestRejected,
)


def answer(decide: Any) -> GatewayError | None:
    class Asking(Plugin):
        authenticates = True
        authenticates_from_head = True

        def before_model(self, ctx: RequestContext) -> PluginResult | None:
            result: PluginResult | None = decide(ctx)
            return result

    hooks = HookChain([MountedPlugin("asking", Asking())]).head_authentication()
    return asyncio.run(authenticate_from_head(hooks, RequestContext(request_id="r")))


def test_a_caller_that_is_known_is_let_in() -> None:
    assert answer(lambda ctx: setattr(ctx, "caller", "somebody")) is None


def test_a_refusal_is_the_answer() -> None:
    error = RequestRejected("too many", status=429)

    assert answer(lambda ctx: PluginResult(success=False, error=error, status=429)) is error


def test_an_unknown_caller_is_401_and_a_broken_plugin_lets_none_in() -> None:
    unknown = answer(lambda ctx: None)
    broken = answer(lambda ctx: 1 / 0)

    assert unknown is not None
    assert unknown.status == 401
    assert broken is not None
    assert broken.status == 500


def test_a_caller_whom_the_second_plugin_knows_is_let_in() -> None:
    class Ignorant(Plugin):
        authenticates = True
        authenticates_from_head = True
        status = 401

        def before_model(self, ctx: RequestContext) -> PluginResult | None:
            error = RequestRejected("not known here", status=self.status)
            return PluginResult(success=False, error=error, status=self.status)

    class TiredOfGuesses(Ignorant):
        status = 429

    class Knowing(Ignorant):
        def before_model(self, ctx: RequestContext) -> PluginResult | None:
            ctx.caller = "somebody"
            return None

    for first in (Ignorant(), TiredOfGuesses()):
        chain = HookChain([MountedPlugin("first", first), MountedPlugin("second", Knowing())])
        assert asyncio.run(authenticate_from_head(chain.head_authentication(), RequestContext(request_id="r"))) is None
