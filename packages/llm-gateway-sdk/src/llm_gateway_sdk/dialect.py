"""A dialect translates one vendor's wire format to and from the canonical types: pure functions and two state machines.

No clock, no randomness, no I/O: ids and times come in as a Mint. Decoders raise DialectError and do not know who is to
blame. A dialect is used from both sides: to read clients' requests and write their replies, and to write requests to a
provider and read its replies.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, ClassVar, Literal

from .dialects.coverage import Lack, report_unwritten
from .dialects.field_names import FieldNames
from .dialects.fit import Fitted, fit
from .dialects.plain import Frames, PlainRequest, PlainTurn, frame_of
from .dialects.quirks import Quirks
from .dialects.receiver import Receiver
from .dialects.reply_coverage import ReplyLack, report_unwritten_reply
from .dialects.thinking import is_wanted
from .errors import DialectError, ErrorInfo
from .losses import Losses
from .model_facts import ModelFacts
from .request import LLMRequest
from .response import LLMResponse, Usage
from .values import Value, field
from .wire import json

__all__ = [
    "Dialect",
    "Echo",
    "EventKind",
    "Headers",
    "Mint",
    "StreamDecoder",
    "StreamEncoder",
    "Target",
    "WireReply",
    "WireRequest",
]

_FRAMES = "plain frames"
"""Key in `Target.memo`."""

EventKind = Literal["preamble", "content", "usage", "error", "terminal", "other"]


class Headers:
    """HTTP headers: an ordered list of (lower-case name, value). Names to look up are given in lower case."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items: list[tuple[str, str]] = [(name.lower(), value) for name, value in items]

    @classmethod
    def of(cls, items: list[tuple[str, str]]) -> Headers:
        """Takes over a list whose names are lower-case already."""
        headers = cls.__new__(cls)
        headers.items = items
        return headers

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of that name."""
        for key, value in self.items:
            if key == name:
                return value
        return default

    def get_all(self, name: str) -> list[str]:
        """All values of that name, in order."""
        return [value for key, value in self.items if key == name]

    def set(self, name: str, value: str) -> None:
        """Replaces every header of that name, in the place of the first."""
        if name not in self:
            self.items = [*self.items, (name, value)]
            return
        replaced = False
        items: list[tuple[str, str]] = []
        for key, old in self.items:
            if key != name:
                items.append((key, old))
            elif not replaced:
                items.append((name, value))
                replaced = True
        self.items = items

    def remove(self, name: str) -> None:
        """Removes every header of that name."""
        self.items = [item for item in self.items if item[0] != name]

    def copy(self) -> Headers:
        """Another list of the same headers."""
        return Headers.of(list(self.items))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items)

    def __contains__(self, name: object) -> bool:
        for key, _ in self.items:  # noqa: SIM110 — a generator costs more than the search
            if key == name:
                return True
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.items == other.items

    def __repr__(self) -> str:
        return f"Headers({len(self.items)})"  # values may be credentials


class WireRequest(Value):
    """A request as it crosses the wire.

    `path` is relative to the provider's base URL (`/chat/completions`, `/v1/messages`,
    `/models/gemini-3:generateContent`); `query` is without the question mark.
    """

    method: str = "POST"
    """In capitals."""
    path: str = ""
    """Begins with a slash."""
    query: str = ""
    """Encoded, as it is sent."""
    headers: Headers = field(default_factory=Headers)
    """Without those of the connection."""
    body: bytes = b""
    """Bytes, not compressed."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The client's names of tools by those in the body, where they differ (`Dialect.translate`)."""


class WireReply(Value):
    """A reply as it crosses the wire."""

    status: int = 200
    """HTTP status."""
    headers: Headers = field(default_factory=Headers)
    """Without those of the connection."""
    body: bytes = b""
    """The whole body, not compressed."""


@dataclass(slots=True, frozen=True)
class Target:
    """What a request is encoded for."""

    model: str
    """The provider's name of the model."""
    provider: str = ""
    """Provider type, e.g. `openai`."""
    api_version: str | None = None
    """The API's version to send; None is the dialect's own."""
    include_usage: bool = True
    """Ask for usage on streams."""
    quirks: Mapping[str, Any] = dataclass_field(default_factory=dict)
    """What this provider does otherwise than its dialect's document; keys are the dialect's own."""
    facts: ModelFacts | None = dataclass_field(default=None, compare=False)
    """What is known about the model. A quirk goes before a fact, a fact before what the name suggests."""
    memo: dict[str, Any] = dataclass_field(default_factory=dict, compare=False, repr=False)
    """What a dialect has found out about this target once and for all."""


