"""`after_chunk` over one stream: holds, releases and verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

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
from llm_gateway_sdk import chunk_run as module

Hook = Callable[[Any, Any], Any]


def chunk(text: str, *, final: bool = False) -> LLMResponse:
    return LLMResponse(choices=[Choice(0, Message("assistant", [TextPart(text, index=0)]))], final=final)


def pushed(texts: list[str], *hooks: Hook) -> tuple[list[str | None], Any]:
    """What came out for each text, of which the last is final, and the verdict. Hooks run in the given order: after the
    model the last plugin of a chain comes first."""
    plugins = []
    for number, hook in enumerate(hooks):
        cls = plugin_metadata(name=f"p{number}")(type("Made", (Plugin,), {"after_chunk": hook}))
        plugins.append(MountedPlugin(f"p{number}", cls()))

    async def main() -> tuple[list[str | None], Any]:
        ctx = RequestContext(request_id="r", streaming=True)
        run = HookChain(plugins[::-1]).select(ctx).chunk_run(ctx)
        out: list[str | None] = []
        for number, text in enumerate(texts):
            found = await run.push(chunk(text, final=number == len(texts) - 1))
            out.append(None if found is None else found.text)
            if run.verdict is not None:
                break
        return out, run.verdict

    return asyncio.run(main())


def passes(self: Any, ctx: Any) -> None:
    return None


def upper(self: Any, ctx: Any) -> None:
    ctx.buffered_chunk.map_text(str.upper)


def holds_until_full_stop(self: Any, ctx: Any) -> PluginResult:
    return PluginResult(emit_chunk="." in ctx.buffered_chunk.text)


def test_chunks_pass_and_are_changed_in_order() -> None:
    assert pushed(["a", "b"], passes, upper) == (["A", "B"], None)


def test_what_a_plugin_holds_comes_out_in_one_piece() -> None:
    assert pushed(["a", "b.", "c", "d."], holds_until_full_stop)[0] == [None, "ab.", None, "cd."]


def test_the_last_chunk_drains_every_hold() -> None:
    assert pushed(["a", "b"], holds_until_full_stop, holds_until_full_stop)[0] == [None, "ab"]


def test_what_one_lets_go_is_the_next_ones_chunk() -> None:
    seen: list[str] = []

    def watches(self: Any, ctx: Any) -> None:
        seen.append(ctx.chunk.text)

    pushed(["a", "b.", "c"], holds_until_full_stop, watches)

    assert seen == ["ab.", "c"]


def test_a_plugin_that_ends_the_stream_releases_what_later_ones_hold() -> None:
    def ends_at_z(self: Any, ctx: Any) -> PluginResult | None:
        return PluginResult(terminate=True) if "z" in ctx.chunk.text else None

    out, verdict = pushed(["a", "z", "never"], ends_at_z, holds_until_full_stop)

    assert out == [None, "az"]
    assert (verdict.action, verdict.plugin) == ("end", "p0")


def test_a_refusal_ends_the_stream_without_a_chunk() -> None:
    def refuses(self: Any, ctx: Any) -> PluginResult:
        return PluginResult(success=False, error="no")

    out, verdict = pushed(["a", "b"], passes, refuses)

    assert (out, verdict.action, verdict.plugin) == ([None], "refuse", "p1")


def test_another_attempt_is_possible_before_anything_was_sent() -> None:
    out, verdict = pushed(["a"], lambda self, ctx: PluginResult(reevaluate_request=True))

    assert (out, verdict.action) == ([None], "again")


def test_a_plugin_that_holds_too_much_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD_BYTES", 1000)
    out, verdict = pushed(["x" * 300] * 5, holds_until_full_stop)

    assert verdict.action == "refuse"
    assert "held back too much" in verdict.error.message
    assert set(out) == {None}
