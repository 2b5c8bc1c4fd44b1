"""What a model answers, whole or in chunks: a chunk is a response holding fragments, and the reply is their sum.

`merge` is that sum. It is associative, and an empty LLMResponse is its identity:

- choices of equal `index` are joined, and in them parts of equal `index` and type: texts and arguments concatenated,
  other fields latest-wins; a part of a new index is appended;
- never joined: parts of differing `item_id`, and anything after a signature;
- usage: per field the latest that is set, and a zero never overrides a positive count;
- `provider_metadata`: key by key, latest wins; `provider_deltas`: concatenated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from operator import attrgetter
from typing import Any

from .errors import ErrorInfo
from .parts import OpaquePart, Part, ProviderMetadata, RefusalPart, TextPart, ThinkingPart, ToolCallPart
from .request import Message
from .texts import TextKind, TextPlace, map_places, walk_value
from .values import Value, field, replace

__all__ = [
    "Accumulator",
    "Choice",
    "LLMResponse",
    "Usage",
    "merge",
    "merge_metadata",
    "merge_parts",
    "merge_usage",
    "refusal_of",
]


class Usage(Value):
    """Token counts; None is unknown, never zero.

    `input_tokens` includes what was read from and written to a cache (OpenAI's way of counting); `output_tokens`
    includes reasoning. Anthropic's and Bedrock's smaller `input_tokens` is `uncached_input_tokens` here.
    """

    input_tokens: int | None = None
    """All input, cached or not."""
    output_tokens: int | None = None
    """All output, reasoning included."""
    cache_read_tokens: int | None = None
    """Those of `input_tokens` that came from the vendor's cache."""
    cache_write_tokens: int | None = None
    """Those of `input_tokens` that were written to it."""
    reasoning_tokens: int | None = None
    """Those of `output_tokens` that were spent on thinking."""
    input_audio_tokens: int | None = None
    """Those of `input_tokens` that are sound."""
    output_audio_tokens: int | None = None
    """Those of `output_tokens` that are sound."""
    estimated: bool = False
    """The gateway counted, not the provider."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""
    # What only prices depend on. Each is also in the provider's own fields, where the dialect that it came from writes
    # it from; two usages that differ in nothing else are the same reply.
    cache_write_1h_tokens: int | None = None
    """Those of `cache_write_tokens` that are kept for an hour."""
    input_image_tokens: int | None = None
    """Those of `input_tokens` that are images."""
    output_image_tokens: int | None = None
    """Those of `output_tokens` that are images."""
    service_tier: str | None = None
    """The tier that served the request, in the provider's word."""
    tool_calls: dict[str, int] | None = None
    """Calls of the provider's own tools that it charges for, by their kind in `Prices.calls`: `web_search`, …; None is
    none."""
    pieces: dict[str, int] | None = None
    """What else is charged by the piece and not by tokens, by its kind in `Prices.calls`: `image`, `search_unit`,
    `second` of sound, `character` of a text that is spoken, `page`, …; None is nothing."""
    requests: int = 1
    """How many requests to the model these counts add up: the lines of a batch."""
    cache_read_audio_tokens: int | None = None
    """Those of `cache_read_tokens` that are sound."""
    cache_read_image_tokens: int | None = None
    """Those of `cache_read_tokens` that are images."""
    steps: list[Usage] | None = None
    """Those of these counts that further calls at the provider's have used on the way to the answer, one for each: the
    price of long inputs goes by the prompt of each call. None is none."""
    answered_by: str | None = None
    """The provider's name of the model that has answered, where it reports that this is another than the one that was
    asked: it is that model's price that is charged. None: the model that was asked."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(_compared(self) == _compared(other))

    __hash__ = None  # type: ignore[assignment]

    @property
    def total_tokens(self) -> int | None:
        """Input and output together; None where both are unknown."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)

    @property
    def uncached_input_tokens(self) -> int | None:
        """Input without what was read from or written to a cache; None where the input is unknown."""
        if self.input_tokens is None:
            return None
        return max(0, self.input_tokens - (self.cache_read_tokens or 0) - (self.cache_write_tokens or 0))


_compared = attrgetter(*Usage.__struct_fields__[: Usage.__struct_fields__.index("cache_write_1h_tokens")])


class Choice(Value):
    """One of the answers to a request; `n` asks for several."""

    index: int = 0
    """Its place among them, from 0."""
    message: Message = field(default_factory=lambda: Message("assistant"))
    """The answer, of role `assistant`; in a chunk fragments of its parts."""
    finish_reason: str | None = None
    """`stop`, `length`, `tool_calls`, `content_filter`, `refusal`, `pause` or `error`; None while it goes on."""
    raw_finish_reason: str | None = None
    """The provider's own word."""
    stop_sequence: str | None = None
    """The text of `LLMRequest.stop` at which it ended."""
    logprobs: dict[str, Any] | None = None
    """In Chat Completions' form: `{content: [{token, logprob, bytes, top_logprobs}], refusal: […]}`."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""
    finish_message: str | None = None
    """The provider's own words on why the answer ended so: Anthropic `stop_details.explanation`, Gemini
    `finishMessage` and `blockReasonMessage`. The model's own words are a RefusalPart."""


class LLMResponse(Value):
    """What a model answers: the whole reply, or a chunk of a stream, which holds fragments; `merge` adds chunks up."""

    id: str = ""
    """The provider's id of the reply."""
    model: str = ""
    """The model that answered, as the provider names it; the client is shown the name that it asked for."""
    created: int | None = None
    """Seconds since the epoch."""
    choices: list[Choice] = field(default_factory=list)
    """The answers; most requests want one."""
    usage: Usage | None = None
    """What it cost in tokens; of a stream mostly in its last chunks. None where the provider gave none."""
    service_tier: str | None = None
    """The tier that served it, in the provider's word."""
    error: ErrorInfo | None = None
    """A chunk only: the provider reports an error inside its stream, which ends with it."""
    final: bool = False
    """A chunk only: the provider's terminal event. In a merged response: the stream reached its end."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""
    provider_deltas: list[tuple[str, Any]] = field(default_factory=list)
    """(dialect, event): stream events without a place of their own, in order."""

    @property
    def message(self) -> Message:
        """The first choice's message; an empty one where there is no choice."""
        return self.choices[0].message if self.choices else Message("assistant")

    @property
    def text(self) -> str:
        """The text of the first choice."""
        return self.message.text

    @property
    def tool_calls(self) -> list[ToolCallPart]:
        """The tool calls of the first choice."""
        return self.message.tool_calls

    @property
    def thinking(self) -> str:
        """The reasoning of the first choice, joined."""
        return "".join(part.text for part in self.message.content if isinstance(part, ThinkingPart))

    @property
    def finish_reason(self) -> str | None:
        """That of the first choice; None where there is no choice."""
        return self.choices[0].finish_reason if self.choices else None

    @property
    def refusal(self) -> str:
        """Why the first choice was refused, in the model's or else the provider's words; empty where neither is
        given."""
        return refusal_of(self.choices[0]) if self.choices else ""

    @property
    def has_content(self) -> bool:
        """Whether a client would see something: text, thinking, a tool call, media or a block of the vendor's own."""
        for choice in self.choices:
            for part in choice.message.content:
                match part:
                    case TextPart() | RefusalPart():
                        if part.text:
                            return True
                    case ThinkingPart():
                        if part.text or part.signature or part.redacted:
                            return True
                    case OpaquePart():
                        if part.position == "block":
                            return True
                    case _:
                        return True
        return False

    def texts(self) -> Iterator[TextPlace]:
        """Every string that may carry words, in all choices and elsewhere in the reply (see `texts.py`)."""
        yield from walk_value(self, "")

    def map_text(self, change: Callable[[str], str], *, kinds: tuple[TextKind, ...] | None = ("assistant",)) -> None:
        """Applies `change` to each text of the given kinds; None means all, tool arguments (JSON text) included."""
        map_places(self.texts(), change, kinds)


def refusal_of(choice: Choice) -> str:
    """Why an answer was refused or filtered, in the model's words, or else in the provider's."""
    if refused := choice.message.refusal:
        return refused
    return (choice.finish_message or "") if choice.finish_reason in ("refusal", "content_filter") else ""


def merge(a: LLMResponse, b: LLMResponse) -> LLMResponse:
    """The sum of two responses; neither is changed."""
    accumulator = Accumulator()
    accumulator.add(a)
    accumulator.add(b)
    return accumulator.value()


def merge_usage(a: Usage | None, b: Usage | None) -> Usage | None:
    """Per field the latest that is set; a zero never overrides a positive count. Neither is changed."""
    if a is None or b is None:
        return b if a is None else a
    return Usage(
        _latest_count(a.input_tokens, b.input_tokens),
        _latest_count(a.output_tokens, b.output_tokens),
        _latest_count(a.cache_read_tokens, b.cache_read_tokens),
        _latest_count(a.cache_write_tokens, b.cache_write_tokens),
        _latest_count(a.reasoning_tokens, b.reasoning_tokens),
        _latest_count(a.input_audio_tokens, b.input_audio_tokens),
        _latest_count(a.output_audio_tokens, b.output_audio_tokens),
        a.estimated or b.estimated,
        merge_metadata(a.provider_metadata, b.provider_metadata),
        _latest_count(a.cache_write_1h_tokens, b.cache_write_1h_tokens),
        _latest_count(a.input_image_tokens, b.input_image_tokens),
        _latest_count(a.output_image_tokens, b.output_image_tokens),
        b.service_tier or a.service_tier,
        b.tool_calls or a.tool_calls,
        b.pieces or a.pieces,
        cache_read_audio_tokens=_latest_count(a.cache_read_audio_tokens, b.cache_read_audio_tokens),
        cache_read_image_tokens=_latest_count(a.cache_read_image_tokens, b.cache_read_image_tokens),
        steps=b.steps or a.steps,
        answered_by=b.answered_by or a.answered_by,
    )


def merge_metadata(a: ProviderMetadata, b: ProviderMetadata) -> ProviderMetadata:
    """Key by key within each dialect, latest wins."""
    if not b:
        return a
    if not a:
        return b
    merged = dict(a)
    for dialect, values in b.items():
        merged[dialect] = {**merged[dialect], **values} if dialect in merged else values
    return merged


def merge_parts(a: Part, b: Part) -> Part | None:
    """The joined part, or None where the two may not be joined."""
    return _joined([a, b]) if _joinable(a, b) else None


class Accumulator:
    """Sums chunks at a cost that does not grow with what was summed before: fragments are kept and joined on reading.

    `add` keeps a reference to the chunk's parts and never changes them. `value` may be called at any time; the chunks
    added since the last call are folded in.
    """

    __slots__ = (
        "_choices", "_created", "_deltas", "_error", "_final", "_id", "_last", "_metadata", "_model", "_tier", "_usage",
    )  # fmt: skip

    def __init__(self) -> None:
        self._last: _ChoiceRope | None = None
        self._id = ""
        self._model = ""
        self._created: int | None = None
        self._choices: dict[int, _ChoiceRope] = {}
        self._usage: Usage | None = None
        self._tier: str | None = None
        self._error: ErrorInfo | None = None
        self._final = False
        self._metadata: ProviderMetadata = {}
        self._deltas: list[tuple[str, Any]] = []

    def add(self, chunk: LLMResponse) -> None:
        """Adds a chunk."""
        if chunk.id:
            self._id = chunk.id
        if chunk.model:
            self._model = chunk.model
        if chunk.created is not None:
            self._created = chunk.created
        if chunk.usage is not None:
            self._usage = merge_usage(self._usage, chunk.usage)
        if chunk.service_tier is not None:
            self._tier = chunk.service_tier
        if chunk.error is not None:
            self._error = chunk.error
        if chunk.final:
            self._final = True
        if chunk.provider_metadata:
            self._metadata = merge_metadata(self._metadata, chunk.provider_metadata)
        if chunk.provider_deltas:
            self._deltas.extend(chunk.provider_deltas)
        for choice in chunk.choices:
            rope = self._choices.get(choice.index)
            if rope is None:
                rope = self._choices[choice.index] = _ChoiceRope(choice.index)
            rope.add(choice)
            self._last = rope

    def add_text(self, chunk: LLMResponse) -> None:
        """Adds a chunk that equals the last one but for its text, and holds nothing else (`TextRun`)."""
        if self._last is None:
            self.add(chunk)
        else:
            self._last.growing.append(chunk.choices[0].message.content[0])

    @property
    def size(self) -> int:
        """Choices and parts."""
        return sum([1 + rope.size for rope in self._choices.values()])

    def value(self, most: int | None = None) -> LLMResponse:
        """The sum so far; of its choices, and of the parts of each, not more than `most`."""
        return LLMResponse(
            id=self._id,
            model=self._model,
            created=self._created,
            choices=[rope.value(most) for rope in islice(self._choices.values(), most)],
            usage=self._usage,
            service_tier=self._tier,
            error=self._error,
            final=self._final,
            provider_metadata=self._metadata,
            provider_deltas=list(self._deltas),
        )


class _ChoiceRope:
    __slots__ = ("_base", "_groups", "_latest", "growing")

    def __init__(self, index: int) -> None:
        self.growing: list[Part] = []
        """The fragments of the part that was added last."""
        self._base = Choice(index, Message(""))
        self._groups: list[list[Part]] = []
        self._latest: dict[tuple[int | None, type], list[Part]] = {}
        """By number and type, the fragments that came last: a reply may have thousands of parts."""

    def add(self, choice: Choice) -> None:
        base = self._base
        if choice.finish_reason is not None:
            base.finish_reason = choice.finish_reason
        if choice.raw_finish_reason is not None:
            base.raw_finish_reason = choice.raw_finish_reason
        if choice.stop_sequence is not None:
            base.stop_sequence = choice.stop_sequence
        if choice.finish_message is not None:
            base.finish_message = choice.finish_message
        if choice.logprobs is not None:
            base.logprobs = _merge_logprobs(base.logprobs, choice.logprobs)
        if choice.provider_metadata:
            base.provider_metadata = merge_metadata(base.provider_metadata, choice.provider_metadata)
        message = choice.message
        if message.role:
            base.message.role = message.role
        if message.name is not None:
            base.message.name = message.name
        if message.provider_metadata:
            base.message.provider_metadata = merge_metadata(base.message.provider_metadata, message.provider_metadata)
        for part in message.content:
            group = self._group_of(part)
            if group is None:
                group = self._latest[part.index, type(part)] = [part]
                self._groups.append(group)
            else:
                signed = group[-1].signature is not None
                group.append(part)
                if signed:
                    # The next fragment is judged by the last one, which has to know of the signature.
                    group[:] = [_joined(group)]
            self.growing = group

    def _group_of(self, part: Part) -> list[Part] | None:
        group = self._latest.get((part.index, type(part)))
        return group if group is not None and _joinable(group[-1], part) else None

    @property
    def size(self) -> int:
        return len(self._groups)

    def value(self, most: int | None = None) -> Choice:
        groups = self._groups if most is None else self._groups[:most]
        for group in groups:
            if len(group) > 1:
                group[:] = [_joined(group)]
        base = self._base
        # What is handed out may be changed by its reader; what is kept here may not.
        content = [_copy_part(group[0]) for group in groups]
        return replace(base, message=replace(base.message, role=base.message.role or "assistant", content=content))


def _joinable(a: Part, b: Part) -> bool:
    if type(a) is not type(b) or a.index != b.index or a.index is None:
        return False
    if a.item_id != b.item_id and a.item_id is not None and b.item_id is not None:
        return False
    if a.signature is not None and isinstance(a, TextPart | RefusalPart | ThinkingPart):
        return not getattr(b, "text", "") and b.signature is None
    return True


def _joined(parts: list[Part]) -> Part:
    """Joins parts that are pairwise joinable in order."""
    first, last = parts[0], parts[-1]
    common: dict[str, Any] = {"index": first.index}
    for name in ("item_id", "signature", "signed_by", "cache"):
        common[name] = next((value for part in reversed(parts) if (value := getattr(part, name)) is not None), None)
    metadata: ProviderMetadata = {}
    for part in parts:
        if part.provider_metadata:
            metadata = merge_metadata(metadata, part.provider_metadata)
    common["provider_metadata"] = metadata
    match first:
        case TextPart():
            texts = [part for part in parts if isinstance(part, TextPart)]
            citations = [citation for part in texts for citation in part.citations]
            return TextPart("".join([part.text for part in texts]), citations, **common)
        case RefusalPart():
            return RefusalPart("".join([part.text for part in parts if isinstance(part, RefusalPart)]), **common)
        case ThinkingPart():
            thoughts = [part for part in parts if isinstance(part, ThinkingPart)]
            redacted = "".join([part.redacted for part in thoughts if part.redacted is not None])
            return ThinkingPart(
                "".join([part.text for part in thoughts]),
                summary=any(part.summary for part in thoughts),
                redacted=redacted if any(part.redacted is not None for part in thoughts) else None,
                **common,
            )
        case ToolCallPart():
            calls = [part for part in parts if isinstance(part, ToolCallPart)]
            return ToolCallPart(
                id=next((part.id for part in calls if part.id), ""),
                name=next((part.name for part in calls if part.name), ""),
                arguments="".join([part.arguments for part in calls]),
                kind="custom" if any(part.kind == "custom" for part in calls) else "function",
                namespace=next((part.namespace for part in calls if part.namespace is not None), None),
                **common,
            )
        case OpaquePart():
            blocks = [part for part in parts if isinstance(part, OpaquePart)]
            return OpaquePart(
                dialect=first.dialect,
                data=next((part.data for part in blocks if part.data is not None), None),
                deltas=[delta for part in blocks for delta in part.deltas],
                position=first.position,
                **common,
            )
        case _:
            # Media and tool results come whole: the latest is kept.
            return replace(last, **common)


def _copy_part(part: Part) -> Part:
    return replace(part)


def _latest_count(a: int | None, b: int | None) -> int | None:
    if b is None or (b == 0 and a):
        return a
    return b


def _merge_logprobs(a: dict[str, Any] | None, b: dict[str, Any]) -> dict[str, Any]:
    if a is None:
        return b
    merged = dict(a)
    for key, value in b.items():
        old = merged.get(key)
        merged[key] = (
            old + value if isinstance(old, list) and isinstance(value, list) else value if value is not None else old
        )
    return merged
