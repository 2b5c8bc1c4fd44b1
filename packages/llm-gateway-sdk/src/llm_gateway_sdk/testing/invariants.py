"""What every plugin must keep, whatever it does: however a stream is cut, its client sees the same whole."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

from ..errors import ModelStreamError, PluginError
from ..parts import Part, RefusalPart, TextPart, ThinkingPart, ToolCallPart
from ..plugin import Plugin, PluginResult, plugin_metadata
from ..request import Message
from ..response import Choice, LLMResponse, merge_parts
from .harness import Mount, PluginHarness, Reply
from .script import ScriptedModel, Step, every_part, every_request

__all__ = ["assert_stream_invariant", "assert_survives_every_part"]

TEXTS = (
    "Hello, world! This is a perfectly ordinary answer of two sentences. Here is the second.",
    "Zeilen\nund\r\nUmlaute: äöüß — 日本語, e\u0301, 👩\u200d👩\u200d👧 and 0123-456-789.",
    '```json\n{"key": [1, 2, {"deep": "value"}]}\n```',
    "x",
)
"""Texts that represent what models write, where a test names none."""

Content = str | Sequence[Part]
_FULLY_CUT = 24
_SEEDED_CUTS = 12


def assert_stream_invariant(
    plugin: type[Plugin],
    config: Any = None,
    texts: Content | Sequence[Content] = TEXTS,
    *,
    forbidden: str | re.Pattern[str] | Sequence[str | re.Pattern[str]] = (),
    like_whole: bool | None = None,
    every_kind: bool = True,
    **options: Any,
) -> None:
    """For every way to cut a stream the client sees the same whole, and never what may not be seen.

    Each of `texts` (a text, or a list of parts: `[ThinkingPart("…"), TextPart("…")]`) is streamed in one piece, cut
    once at every place, cut into single characters, into empty pieces too, and at random (always the same). Beyond
    that: streams running interleaved don't mix; a first attempt that failed half-way leaves nothing behind; what a
    stream gives is what a whole reply gives (`like_whole`; by default where the plugin has `after_model` and
    `after_chunk` both); every kind of content is survived (`every_kind`). `forbidden` holds strings and patterns that
    may never reach the client, in text, thinking, tool arguments or errors. Further options as for PluginHarness.

    Raises AssertionError that shows the cut.
    """
    contents = cast(list[Content], [texts] if isinstance(texts, str) or _is_parts(texts) else list(texts))
    hidden = [forbidden] if isinstance(forbidden, str | re.Pattern) else list(forbidden)
    if like_whole is None:
        like_whole = _defines(plugin, "after_model") and _defines(plugin, "after_chunk")
    with PluginHarness(plugin, config, **options) as harness:
        for content in contents:
            _check_content(harness, _parts_of(content), hidden, like_whole=like_whole)
    _check_failed_attempts(plugin, config, [_parts_of(content) for content in contents], hidden, options)
    if every_kind:
        assert_survives_every_part(plugin, config, **options)


def assert_survives_every_part(plugin: type[Plugin], config: Any = None, **options: Any) -> None:
    """No hook breaks on any kind of content, whole or streamed, in requests or replies, or on any operation.

    The plugin may refuse; it may not raise.
    """
    with PluginHarness(plugin, config, **options) as harness:
        for part in every_part():
            for stream in (False, True):
                for steps in ([part], ["before ", part, " after"]):
                    _assert_unbroken(harness.ask(reply=list(steps), stream=stream), f"a reply with {part!r}")
        _assert_unbroken(harness.ask(reply=list(every_part())), "a reply with every kind of content")
        _assert_unbroken(harness.stream(list(every_part())), "a stream with every kind of content")
        _assert_unbroken(harness.ask(reply=[LLMResponse(final=True)]), "a reply without choices")
        _assert_unbroken(harness.stream([LLMResponse(final=True)]), "a stream without choices")
        _assert_unbroken(harness.ask(every_request()), "a request with every kind of content")
        _assert_unbroken(harness.ask([]), "a request without messages")
        _assert_unbroken(harness.fail(503), "a failing model")
        _assert_unbroken(harness.fail(503, after=["half "]), "a failing stream")
        _assert_unbroken(harness.ask(operation="count_tokens"), "operation count_tokens")
        _assert_unbroken(harness.ask(operation="embed"), "operation embed")
        _assert_unbroken(harness.ask(operation="models"), "operation models, which has no request")
        _assert_unbroken(harness.ask(operation="native"), "operation native, which has no request")


def _check_content(
    harness: PluginHarness, parts: list[Part], hidden: list[str | re.Pattern[str]], *, like_whole: bool
) -> None:
    reference = harness.stream(list(parts))
    _assert_hidden(reference, hidden, [parts])
    if like_whole:
        whole = harness.ask(reply=list(parts))
        _assert_hidden(whole, hidden, [parts])
        _assert_same(whole, reference, f"as a whole reply, and streamed in one piece: {parts!r}")
    size = sum(_length(part) for part in parts)
    for cuts in _ways(size):
        steps = _cut(parts, cuts)
        reply = harness.stream(steps)
        _assert_hidden(reply, hidden, steps)
        _assert_same(reference, reply, f"cut into {_shown(steps)}")
    _check_choices(harness, parts, size, hidden)
    _check_interleaved(harness, parts, reference, size, hidden)


def _check_choices(harness: PluginHarness, parts: list[Part], size: int, hidden: list[str | re.Pattern[str]]) -> None:
    """Two answers to one request (`n: 2`), fragment by fragment in turn: each is treated as the only one would be."""
    whole, cut = _twice(parts), _twice(_cut(parts, range(2, size, 3)))
    reference, reply = harness.stream(list(whole)), harness.stream(list(cut))
    for each in (reference, reply):
        _assert_hidden(each, hidden, _IN_TURN)
    _assert_same(reference, reply, f"two choices came in turn, each cut into {_shown(_cut(parts, range(2, size, 3)))}")


_IN_TURN = "the fragments of two choices came in turn (does the plugin look at the first choice alone?)"


def _twice(pieces: Sequence[Step]) -> list[LLMResponse]:
    return [
        LLMResponse(choices=[Choice(index, Message("assistant", [copy.deepcopy(piece)]))])
        for piece in pieces
        if isinstance(piece, Part)
        for index in (0, 1)
    ]


def _check_interleaved(
    harness: PluginHarness, parts: list[Part], reference: Reply, size: int, hidden: list[str | re.Pattern[str]]
) -> None:
    one, other = _cut(parts, range(1, size)), _cut(parts, range(size // 2, size, 2))
    unlike: list[Step] = [TextPart("Something"), TextPart(" else"), TextPart(" entirely.")]
    alone = harness.stream(unlike)
    first, second, third = harness.stream_together(one, other, unlike)
    how = "interleaved with other streams (does the plugin keep a request's state on itself?)"
    for reply, steps in ((first, one), (second, other)):
        _assert_hidden(reply, hidden, steps)
        _assert_same(reference, reply, f"{how}, cut into {_shown(steps)}")
    _assert_same(alone, third, how)


@plugin_metadata(name="try-again")
class _TryAgain(Plugin):
    def on_model_error(self, ctx: Any) -> PluginResult | None:
        return PluginResult(reevaluate_request=True) if ctx.retry_count == 0 else None


def _check_failed_attempts(
    plugin: type[Plugin],
    config: Any,
    contents: list[list[Part]],
    hidden: list[str | re.Pattern[str]],
    options: dict[str, Any],
) -> None:
    """Where nothing had been sent when the stream broke, the next attempt begins as if it were the first."""
    options = dict(options)
    mount = Mount(plugin, config, options.pop("name", None), on_error=options.pop("on_error", "fail_closed"))
    mount.timeout = options.pop("timeout", None)
    options.pop("model", None)
    with PluginHarness([mount, Mount(_TryAgain, priority=1001)], **options) as harness:
        for parts in contents:
            size = sum(_length(part) for part in parts)
            reference = harness.stream(list(parts))
            for end in sorted({1, size // 3, size // 2, size - 1} - {0}):
                begun = _cut(parts, range(1, end + 1))[:end]
                broken: list[Step] = [*begun, ModelStreamError("The stream broke.")]
                reply = harness.stream(ScriptedModel(broken, list(parts)))
                _assert_hidden(reply, hidden, broken)
                if len(reply.attempts) > 1 and reference.error is None:
                    _assert_same(reference, reply, f"after a first attempt that ended early, after {_shown(begun)}")


# Cutting.


def _ways(size: int) -> Iterator[Sequence[int]]:
    """Sets of places to cut at, repetitions giving empty pieces."""
    for place in range(1, size):
        yield (place,)
    if size <= _FULLY_CUT:
        for first in range(1, size):
            for second in range(first, size):
                yield (first, second)
    yield range(1, size)
    yield [place for place in range(1, size) for _ in range(2)]
    chance = random.Random(size)
    for _ in range(_SEEDED_CUTS):
        count = chance.randint(1, max(1, size // 2))
        yield sorted(chance.choices(range(1, size + 1), k=count)) if size > 1 else (1,)


def _cut(parts: Sequence[Part], cuts: Sequence[int]) -> list[Step]:
    """The parts in pieces, cut at these places of their texts laid end to end."""
    steps: list[Step] = []
    begin = 0
    for index, part in enumerate(parts):
        end = begin + _length(part)
        inside = [place - begin for place in cuts if begin < place < end]
        steps.extend(_pieces(part, index, inside))
        begin = end
    return steps


def _pieces(part: Part, index: int, places: Sequence[int]) -> Iterator[Part]:
    field = _text_field(part)
    if field is None or not places:
        yield replace(part, index=index)
        return
    text: str = getattr(part, field)
    bounds = [0, *places, len(text)]
    for number, (begin, end) in enumerate(pairwise(bounds)):
        last = number == len(bounds) - 2
        piece = replace(part, index=index)
        setattr(piece, field, text[begin:end])
        if isinstance(piece, ToolCallPart) and number > 0:
            piece.id = piece.name = ""
        if not last and piece.signature is not None:
            piece.signature = piece.signed_by = None  # providers sign at the end
        yield piece


def _text_field(part: Part) -> str | None:
    if isinstance(part, ToolCallPart):
        return "arguments"
    return "text" if isinstance(part, TextPart | ThinkingPart | RefusalPart) else None


def _length(part: Part) -> int:
    field = _text_field(part)
    return len(getattr(part, field)) if field else 0


def _parts_of(content: Content) -> list[Part]:
    parts: list[Part] = [TextPart(content)] if isinstance(content, str) else copy.deepcopy(list(content))
    return [replace(part, index=index) for index, part in enumerate(parts)]


def _is_parts(texts: Any) -> bool:
    return bool(texts) and not any(isinstance(each, str | list | tuple) for each in texts)


def _defines(plugin: type[Plugin], hook: str) -> bool:
    return getattr(plugin, hook) is not getattr(Plugin, hook)


# Judging.


def _assert_unbroken(reply: Reply, what: str) -> None:
    __tracebackhide__ = True
    error = reply.error
    if isinstance(error, PluginError):
        cause = error.cause
        raise AssertionError(f"{error.message} What it met was {what}: {type(cause).__name__}: {cause}") from cause
    for name, failure in reply.detached.items():
        if failure is not None:
            raise AssertionError(
                f"Plugin '{name}' failed in detached_after_response after {what}: {failure!r}"
            ) from failure


def _assert_same(expected: Reply, found: Reply, how: str) -> None:
    __tracebackhide__ = True
    _assert_unbroken(found, how)
    if expected.error is not None or found.error is not None:
        if _ended(expected) != _ended(found):
            raise AssertionError(f"the client got {_ended(expected)}, but {_ended(found)} when {how}")
        return  # how much went out before the refusal depends on the cut
    before, after = _view(expected.response), _view(found.response)
    if before != after:
        raise AssertionError(f"the client saw\n    {before!r}\nbut saw\n    {after!r}\nwhen {how}")


def _ended(reply: Reply) -> str:
    return "a reply" if reply.error is None else f"the error {reply.error.message!r}"


def _assert_hidden(reply: Reply, hidden: list[str | re.Pattern[str]], steps: Any) -> None:
    __tracebackhide__ = True
    if not hidden:
        return
    client_texts = ["".join(texts) for texts in _texts(reply.response).values()]
    if reply.error is not None:
        client_texts.append(reply.error.message)
    for secret in hidden:
        for text in client_texts:
            if re.search(secret, text) if isinstance(secret, re.Pattern) else secret in text:
                how = steps if isinstance(steps, str) else f"cut into {_shown(steps)}"
                raise AssertionError(f"the client saw {secret!r} in {text!r} when {how}")


def _texts(response: LLMResponse) -> dict[tuple[Any, ...], list[str]]:
    """What a client reads, joined as it would: the texts of a choice, its thinking, each tool call's arguments."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for choice in response.choices:
        for number, part in enumerate(choice.message.content):
            field = _text_field(part)
            if field is not None:
                key = (choice.index, type(part), number if isinstance(part, ToolCallPart) else None)
                found.setdefault(key, []).append(getattr(part, field))
    return found


def _view(response: LLMResponse) -> list[Any]:
    """What a client sees of a reply, however its parts are numbered."""
    view: list[Any] = []
    for choice in response.choices:
        parts: list[Part] = []
        for part in choice.message.content:
            plain = replace(part, index=None)
            joined = merge_parts(parts[-1], plain) if parts and _seamless(parts[-1], plain) else None
            if joined is not None:
                parts[-1] = joined
            elif not _blank(plain):
                parts.append(plain)
        view.append((choice.index, choice.finish_reason, parts))
    return view


def _seamless(last: Part, part: Part) -> bool:
    return isinstance(part, TextPart | ThinkingPart | RefusalPart) and type(last) is type(part)


def _blank(part: Part) -> bool:
    return isinstance(part, TextPart | RefusalPart) and not part.text and not part.signature


def _shown(steps: Any) -> str:
    pieces = [getattr(step, "arguments", getattr(step, "text", step)) for step in steps]
    shown = repr(pieces)
    return shown if len(shown) <= 400 else f"{shown[:400]}… ({len(pieces)} pieces)"