@dataclass(slots=True)
class Echo:
    """A client dialect's memo of the request which it needs to write the reply. Dialects subclass it."""

    model: str = ""
    """The model as the client named it."""
    stream: bool = False
    """The client asked for a stream."""
    is_bare: bool = dataclass_field(default=False, kw_only=True, compare=False)
    """Each message that was read is one text of a user, an assistant, a developer or the system, with no name, cache
    mark or field that other dialects do not have, and no two neighbours are of one role: there is nothing in it that
    a translation could lose, and `check_portable` has nothing to find. A dialect that does not look leaves it False."""


class Mint:
    """Source of ids and of the time, so that dialects stay pure."""

    __slots__ = ("_new_id", "_now")

    def __init__(self, new_id: Callable[[str], str], now: Callable[[], int]) -> None:
        self._new_id = new_id
        self._now = now

    def id(self, prefix: str) -> str:
        """A fresh id that begins with `prefix`, e.g. `chatcmpl-`."""
        return self._new_id(prefix)

    def now(self) -> int:
        """Seconds since the epoch."""
        return self._now()


class StreamDecoder(ABC):
    """Provider bytes → chunks. One instance per stream; any cut of the bytes gives the same sum."""

    finished: bool = False
    """The provider's terminal event was seen."""

    @abstractmethod
    def feed(self, data: bytes) -> list[LLMResponse]:
        """The chunks which these bytes complete. The terminal event's chunk has `final` set; an error event gives a
        chunk with `error` set. Raises DialectError for what is not an event of this dialect."""

    @abstractmethod
    def close(self) -> list[LLMResponse]:
        """The bytes have ended: what was still held. `finished` stays False where the terminal event is missing."""


class StreamEncoder(ABC):
    """Chunks → client bytes, legal in the dialect's grammar for any chunks and any merging of them."""

    content_type: str = "text/event-stream; charset=utf-8"
    """The `content-type` of the stream."""

    @abstractmethod
    def encode(self, chunk: LLMResponse) -> bytes:
        """The events of this chunk, perhaps none. After a chunk with `final` only `close` follows."""

    def encode_text(self, text: str) -> bytes | None:
        """As `encode` of a chunk that equals the last one but for its text, and holds nothing else (`TextRun`). None,
        and nothing done, where there is no shorter way than that."""
        return None

    @abstractmethod
    def close(self) -> bytes:
        """What ends a whole reply: open blocks, finish, usage, terminal event."""

    @abstractmethod
    def fail(self, error: ErrorInfo) -> bytes:
        """The dialect's in-stream error; nothing follows, and no event marks the reply as whole."""

    def keep_alive(self) -> bytes:
        """Bytes that keep the connection busy and mean nothing; they may be between any two events."""
        return b": keep-alive\n\n"


