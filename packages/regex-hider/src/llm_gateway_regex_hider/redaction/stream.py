"""Redaction of one streamed reply: a redactor for each text in it, and chunks rebuilt of what is safe.

A text is a part of a choice (or a field of a block that only its dialect understands). The texts of one kind in a
choice are a row (see `joined.py`), because clients join them: what a text ends with is held while a match may go on in
the next of the row, and what comes between is held with it, so that the order stays; only a tool call does not wait. A
row ends with a signature and with the choice. The arguments of a tool call wait on when another part begins: calls may
alternate, and complete JSON holds nothing. Chunks are never changed in place; one in which nothing changes comes back
as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from llm_gateway_sdk import (
    UNSIGNED,
    Choice,
    LLMResponse,
    Loss,
    Message,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from llm_gateway_sdk.text_exclusions import CANONICAL
from llm_gateway_sdk.text_run import TextRun
from llm_gateway_sdk.values import replace

from ..patterns import RuleSet
from .bodies import BodyRedactor, is_named_plainly
from .bounds import Budget, Findings, OnLimit
from .joined import JoinedTexts, Slot
from .json_text import JSONRedactor
from .logprobs import StreamedLogprobs
from .redactor import StreamRedactor
from .seams import Seams

# Fields of unknown blocks which arrive in fragments: Anthropic's deltas, Responses' `….delta` events, audio of Chat
# Completions. Events of other types say a text whole.
_STREAMED_FIELDS = frozenset({"text", "thinking", "partial_json", "delta", "arguments", "input", "transcript"})

_is_word = CANONICAL["LLMResponse.service_tier"]
_TEXTS = frozenset({TextPart, RefusalPart, ThinkingPart})

_Redactor = TypeVar("_Redactor", StreamRedactor, JSONRedactor)
Path = tuple[str, ...]
Key = tuple[object, ...]


@dataclass(slots=True)
class _Place:
    """One text of the stream. `latest` is the part, or the vendor's event, that last brought some of it."""

    redactor: StreamRedactor | JSONRedactor
    findings: Findings
    latest: Part
    path: Path = ()

    @property
    def has_changed(self) -> bool:
        return bool(self.findings.matches) or self.findings.masked > 0

    @property
    def is_open_json(self) -> bool:
        return isinstance(self.redactor, JSONRedactor) and not self.redactor.is_complete


@dataclass(slots=True)
class _Text:
    """One text of a row in its place among the parts that go out; `latest` is the part that last brought some of it."""

    slot: Slot
    latest: TextPart | RefusalPart | ThinkingPart


@dataclass(slots=True)
class _ChoiceState:
    places: dict[Key, _Place] = field(default_factory=dict)
    open: Key | None = None
    """The part that is being written."""
    rows: dict[type, JoinedTexts] = field(default_factory=dict)
    texts: dict[type, _Text] = field(default_factory=dict)
    """The text of each row that is written."""
    queue: list[Part | _Text] = field(default_factory=list)
    """What goes out, in order; it waits where a text is held that came before it."""
    changed: set[Key] = field(default_factory=set)
    """Thinking in which something was hidden: its signature may come late."""
    logprobs: StreamedLogprobs | None = None
    """Kept back with the text that they spell out; None until there are any."""


