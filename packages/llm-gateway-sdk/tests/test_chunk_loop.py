"""The chunk loop with a list for a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from llm_gateway_sdk import (
    Choice,
    HookChain,
    LLMResponse,
    Message,
    ModelError,
    ModelStreamError,
    MountedPlugin,
    Plugin,
    PluginResult,
    RequestContext,
    RequestRejected,
    TextPart,
    Usage,
    Verdict,
    plugin_metadata,
)
from llm_gateway_sdk.chunk_loop import ChunkLoop
from llm_gateway_sdk.errors import ErrorInfo


def text(value: str, *, final: bool = False, usage: Usage | None = None) -> LLMResponse:
    return LLMResponse(choices=[Choice(0, Message("assistant", [TextPart(value, index=0)]))], final=final, usage=usage)


def preamble() -> LLMResponse:
    return LLMResponse(id="r", choices=[Choice(0, Message("assistant"))])


class Client:
    """What was written: texts, and in angle brackets what happened."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.came: Callable[[LLMResponse], None] = lambda chunk: None
        self.let_through: Callable[[LLMResponse], None] = lambda chunk: None

    def commit(self) -> None:
        self.written.append("<commit>")

    def emit(self, chunk: LLMResponse) -> None:
        self.written.append(chunk.text)

    def emit_text(self, chunk: LLMResponse, text: str) -> None:
        assert chunk.text == text
        self.emit(chunk)

    async def flush(self) -> None:
        self.written.append("<flush>")

    async def end(self) -> None:
        self.written.append("<end>")


def run(
    *batches: list[LLMResponse] | Exception, hook: Callable[[RequestContext], PluginResult | None] | None = None
) -> tuple[list[str], Verdict | Exception | None, ChunkLoop, RequestContext]:
    plugins = []
    if hook is not None:
        body = {"after_chunk": lambda self, ctx: hook(ctx)}
        plugins = [MountedPlugin("p", plugin_metadata(name="p")(type("P", (Plugin,), body))())]
    ctx, client = RequestContext(request_id="r", streaming=True), Client()
    loop = ChunkLoop(ctx, HookChain(plugins).select(ctx), client)

    async def source() -> AsyncIterator[list[LLMResponse]]:
        for batch in batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch

    async def main() -> Verdict | Exception | None:
        try:
            return await loop.run(source())
        except (ModelError, RequestRejected) as error:
            return error

    return client.written, asyncio.run(main()), loop, ctx


def test_what_arrives_together_leaves_together_and_nothing_before_the_first_content() -> None:
    written, verdict, _, ctx = run([preamble()], [text("a"), text("b")], [text("c", final=True)])

    assert written == ["<flush>", "<commit>", "", "a", "b", "<flush>", "c", "<end>"]
    assert verdict is None
    assert ctx.accumulated_response is not None
    assert ctx.accumulated_response.text == "abc"


def test_an_end_without_a_terminal_chunk_is_an_end() -> None:
    assert run([text("a")])[0] == ["<commit>", "a", "<flush>", "", "<end>"]


def test_a_failure_before_content_leaves_the_client_untouched() -> None:
    written, outcome, _, ctx = run([preamble()], ModelStreamError("broke"))

    assert "<commit>" not in written
    assert isinstance(outcome, ModelStreamError)
    assert not ctx.stream.committed


def test_an_error_that_the_provider_reports_is_raised() -> None:
    chunk = LLMResponse(error=ErrorInfo("busy", 529, "overloaded"))
    _, outcome, _, _ = run([text("a")], [chunk])

    assert isinstance(outcome, ModelStreamError)
    assert (outcome.kind, outcome.status, outcome.retryable) == ("overloaded", 529, True)


def test_usage_is_what_was_reported_last() -> None:
    first, last = text("a", usage=Usage(11, 1)), text("b", final=True, usage=Usage(output_tokens=7))

    assert run([first], [last])[2].usage == Usage(11, 7)


def test_what_a_plugin_holds_leaves_when_it_lets_go() -> None:
    def hook(ctx: RequestContext) -> PluginResult:
        assert ctx.buffered_chunk is not None
        return PluginResult(emit_chunk=len(ctx.buffered_chunk.text) > 1)

    written, _, _, _ = run([text("a")], [text("b")], [text("c", final=True)], hook=hook)
    assert written == ["<flush>", "<commit>", "ab", "<flush>", "c", "<end>"]


def test_what_a_plugin_holds_reaches_the_client_when_the_stream_breaks_off() -> None:
    def hook(ctx: RequestContext) -> PluginResult:
        assert ctx.chunk is not None
        return PluginResult(emit_chunk=ctx.chunk.text != "b")

    written, outcome, _, _ = run([text("a")], [text("b")], ModelStreamError("broke"), hook=hook)
    assert written[-2:] == ["b", "<flush>"]
    assert isinstance(outcome, ModelStreamError)


@pytest.mark.parametrize("committed", [False, True])
def test_a_plugin_may_begin_again_until_content_was_sent(committed: bool) -> None:
    def hook(ctx: RequestContext) -> PluginResult:
        return PluginResult(reevaluate_request=ctx.stream.committed == committed)

    _, verdict, _, _ = run([text("a")], [text("b", final=True)], hook=hook)
    assert (isinstance(verdict, Verdict) and verdict.action == "again") is not committed


def test_a_refusal_withholds_what_has_not_been_sent() -> None:
    def hook(ctx: RequestContext) -> PluginResult:
        return PluginResult(success=ctx.chunk is not None and "secret" not in ctx.chunk.text)

    written, outcome, _, ctx = run([text("a")], [text("secret")], hook=hook)
    assert isinstance(outcome, RequestRejected)
    assert written == ["<commit>", "a", "<flush>", "<flush>"]
    assert ctx.chunk is None
    assert ctx.response is not None
    assert ctx.response.text == "a"