class Dialect(ABC):
    """Subclass per vendor format; instances hold no state."""

    name: ClassVar[str]
    """How it is named everywhere: `openai_chat`, `anthropic`, …"""

    own_form: ClassVar[bytes] = b""
    """Bytes that every request body in the dialect's own form holds. A body without them is read all the same where the
    dialect can, and written anew for a provider of the same dialect."""

    quirks: ClassVar[Quirks] = {}
    """What a target of this dialect may do otherwise (`Target.quirks`)."""

    field_names: ClassVar[FieldNames] = FieldNames()
    """What the dialect calls the fields of a request, by which losses and errors name them to its clients."""

    reply_field_names: ClassVar[FieldNames] = FieldNames()
    """What the dialect calls the fields of a reply, by which losses name them where its provider's reply is translated.

    Canonical paths of a reply's parts are `choices[*].message.content[*]` (texts, and fields of any part),
    `….calls[*]`, `….thoughts[*]`, `….results[*]`, `….blocks[*]`, and `….image[*]`, `….audio[*]`, `….video[*]`,
    `….document[*]` for media."""

    lacks: ClassVar[frozenset[Lack]] = frozenset()
    """Canonical fields that the dialect has no form for; where a request has one, it is reported as dropped."""

    reply_lacks: ClassVar[frozenset[ReplyLack]] = frozenset()
    """Canonical fields of replies that the dialect has no form for, likewise."""

    reply_tiers: ClassVar[frozenset[str] | None] = None
    """The service tiers that a reply can name; None where it takes any word."""

    thoughts: ClassVar[Literal["blocks", "apart", "hidden"]] = "blocks"
    """Where a reply holds reasoning: in blocks among the others, in a field next to the answer, or in parts that
    clients pass over. See `dialects/unasked_thoughts.py`."""

    signs_texts: ClassVar[bool] = False
    """A text of a reply has a field for its signature."""

    sse: ClassVar[bool] = True
    """Streams are server-sent events, so that the same dialect can be forwarded event by event."""

    end_markers: ClassVar[tuple[bytes, ...]] = ()
    """Bytes of which at least one is in every terminal event; cheap to search for."""

    end_event: ClassVar[bytes] = b""
    """What still goes out where a stream has its finish reason and then lacks its terminal event."""

    error_markers: ClassVar[tuple[bytes, ...]] = (b'"error"',)
    """Bytes of which at least one is in every error event."""

    answer_sign: ClassVar[re.Pattern[bytes] | None] = None
    """Found in every whole reply that holds an answer. A reply without it is decoded before it is passed on as it came,
    so that a success by status alone counts as the failure that it is. None where no expression is sure."""

    refusal_markers: ClassVar[tuple[bytes, bytes] | None] = None
    """Two byte strings that both occur in every request which `fit_own` changes."""

    reasoning_markers: ClassVar[tuple[bytes, ...]] = ()
    """Bytes of which at least one occurs in every request that gives back reasoning which other servers of this dialect
    refuse (the quirk `no_reasoning_history`)."""

    usage_markers: ClassVar[tuple[bytes, ...]] = (b'"usage"',)
    """Bytes of which at least one is in every event of kind `usage`."""

    request_id_header: ClassVar[str] = "x-request-id"
    """The header in which the vendor gives its request id."""

    version_header: ClassVar[str | None] = None
    """The header that names the API's version, and its value where neither client nor provider give one."""
    default_version: ClassVar[str] = ""
    """The value of `version_header`."""

    # The client's side: read a request, write a reply.

    @abstractmethod
    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        """Raises DialectError naming the place."""

    def check_portable(self, request: LLMRequest, losses: Losses) -> None:  # noqa: B027 — most have nothing to say
        """Called on the client's dialect before its request is written in another one: lists what no other can say.

        Raises DialectError where the request rests on what the vendor keeps, such as a stored conversation.
        """

    def fit_own(self, body: bytes, model: str, losses: Losses) -> bytes:
        """The body of a request in this dialect as the vendor takes it, where a conversation that was in part held with
        other vendors' models would be refused. The same bytes where nothing is to be changed."""
        return body

    def read_plain(self, wire: WireRequest) -> PlainRequest | None:
        """The request, where it is a conversation of texts alone (`dialects/plain.py`); else None. Whatever
        `decode_request` refuses is None."""
        return None

    @abstractmethod
    def encode_response(self, response: LLMResponse, echo: Echo, mint: Mint, losses: Losses) -> WireReply:
        """A whole reply for the client that sent the request of `echo`; what its API has no form for is added to
        `losses`."""

    @abstractmethod
    def stream_encoder(self, echo: Echo, mint: Mint, losses: Losses) -> StreamEncoder:
        """A new encoder for one stream to the client that sent the request of `echo`."""

    def break_off(self, error: ErrorInfo, head: bytes, tail: bytes, mint: Mint) -> bytes:
        """The end of a forwarded stream that broke off: an error event that fits after `head` (its first event) and
        `tail` (its last ones)."""
        return self.stream_encoder(Echo(), mint, Losses("response")).fail(error)

    def asks_for_thoughts(self, request: LLMRequest) -> bool:
        """Whether a client of this dialect that sends `request` takes reasoning of which it sees no words."""
        return request.reasoning is not None and is_wanted(request.reasoning)

    def report_unwritten(self, response: LLMResponse, losses: Losses) -> None:
        """Lists what of another dialect's reply, or of a chunk of it, a reply in this dialect does not hold."""
        report_unwritten_reply(response, self.name, self.reply_lacks, losses)
        tiers, tier = self.reply_tiers, response.service_tier
        if tier is not None and tiers is not None and tier not in tiers and tier not in ("default", "standard"):
            losses.dropped("service_tier")

    @abstractmethod
    def encode_error(self, error: ErrorInfo) -> WireReply:
        """The error in the vendor's shape, with the status that the vendor uses for its kind."""

    # The provider's side: write a request, read a reply.

    @abstractmethod
    def encode_request(self, request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        """Raises DialectError for what this dialect cannot say at all."""

    def receiver(self, target: Target) -> Receiver:
        """What a request to `target` has to fit; takes everything where a dialect does not say."""
        return _TAKES_ALL

    def fitted(self, request: LLMRequest, target: Target, losses: Losses, sender: str = "") -> Fitted:
        """A request of a client of the dialect `sender`, made to fit `target`. Raises DialectError."""
        return fit(request, self.receiver(target), losses, sender)

    def translate(
        self, request: LLMRequest, target: Target, losses: Losses, sender: str = "", *, is_bare: bool = False
    ) -> WireRequest:
        """Writes a request of a client of another dialect: made to fit `target`, then encoded. `is_bare` is what
        `Echo.is_bare` has, of a request that is as it was read. Raises DialectError."""
        fitted = fit(request, self.receiver(target), losses, sender, is_bare=is_bare)
        wire = self.encode_request(fitted.request, target, losses)
        report_unwritten(request, self.name, self.lacks, losses, is_bare=is_bare)
        if fitted.names:
            wire.names = fitted.names
        return wire

    def write_turns(self, turns: Sequence[PlainTurn], sender: str) -> dict[str, Any] | None:
        """The fields of a request that hold a conversation of plain texts, written for a client of the dialect `sender`
        as `translate` writes them; None where that would change or lose anything (`dialects/plain.py`)."""
        return None

    def translate_plain(
        self, plain: PlainRequest, target: Target, sender: str, *, streaming: bool
    ) -> tuple[WireRequest, Echo] | None:
        """What `translate` gives, with the client's memo of the request, where one that differs only in its texts was
        written before; else None."""
        frames: Frames | None = target.memo.get(_FRAMES)
        frame = None if frames is None else frames.get((self.name, sender, streaming, plain.turns[0].role, plain.rest))
        if frame is None:
            return None
        turns = self.write_turns(plain.turns, sender)
        if turns is None:
            return None
        headers = Headers.of(frame.headers.copy())
        return WireRequest(frame.method, frame.path, frame.query, headers, frame.body(turns)), frame.echo

    def learn_plain(
        self, plain: PlainRequest, target: Target, sender: str, wire: WireRequest, echo: Echo, *, streaming: bool
    ) -> None:
        """Keeps what `translate` gave for a plain request, without a loss, for `translate_plain`."""
        turns = self.write_turns(plain.turns, sender)
        if turns is None or wire.names:
            return
        frame = frame_of(wire.method, wire.path, wire.query, wire.headers.items.copy(), wire.body, turns, echo)
        if frame is not None:
            frames: Frames = target.memo.setdefault(_FRAMES, Frames())
            frames.keep((self.name, sender, streaming, plain.turns[0].role, plain.rest), plain.rest, frame)

    def adapt(self, request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        """Writes a request of a client of this very dialect for a server with quirks (`for_same_dialect`): what differs
        from `encode_request` without quirks is put into the client's bytes. Raises DialectError."""
        return self.encode_request(request, target, losses)

    @abstractmethod
    def decode_response(self, wire: WireReply, mint: Mint) -> LLMResponse:
        """A provider's whole reply of success. Raises DialectError naming the place."""

    def reads_all_of(self, wire: WireReply) -> bool:
        """Whether it is known without further work that each word of a reply is in what `decode_response` gives, so
        that a plugin that edits replies has seen it."""
        return False

    @abstractmethod
    def stream_decoder(self, mint: Mint) -> StreamDecoder:
        """A new decoder for one stream of a provider."""

    @abstractmethod
    def decode_error(self, wire: WireReply) -> ErrorInfo:
        """Reads any body, JSON or not; never raises."""

    # Counting tokens.

    def encode_count(self, request: LLMRequest, target: Target, losses: Losses) -> WireRequest | None:
        """The request that asks the provider how many input tokens `request` has; None where the API has no such
        operation, and the gateway then estimates. Raises DialectError."""
        return None

    def decode_count(self, wire: WireReply) -> int:
        """Input tokens, as the reply to `encode_count` gives them. Raises DialectError."""
        raise DialectError(f"{self.name} has no operation that counts tokens")

    # Passing through.

    def peek(self, wire: WireRequest) -> tuple[str | None, bool]:
        """(model, stream) without decoding the rest. Raises ValueError."""
        return json.peek(wire.body)

    def retarget(self, wire: WireRequest, target: Target) -> WireRequest:
        """The same request for another model, all else untouched."""
        body = json.replace_top_level(wire.body, {"model": target.model}) if target.model else wire.body
        return WireRequest(wire.method, wire.path, wire.query, wire.headers, body)

    def wants_asked_name(self, wire: WireRequest) -> bool:
        """Whether clients that send such a request want the reply to name the model as they did, where the gateway has
        asked its provider for another: because they take parts of a reply of another name for another model's."""
        return False

    def rename_reply(self, data: bytes, model: str) -> bytes:
        """The reply, whole or the beginning of its stream, with another model's name, all else untouched."""
        return json.replace_top_level(data, {"model": model})

    def event_kind(self, event: bytes) -> EventKind:
        """What one whole stream event (without its blank line) is, by a byte test."""
        return "other"

    def usage_of(self, head: bytes, tail: bytes) -> Usage | None:
        """Usage from the first and last events of a stream, or from a whole body given as `tail`."""
        return None

    def ask_for_usage(self, wire: WireRequest) -> WireRequest | None:
        """The streaming request, changed so that the stream has usage in a separate event (kind `usage`); None
        where it has it anyway or the client has asked already."""
        return None


_TAKES_ALL = Receiver()