class StreamedReplyRedactor:
    def __init__(self, rules: RuleSet, *, max_size: int, on_limit: OnLimit) -> None:
        self._rules = rules
        self._max_size = max_size
        self._on_limit: OnLimit = on_limit
        self._budget = Budget()
        self._whole = BodyRedactor(rules, on_limit=on_limit, side="response")
        self._seams = Seams(rules, self._whole, on_limit=on_limit, budget=self._budget)
        self._run: tuple[TextRun, JoinedTexts, _Text] | None = None
        """The last chunk, where it was a text alone, with what it was written to."""
        self._named: tuple[str, str, str | None] = ("", "", None)
        """Id, model and service tier of the last chunk, which need no second look."""
        self._item_id: str | None = None
        """The same of the last item."""
        self._choices: dict[int, _ChoiceState] = {}
        self._changed: dict[int, set[Key]] = {}
        """`_ChoiceState.changed` of choices that have ended."""
        self._retired: list[Findings] = []
        self._rows = Findings()

    @property
    def losses(self) -> list[Loss]:
        return self._whole.losses

    def findings(self) -> Findings:
        """What was hidden so far, in all texts."""
        total = Findings()
        states = self._choices.values()
        open_places = (place.findings for state in states for place in state.places.values())
        spelled = (state.logprobs.findings for state in states if state.logprobs is not None)
        for findings in (self._whole.findings, self._rows, *self._retired, *open_places, *spelled):
            for index, count in findings.matches.items():
                total.add(index, count)
            total.masked += findings.masked
        return total

    def push(self, chunk: LLMResponse, *, final: bool) -> LLMResponse:
        """What may go out instead of the chunk; with `final` nothing follows."""
        if not final:
            redacted_text = self.more_text(chunk)
            if redacted_text is not None:
                return redacted_text
        self._run = None
        redacted = self._redacted(chunk, final=final)
        if not final:
            self._run = self._run_of(chunk)
        return redacted

    def _redacted(self, chunk: LLMResponse, *, final: bool) -> LLMResponse:
        ends = final or chunk.error is not None
        choices: list[Choice] = []
        has_changed = False
        for choice in chunk.choices:
            has_ended = ends or choice.finish_reason is not None
            redacted = self._choice(choice, ends=has_ended)
            if redacted is not choice:
                has_changed = True
            choices.append(redacted)
            if has_ended:
                self._forget(choice.index)
        if ends:
            present = {choice.index for choice in choices}
            for index in self._choices:
                if index not in present:
                    last = self._choice(Choice(index, Message("assistant", [])), ends=True)
                    if last.message.content or last.logprobs is not None:
                        choices.append(last)
                        has_changed = True
        if has_changed:
            chunk = with_choices(chunk, choices)
        if (
            chunk.error is not None
            or chunk.provider_deltas
            or chunk.provider_metadata
            or ((chunk.id, chunk.model, chunk.service_tier) != self._named and self._is_named_oddly(chunk))
            or (chunk.usage is not None and chunk.usage.provider_metadata)
        ):
            chunk = self._envelope(chunk)
        return chunk

    def more_text(self, chunk: LLMResponse) -> LLMResponse | None:
        """The short way of nearly all chunks: more of the text that is being written, and nothing else. None, and
        nothing done, for any other."""
        if self._run is None:
            return None
        run, row, text = self._run
        piece = run.text_of(chunk)
        if piece is None:
            return None
        safe = row.push_alone(piece)
        text.latest = chunk.choices[0].message.content[0]  # type: ignore[assignment]
        return chunk if safe == piece else run.with_text(safe)

    def _run_of(self, chunk: LLMResponse) -> tuple[TextRun, JoinedTexts, _Text] | None:
        """For the chunks that come next, where they may be more of the text of this one; None where something waits
        that more text could let go."""
        run = TextRun.of(chunk)
        if run is None or (chunk.id, chunk.model, chunk.service_tier) != self._named:
            return None
        if chunk.choices[0].message.content[0].item_id not in (None, self._item_id):
            return None
        state = self._choices.get(chunk.choices[0].index)
        if state is None:
            return None
        row, text = state.rows.get(TextPart), state.texts.get(TextPart)
        if row is None or text is None or not row.is_alone or state.queue or state.logprobs is not None:
            return None
        return run, row, text

    def _is_named_oddly(self, chunk: LLMResponse) -> bool:
        tier = chunk.service_tier
        if is_named_plainly(chunk) and (not tier or _is_word(tier)):
            self._named = (chunk.id, chunk.model, tier)
            return False
        return True

    def _envelope(self, chunk: LLMResponse) -> LLMResponse:
        shell = replace(
            chunk,
            choices=[],
            usage=copy.deepcopy(chunk.usage),
            error=copy.deepcopy(chunk.error),
            provider_deltas=copy.deepcopy(chunk.provider_deltas),
            provider_metadata=copy.deepcopy(chunk.provider_metadata),
        )
        for dialect, event in shell.provider_deltas:
            self._seams.redact(event, (dialect, _value_at(event, "type")))
        if shell.provider_metadata:
            self._seams.redact(shell.provider_metadata, ())
        self._whole.response(shell)
        shell.choices = chunk.choices
        return chunk if shell == chunk else shell

    def _choice(self, choice: Choice, *, ends: bool) -> Choice:
        state = self._choices.get(choice.index)
        if state is None:
            changed = self._changed.pop(choice.index, None) or set()
            state = self._choices[choice.index] = _ChoiceState(changed=changed)
        message = choice.message
        content: list[Part] = []
        for part in message.content:
            if part.item_id != self._item_id and part.item_id is not None:
                part = self._with_item_id(part)
            key: Key = (part.index, type(part))
            if key != state.open:
                if state.open is not None:
                    self._leave(state, state.open)
                    if isinstance(part, ToolCallPart):
                        self._let_go(state, content)
                    self._put(state, content, self._tails(state, key))
                state.open = key
            if type(part) in _TEXTS:
                self._text_part(state, key, part, content)  # type: ignore[arg-type]
            else:
                self._put(state, content, self._part(state, key, part))
        if ends:
            self._end(state, content)
        if content != message.content:
            choice = with_content(choice, content)
        if choice.logprobs is not None or state.logprobs:
            choice = self._with_logprobs(state, choice, ends=ends)
        if choice.provider_metadata or message.provider_metadata:
            choice = self._with_metadata(choice)
        if choice.finish_message is not None:
            choice = replace(choice, finish_message=self._whole.text(choice.finish_message))
        return choice

    def _forget(self, index: int) -> None:
        """Of a choice that has ended, what is still needed is kept alone: there may be thousands of them."""
        state = self._choices[index]
        if not state.queue and state.logprobs is None:
            if state.changed:
                self._changed[index] = state.changed
            del self._choices[index]

    def _with_item_id(self, part: Part) -> Part:
        """The part with its item's id redacted, where that is more than an id."""
        alone = TextPart("", item_id=part.item_id)
        self._whole.part(alone)
        if alone.item_id != part.item_id:
            return replace(part, item_id=alone.item_id)
        self._item_id = part.item_id
        return part

    def _part(self, state: _ChoiceState, key: Key, part: Part) -> Sequence[Part]:
        """What may go out of the part's fragment."""
        match part:
            case ToolCallPart():
                return self._tool_call(state, key, part)
            case OpaquePart():
                return self._opaque(state, key, part)
            case _:
                return [self._whole_part(part)]

    def _put(self, state: _ChoiceState, out: list[Part], parts: Sequence[Part]) -> None:
        """Sends parts out, after what is held."""
        if state.queue:
            state.queue.extend(parts)
        else:
            out.extend(parts)

    def _text_part(
        self, state: _ChoiceState, key: Key, part: TextPart | RefusalPart | ThinkingPart, out: list[Part]
    ) -> None:
        kind = type(part)
        row = state.rows.get(kind)
        if row is None:
            row = state.rows[kind] = self._row()
        text = state.texts.get(kind)
        old = part.text
        if text is None:
            text = state.texts[kind] = _Text(row.push(old), part)
            if state.queue:
                state.queue.append(text)
        elif old:
            row.push(old)
            text.latest = part
        if part.signature is not None:
            # The proof comes with the end of the text.
            row.close()
            del state.texts[kind]
            if text.slot.has_changed:
                state.changed.add(key)
        if part.signature is not None and isinstance(part, ThinkingPart) and key in state.changed:
            # What has gone out can't be taken back: the text stays, without a proof that no longer fits it.
            part = replace(part, signature=None, signed_by=UNSIGNED)
            self._whole.dropped(
                "choices[*].message.content[*].signature", "signed thinking in which text had to be redacted"
            )
        has_extras = (
            part.provider_metadata
            or part.signature
            or (
                part.citations if kind is TextPart else kind is ThinkingPart and part.redacted  # type: ignore[union-attr]
            )
        )
        has_more = has_extras or part.signature or part.cache or not old
        if state.queue:
            if has_more:
                state.queue.append(self._extras(with_text(part, "")) if has_extras else with_text(part, ""))
            self._flush(state, out)
            return
        safe, text.slot.released = text.slot.released, ""
        if safe or has_more:
            redacted = part if safe == part.text else with_text(part, safe)
            out.append(self._extras(redacted) if has_extras else redacted)

    def _leave(self, state: _ChoiceState, key: Key) -> None:
        """The part that was written is interrupted. What of its text is still held is first of what is held."""
        kind: Any = key[1]
        text = state.texts.pop(kind, None)
        if text is None:
            return
        state.rows[kind].end()
        if text.slot.has_changed:
            state.changed.add(key)
        if text not in state.queue and (text.slot.is_pending or text.slot.released):
            state.queue.append(text)

    def _let_go(self, state: _ChoiceState, out: list[Part]) -> None:
        """A tool call begins, for which a client may wait: what is held goes out."""
        for row in state.rows.values():
            row.let_go()
        self._flush(state, out)

    def _flush(self, state: _ChoiceState, out: list[Part]) -> None:
        """Sends out what is held, up to the first text of which more is to come."""
        queue = state.queue
        while queue:
            first = queue[0]
            if isinstance(first, _Text):
                if first.slot.released:
                    _append(out, _of_text(first))
                if first.slot.is_pending:
                    written = first is state.texts.get(type(first.latest)) and len(queue) == 1
                    if written:
                        queue.clear()
                    return
            else:
                out.append(first)
            del queue[0]

    def _end(self, state: _ChoiceState, out: list[Part]) -> None:
        """All that is held goes out."""
        if state.open is not None:
            self._leave(state, state.open)
            state.open = None
        for row in state.rows.values():
            row.close()
        self._flush(state, out)
        for tail in self._tails(state, None):
            _append(out, tail)

    def _row(self) -> JoinedTexts:
        return JoinedTexts(
            self._rules,
            max_size=self._max_size,
            on_limit=self._on_limit,
            findings=self._rows,
            budget=self._budget,
        )

    def _extras(self, part: TextPart | RefusalPart | ThinkingPart) -> TextPart | RefusalPart | ThinkingPart:
        """The part with what is next to its text redacted: citations, and the vendor's own."""
        rest = copy.deepcopy(replace(part, text=""))
        if rest.provider_metadata:
            self._seams.redact(rest.provider_metadata, (part.index, type(part)))
        self._whole.part(rest)
        rest.text = part.text
        return part if rest == part else rest

    def _tool_call(self, state: _ChoiceState, key: Key, part: ToolCallPart) -> Sequence[Part]:
        place = state.places.get(key)
        if place is None:
            place = state.places[key] = self._place(part, is_json=part.kind == "function")
        place.latest = part
        if part.id or part.provider_metadata:
            part = self._named_call(key, part)
        arguments = place.redactor.push(part.arguments) if part.arguments else ""
        if arguments == part.arguments:
            return [part]
        if not (arguments or part.id or part.name or part.signature):
            return []
        return [replace(part, arguments=arguments)]

    def _named_call(self, key: Key, part: ToolCallPart) -> ToolCallPart:
        """The call with all but its arguments redacted."""
        rest = copy.deepcopy(replace(part, arguments=""))
        if rest.provider_metadata:
            self._seams.redact(rest.provider_metadata, key)
        self._whole.part(rest)
        rest.arguments = part.arguments
        return part if rest == part else rest

    def _opaque(self, state: _ChoiceState, key: Key, part: OpaquePart) -> Sequence[Part]:
        key = (*key, part.position)
        if part.position == "event":
            event = self._event(state, key, part, part.data)
            before = [] if _is_fragment(part.data) else self._drain(state, key)
            return [*before, part if event == part.data else replace(part, data=event)]
        data = copy.deepcopy(part.data)
        if isinstance(data, dict | list):
            self._seams.redact(data, (*key, "start"))
        before = [] if all(map(_is_fragment, part.deltas)) else self._drain(state, key)
        deltas = [self._event(state, key, part, event) for event in part.deltas]
        unchanged = data == part.data and deltas == part.deltas
        return [*before, part if unchanged else replace(part, data=data, deltas=deltas)]

    def _event(self, state: _ChoiceState, key: Key, part: OpaquePart, event: Any) -> Any:
        event = copy.deepcopy(event)
        streamed = list(_streamed_fields(event)) if _is_fragment(event) else []
        texts = []
        for path, text in streamed:
            kind = str(_value_at(event, "type"))
            name = (*key, kind, _value_at(event, "item_id"), path)
            place = state.places.get(name)
            if place is None:
                is_json = path[-1] == "partial_json" or "arguments" in kind
                place = state.places[name] = self._place(part, is_json=is_json, path=path)
            texts.append(place.redactor.push(text))
            place.latest = replace(part, data=event) if part.position == "event" else replace(part, deltas=[event])
            _set_at(event, path, "")
        if isinstance(event, dict | list):
            self._seams.redact(event, (*key, _value_at(event, "type"), _value_at(event, "item_id")))
        for (path, _), text in zip(streamed, texts, strict=True):
            _set_at(event, path, text)
        return event

    def _whole_part(self, part: Part) -> Part:
        redacted = copy.deepcopy(part)
        self._whole.part(redacted)
        return part if redacted == part else redacted

    def _place(self, part: Part, *, is_json: bool, path: Path = ()) -> _Place:
        findings = Findings()
        if is_json:
            return _Place(self._redactor(JSONRedactor, findings), findings, part, path)
        return _Place(self._redactor(StreamRedactor, findings), findings, part, path)

    def _redactor(self, kind: type[_Redactor], findings: Findings) -> _Redactor:
        return kind(
            self._rules, max_size=self._max_size, on_limit=self._on_limit, findings=findings, budget=self._budget
        )

    def _tails(self, state: _ChoiceState, beginning: Key | None) -> list[Part]:
        """The last fragments of texts that are final now that `beginning` begins (None: that the choice ends)."""
        tails: list[Part] = []
        for key, place in list(state.places.items()):
            if beginning is not None and (
                key[: len(beginning)] == beginning or (place.is_open_json and isinstance(place.latest, ToolCallPart))
            ):
                continue
            tails.extend(self._tail(place))
            del state.places[key]
            self._retired.append(place.findings)
        return tails

    def _drain(self, state: _ChoiceState, prefix: Key) -> list[Part]:
        """The last fragments of a block's fields, before an event repeats them whole."""
        tails: list[Part] = []
        for key in [key for key in state.places if key[: len(prefix)] == prefix]:
            place = state.places.pop(key)
            tails.extend(self._tail(place))
            self._retired.append(place.findings)
        return tails

    def _tail(self, place: _Place) -> list[Part]:
        text = place.redactor.close()
        return [_fragment(place, text)] if text else []

    def _with_logprobs(self, state: _ChoiceState, choice: Choice, *, ends: bool) -> Choice:
        """Log probabilities go out with the text that they spell out, or not at all if it was changed."""
        held = state.logprobs
        if held is None:
            held = state.logprobs = StreamedLogprobs(partial(self._redactor, StreamRedactor))
        if choice.logprobs is not None:
            held.push(self._whole.without_alternatives(choice.logprobs))
        if ends:
            held.end()
        if (
            held.is_holding
            or any(place.redactor.is_holding for place in state.places.values())
            or any(row.is_holding for row in state.rows.values())
        ):
            return replace(choice, logprobs=None)
        may_go = held.take(self.findings().total) if held else None
        if may_go is None:
            self._whole.dropped("choices[*].logprobs", "they spell out text that was redacted")
        return choice if may_go is choice.logprobs else replace(choice, logprobs=may_go)

    def _with_metadata(self, choice: Choice) -> Choice:
        redacted = replace(
            choice,
            message=replace(choice.message, provider_metadata=copy.deepcopy(choice.message.provider_metadata)),
            provider_metadata=copy.deepcopy(choice.provider_metadata),
        )
        self._seams.redact(redacted.message.provider_metadata, (choice.index, "message"))
        self._seams.redact(redacted.provider_metadata, (choice.index, "choice"))
        return choice if redacted == choice else redacted


