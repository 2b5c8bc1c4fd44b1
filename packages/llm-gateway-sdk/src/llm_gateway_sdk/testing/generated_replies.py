"""Replies of any content, and the ways in which a provider may cut them into chunks."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from ..parts import Part, RefusalPart, TextPart, ThinkingPart, ToolCallPart
from ..request import Message
from ..response import Choice, LLMResponse, Usage, merge

__all__ = ["cut_reply", "held", "replies"]

_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
_NAMES = st.sampled_from(("get_weather", "search", "a-b_c9", "write_file"))
_ARGUMENTS = st.one_of(
    st.dictionaries(
        st.sampled_from(("city", "q", "ü")), st.one_of(_TEXTS, st.integers(-9, 9), st.none()), max_size=3
    ).map(lambda value: json.dumps(value, ensure_ascii=False))
)


@st.composite
def replies(draw: st.DrawFn, holds: Callable[[Part], bool] = lambda part: True) -> LLMResponse:
    """A whole reply: reasoning, text, calls, in any order, of the parts that a format `holds`."""
    kinds: list[st.SearchStrategy[Part]] = [
        st.builds(TextPart, _TEXTS),
        st.builds(ThinkingPart, _TEXTS),
        st.builds(
            lambda text, proof: ThinkingPart(text, signature=proof, signed_by="anthropic"),
            st.one_of(st.just(""), _TEXTS),
            _proofs(),
        ),
        st.builds(lambda proof: ThinkingPart(redacted=proof, signed_by="anthropic"), _proofs()),
        st.builds(ToolCallPart, name=_NAMES, arguments=_ARGUMENTS),
        st.builds(RefusalPart, _TEXTS),
    ]
    content = [part for part in draw(st.lists(st.one_of(kinds), max_size=6)) if holds(part)]
    for place, part in enumerate(content):
        part.index = place
        if isinstance(part, ToolCallPart):
            part.id = f"call_{place}"
    calls = any(isinstance(part, ToolCallPart) for part in content)
    finish = draw(st.sampled_from(("tool_calls",) if calls else ("stop", "length", "content_filter")))
    counts = draw(st.tuples(st.integers(1, 9999), st.integers(1, 9999)))
    return LLMResponse(
        id="reply_1",
        model="some-model",
        created=1_750_000_000,
        choices=[Choice(0, Message("assistant", content), finish, finish)],
        usage=Usage(*counts) if draw(st.booleans()) else None,
        final=True,
    )


def _proofs() -> st.SearchStrategy[str]:
    return st.binary(min_size=1, max_size=9).map(lambda data: base64.b64encode(data).decode())


def cut_reply(reply: LLMResponse, chance: random.Random) -> list[LLMResponse]:
    """The reply in chunks, as a provider might stream it: texts and arguments in pieces, neighbouring calls mixed."""
    chunks = [LLMResponse(reply.id, reply.model, reply.created, [Choice(0, Message("assistant"))])]
    queues = [_fragments(part, chance) for part in reply.message.content]
    run: list[list[Part]] = []
    for queue in [*queues, None]:
        if queue is not None and isinstance(queue[0], ToolCallPart):
            run.append(queue)
            continue
        # Calls begin in their order; their fragments may interleave.
        ordered = [waiting.pop(0) for waiting in run]
        rest: list[Part] = []
        while any(run):
            rest.append(chance.choice([waiting for waiting in run if waiting]).pop(0))
        run = []
        chunks.extend(_chunk(reply, [part]) for part in (*ordered, *rest))
        if queue is not None:
            chunks.extend(_chunk(reply, [part]) for part in queue)
    last = _chunk(reply, [])
    last.choices[0].finish_reason, last.choices[0].raw_finish_reason = (
        reply.finish_reason,
        reply.choices[0].raw_finish_reason,
    )
    last.usage = reply.usage
    chunks.append(last)
    chunks.append(LLMResponse(final=True))
    return chunks


def _chunk(reply: LLMResponse, parts: list[Part]) -> LLMResponse:
    return LLMResponse(reply.id, reply.model, reply.created, [Choice(0, Message("assistant", parts))])


def _fragments(part: Part, chance: random.Random) -> list[Part]:
    match part:
        case TextPart() | RefusalPart():
            return [replace(part, text=text) for text in _cut_text(part.text, chance)]
        case ThinkingPart() if part.redacted is None:
            found: list[Part] = [
                ThinkingPart(text, index=part.index) for text in (_cut_text(part.text, chance) if part.text else ())
            ]
            if part.signature is not None:
                found.append(ThinkingPart(index=part.index, signature=part.signature, signed_by=part.signed_by))
            return found
        case ToolCallPart():
            head = replace(part, arguments="")
            texts = _cut_text(part.arguments, chance) if part.arguments else []
            return [head, *(ToolCallPart(arguments=text, index=part.index) for text in texts)]
        case _:
            return [replace(part)]


def _cut_text(text: str, chance: random.Random) -> list[str]:
    cut, at = [], 0
    while at < len(text):
        step = chance.randint(1, max(1, len(text) // 2))
        cut.append(text[at : at + step])
        at += step
    return cut or [text]


def held(chunks: Sequence[LLMResponse], chance: random.Random) -> list[LLMResponse]:
    """The same chunks with neighbours merged by chance, as plugins that hold do."""
    merged: list[LLMResponse] = []
    for chunk in chunks:
        if merged and chance.random() < 0.5:
            merged[-1] = merge(merged[-1], chunk)
        else:
            merged.append(chunk)
    return merged
