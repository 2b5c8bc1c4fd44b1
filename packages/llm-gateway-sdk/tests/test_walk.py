"""The walk with a scripted performer: its one edge back to the start, its bounds, and what reaches the client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from llm_gateway_sdk import (
    Choice,
    GatewayError,
    HookChain,
    LLMRequest,
    LLMResponse,
    Message,
    ModelError,
    MountedPlugin,
    Plugin,
    PluginResult,
    RequestContext,
    RequestRejected,
    TextPart,
    Unauthorized,
    Verdict,
    plugin_metadata,
)
from llm_gateway_sdk.payload import Payload
from llm_gateway_sdk.walk import WalkLimits, walk

Hook = Callable[[RequestContext], PluginResult | None]


class Performer:
    """Fails as often as the script has errors, then writes the reply; keeps what each call's request was."""

    is_heavy = False

    def __init__(self, ctx: RequestContext, *outcomes: Exception | Verdict, late: bool = False) -> None:
        self._ctx, self._outcomes, self._late = ctx, list(outcomes), late
        self.calls: list[list[str]] = []
        self.answered: list[str] = []
        self.prepared = 0

    async def perform(self) -> Verdict | None:
        self.calls.append([message.text for message in self._ctx.request.messages])
        outcome = self._outcomes.pop(0) if self._outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def answer(self, response: LLMResponse) -> None:
        self.answered.append(response.text)

    def out_of_time(self) -> bool:
        return self._late

    async def prepare(self) -> None:
        self.prepared += 1


def reply(text: str) -> LLMResponse:
    return LLMResponse(choices=[Choice(message=Message("assistant", [TextPart(text)]))])


def asked() -> LLMRequest:
    return LLMRequest(model="m", messages=[Message("user", [TextPart("hi")])])


def walked(
    *outcomes: Exception | Verdict,
    late: bool = False,
    heavy: bool = False,
    recall: Callable[[], Awaitable[None]] | None = None,
    authenticates: bool = False,
    **hooks: Hook,
) -> tuple[Performer, GatewayError | None, RequestContext]:
    ctx = RequestContext(request_id="r", request=Payload(asked))
    plugins = []
    if hooks:
        body: dict[str, Any] = {name: lambda self, ctx, hook=hook: hook(ctx) for name, hook in hooks.items()}
        body["authenticates"] = authenticates
        plugins.append(MountedPlugin("p", plugin_metadata(name="p")(type("P", (Plugin,), body))()))
    performer = Performer(ctx, *outcomes, late=late)
    performer.is_heavy = heavy

    async def main() -> GatewayError | None:
        try:
            await walk(
                ctx, HookChain(plugins).select(ctx), performer, WalkLimits(max_retries=2, max_turns=2), None, recall
            )
        except GatewayError as error:
            return error
        return None

    return performer, asyncio.run(main()), ctx


def again(ctx: RequestContext) -> PluginResult:
    return PluginResult(reevaluate_request=True)


def test_a_request_without_plugins_is_performed_once() -> None:
    performer, error, _ = walked()

    assert (performer.calls, performer.answered, error) == ([["hi"]], [], None)


def test_a_failure_reaches_the_client_where_no_plugin_catches_it() -> None:
    failure = ModelError("down")
    performer, error, ctx = walked(failure)

    assert error is failure
    assert ctx.error is failure
    assert len(performer.calls) == 1


def test_after_a_failure_the_walk_begins_again_as_often_as_allowed() -> None:
    performer, error, ctx = walked(*(ModelError(str(n)) for n in range(9)), on_model_error=again)

    assert len(performer.calls) == 3, "the first and two more"
    assert str(error) == "2", "the last failure is the client's"
    assert ctx.retry_count == 3


def test_out_of_time_the_walk_does_not_begin_again() -> None:
    performer, error, _ = walked(ModelError("down"), late=True, on_model_error=again)

    assert len(performer.calls) == 1
    assert str(error) == "down"