def is_blank(chunk: LLMResponse) -> bool:
    """Whether a client would miss nothing if the chunk came with the next one."""
    if chunk.final or chunk.error is not None or chunk.usage is not None or chunk.provider_deltas:
        return False
    for choice in chunk.choices:
        if choice.message.content or choice.finish_reason is not None or choice.logprobs is not None:
            return False
    return True


# Copies with one field changed, as `dataclasses.replace` makes them, at a fifth of its cost: nearly every chunk of a
# stream needs one of each.


def with_choices(chunk: LLMResponse, choices: list[Choice]) -> LLMResponse:
    return LLMResponse(
        chunk.id,
        chunk.model,
        chunk.created,
        choices,
        chunk.usage,
        chunk.service_tier,
        chunk.error,
        chunk.final,
        chunk.provider_metadata,
        chunk.provider_deltas,
    )


def with_content(choice: Choice, content: list[Part]) -> Choice:
    message = choice.message
    return Choice(
        choice.index,
        Message(message.role, content, message.name, message.provider_metadata),
        choice.finish_reason,
        choice.raw_finish_reason,
        choice.stop_sequence,
        choice.logprobs,
        choice.provider_metadata,
        choice.finish_message,
    )


def with_text(part: TextPart | RefusalPart | ThinkingPart, text: str) -> TextPart | RefusalPart | ThinkingPart:
    if type(part) is not TextPart:
        return replace(part, text=text)
    return TextPart(
        text,
        part.citations,
        index=part.index,
        item_id=part.item_id,
        signature=part.signature,
        signed_by=part.signed_by,
        cache=part.cache,
        provider_metadata=part.provider_metadata,
    )