def test_a_plugin_may_answer_in_place_of_a_failed_model() -> None:
    def recovered(ctx: RequestContext) -> PluginResult:
        ctx.response = reply("from the cache")
        return PluginResult(terminate=True)

    performer, error, _ = walked(ModelError("down"), on_model_error=recovered)

    assert (performer.answered, error) == (["from the cache"], None)


def test_a_refusal_before_the_model_calls_nothing() -> None:
    def refuse(ctx: RequestContext) -> PluginResult:
        return PluginResult(success=False, error=RequestRejected("No.", status=451))

    performer, error, _ = walked(before_model=refuse)

    assert performer.calls == []
    assert (str(error), error.status if error else 0) == ("No.", 451)


def test_a_refusal_without_an_error_names_the_plugin() -> None:
    _, error, _ = walked(Verdict("refuse", plugin="guard"))

    assert isinstance(error, RequestRejected)
    assert "'guard' refused" in str(error)


def test_follow_ups_extend_the_conversation_and_are_bounded() -> None:
    def ask_on(ctx: RequestContext) -> PluginResult:
        return ctx.follow_up([Message("assistant", [TextPart("?")]), Message("user", [TextPart("go on")])])

    turns: list[list[str]] = []

    class Asking(Performer):
        async def perform(self) -> Verdict | None:
            turns.append([message.text for message in self._ctx.request.messages])
            ask_on(self._ctx)
            return Verdict("again", plugin="p")

    ctx = RequestContext(request_id="r", request=Payload(asked))
    with pytest.raises(RequestRejected, match=r"more than 2 follow-ups \(maxTurns\)"):
        asyncio.run(walk(ctx, HookChain([]).select(ctx), Asking(ctx), WalkLimits(max_turns=2)))

    assert turns == [["hi"], ["hi", "?", "go on"], ["hi", "?", "go on", "?", "go on"]]


def test_what_hooks_made_of_the_request_does_not_reach_the_next_pass() -> None:
    def spoil(ctx: RequestContext) -> None:
        ctx.request.messages.append(Message("user", [TextPart(f"pass {ctx.retry_count}")]))

    performer, _, _ = walked(ModelError("down"), before_model=spoil, on_model_error=again)

    assert performer.calls == [["hi", "pass 0"], ["hi", "pass 1"]]


def test_a_plugins_words_replace_the_providers_body() -> None:
    def reword(ctx: RequestContext) -> None:
        assert isinstance(ctx.error, ModelError)
        ctx.error.message = "Something is wrong."

    failure = ModelError("key sk-123 is wrong")
    failure.body = b'{"error": "key sk-123 is wrong"}'
    _, error, _ = walked(failure, on_model_error=reword)

    assert isinstance(error, ModelError)
    assert error.body is None
    assert error.info().message == "Something is wrong."


def test_any_exception_that_a_plugin_sets_becomes_an_error_with_the_status() -> None:
    def replace(ctx: RequestContext) -> None:
        ctx.error = ValueError("odd")

    _, error, _ = walked(ModelError("down", status=503), on_model_error=replace)

    assert isinstance(error, RequestRejected)
    assert (str(error), error.status) == ("odd", 503)


def test_without_a_principal_an_authenticated_project_answers_401_and_remembers_nothing() -> None:
    async def recall() -> None:
        raise AssertionError("nothing is recalled for an unknown caller")

    performer, error, _ = walked(before_model=lambda ctx: None, authenticates=True, recall=recall)

    assert isinstance(error, Unauthorized)
    assert performer.calls == []


def test_what_was_kept_is_recalled_once_before_any_hook_sees_the_request() -> None:
    order: list[str] = []

    async def recall() -> None:
        order.append("recall")

    def before(ctx: RequestContext) -> None:
        order.append("hook")

    walked(ModelError("down"), recall=recall, before_model=before, on_model_error=again)

    assert order == ["recall", "hook", "hook"]


def test_a_large_body_is_prepared_before_each_pass() -> None:
    performer, _, _ = walked(ModelError("down"), heavy=True, on_model_error=again)

    assert performer.prepared == 2