def _append(content: list[Part], tail: Part) -> None:
    """Adds the tail of a text, to the fragment before it if that is of the same text."""
    if content and content[-1].index == tail.index:
        last = content[-1]
        if isinstance(last, ToolCallPart) and isinstance(tail, ToolCallPart):
            content[-1] = replace(last, arguments=last.arguments + tail.arguments)
            return
        if isinstance(last, TextPart | RefusalPart | ThinkingPart) and type(last) is type(tail) and not last.signature:
            content[-1] = replace(last, text=last.text + tail.text)
            return
    content.append(tail)


def _of_text(text: _Text) -> Part:
    """A part that carries what may go out of the text and nothing else."""
    latest, released = text.latest, text.slot.take()
    match latest:
        case TextPart():
            return TextPart(released, index=latest.index, item_id=latest.item_id)
        case RefusalPart():
            return RefusalPart(released, index=latest.index, item_id=latest.item_id)
        case ThinkingPart():
            return ThinkingPart(released, summary=latest.summary, index=latest.index, item_id=latest.item_id)


def _fragment(place: _Place, text: str) -> Part:
    """A part that carries nothing but the text, to be joined with what went out before."""
    latest = place.latest
    match latest:
        case ToolCallPart():
            return ToolCallPart(arguments=text, kind=latest.kind, index=latest.index, item_id=latest.item_id)
        case OpaquePart():
            event = copy.deepcopy(latest.data if latest.position == "event" else latest.deltas[0])
            for path, _ in list(_streamed_fields(event)):
                _set_at(event, path, text if path == place.path else "")
            if latest.position == "event":
                return replace(latest, data=event)
            return replace(latest, data=None, deltas=[event])
        case _:
            raise TypeError(f"a {type(latest).__name__} is not streamed")


def _is_fragment(event: Any) -> bool:
    kind = _value_at(event, "type")
    return kind is None or str(kind).endswith("delta")


def _streamed_fields(event: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if not isinstance(event, dict):
        return
    for name, value in event.items():
        if isinstance(value, dict):
            yield from _streamed_fields(value, (*path, name))
        elif isinstance(value, str) and name in _STREAMED_FIELDS:
            yield (*path, name), value


def _value_at(event: Any, name: str) -> Any:
    return event.get(name) if isinstance(event, dict) else None


def _set_at(event: Any, path: Path, value: str) -> None:
    for name in path[:-1]:
        event = event[name]
    event[path[-1]] = value
