"""The laws that every dialect keeps, as tests. Subclass `DialectLaws`, say which dialect, and pytest runs them all.

    class TestAnthropicLaws(DialectLaws):
        dialect = Anthropic()
        corpus = ("anthropic",)
        grammar = staticmethod(violations)

Recordings are real exchanges with providers, see `recordings.py`. Where there is none, the laws over recordings skip
visibly; those over generated data always run. What a dialect writes otherwise than it came, and what its format cannot
hold, is declared by overriding `normalise_request`, `normalise_reply` and `holds`: short lists, for the dialect's
reviewer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..dialect import Dialect, Echo, Mint, Target, WireReply, WireRequest
from ..errors import DialectError, ErrorClass, ErrorInfo
from ..losses import Losses
from ..parts import CacheHint, MediaPart, Part, RefusalPart, TextPart, ThinkingPart, ToolCallPart
from ..request import LLMRequest, Message, Tool
from ..response import Accumulator, Choice, LLMResponse, Usage
from ..signatures import UNSIGNED, unwrap_signature
from ..wire import json
from ..wire.sse import EventSplitter
from .generated_replies import cut_reply, held, replies
from .recordings import Recording, kit_directory, load_recordings

__all__ = [
    "DialectLaws",
    "Recording",
    "counting_mint",
    "cut_reply",
    "json_differences",
    "load_recordings",
    "replies",
    "summed",
]


# Tools of the trade


def counting_mint() -> Mint:
    """Ids in sequence, and a time that never changes."""
    count = iter(range(1_000_000))
    return Mint(lambda prefix: f"{prefix}{next(count)}", lambda: 1_750_000_000)


def summed(chunks: Sequence[LLMResponse]) -> LLMResponse:
    """The sum of chunks."""
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator.value()


def json_differences(a: Any, b: Any, path: str = "") -> list[str]:
    """The paths at which two JSON values differ; a list of another length differs as a whole."""
    if isinstance(a, dict) and isinstance(b, dict):
        return [
            found
            for key in {**a, **b}
            for found in (
                json_differences(a[key], b[key], f"{path}.{key}") if key in a and key in b else [f"{path}.{key}"]
            )
        ]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [found for place in range(len(a)) for found in json_differences(a[place], b[place], f"{path}[{place}]")]
    return [] if a == b and type(a) is type(b) else [path]


def pieces(data: bytes, seed: int) -> list[bytes]:
    """The bytes, cut at places that the seed chooses."""
    chance = random.Random(seed)
    size = chance.choice((1, 2, 3, 7, 40, 400, 4000))
    cut: list[bytes] = []
    at = 0
    while at < len(data):
        step = chance.randint(1, size)
        cut.append(data[at : at + step])
        at += step
    return cut


# Any JSON at all

_JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**40), 2**40),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)

_LAWFUL = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


_NO_COUNTS = (b"-1", b"-1e9", b"1.5", b"null", b'"12"', b"true", b"{}")
_COUNT = re.compile(rb"(?<![0-9.-])(?:[1-9][0-9]{4})(?![0-9.])")
"""A number of five digits, as all counts of the reply are, and what is made of them."""
_TOKENS = tuple(each.name for each in fields(Usage) if each.name.endswith("_tokens"))


def _not_counts(usage: Usage | None) -> dict[str, Any]:
    """The fields of the usage that are neither unknown nor a whole number from 0 on."""
    if usage is None:
        return {}
    values = {name: getattr(usage, name) for name in (*_TOKENS, "total_tokens")}
    return {
        name: value for name, value in values.items() if value is not None and (type(value) is not int or value < 0)
    }


def damaged(value: Any, chance: random.Random, junk: Any) -> Any:
    """The value with one node, chosen by chance, replaced by `junk`."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        return {**value, key: damaged(value[key], chance, junk)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        return [*value[:place], damaged(value[place], chance, junk), *value[place + 1 :]]
    return junk


class DialectLaws:
    """The eight laws. A subclass whose name begins with `Test` is collected by pytest."""

    dialect: ClassVar[Dialect]

    corpus: ClassVar[tuple[str, ...]] = ()
    """The recordings' providers."""

    grammar: ClassVar[Callable[..., list[str]] | None] = None
    """`violations(stream: bytes, *, complete: bool = True) -> list[str]`: an independent checker of streams."""

    request_path: ClassVar[str] = ""
    """Path of requests that are made up (dialects which carry the model in the path)."""

    parallel: ClassVar[tuple[str, ...]] = ("messages", "tools")
    """Top-level lists that are written in the length in which they were read."""

    lost_error_kinds: ClassVar[frozenset[str]] = frozenset({"unknown"})
    """Error classes that the format cannot tell from others."""

    # What the format writes otherwise, or not at all.

    def holds(self, part: Part) -> bool:
        """Whether a reply of this dialect can hold the part without loss; for generated replies."""
        return True

    def normalise_request(self, body: Any) -> Any:
        """A request body as far as its meaning goes. Here: nulls say nothing."""
        return without_nulls(body)

    def normalise_reply(self, reply: LLMResponse) -> LLMResponse:
        """A reply as far as its meaning goes.

        Here: own metadata, indices, marks of what has no signature and the vendor's words are left out; neighbouring
        texts are one, and so is neighbouring reasoning without a proof; empty parts say nothing; empty arguments are
        `{}`.
        """
        choices = [
            Choice(
                choice.index,
                Message("assistant", plain_parts(choice.message.content)),
                choice.finish_reason,
                stop_sequence=choice.stop_sequence,
            )
            for choice in reply.choices
        ]
        return LLMResponse(model=reply.model, choices=choices, usage=plain_usage(reply.usage))

    def make_request(self, recording: Recording) -> WireRequest:
        """The recorded request as a client sends it."""
        return recording.request

    def target(self, request: LLMRequest) -> Target:
        return Target(request.model, include_usage=False)

    # The laws.

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        wanted: dict[str, Callable[[Recording], bool]] = {
            "recording": lambda recording: True,
            "recorded_reply": lambda recording: not recording.failed and recording.body is not None,
            "recorded_stream": lambda recording: not recording.failed and recording.stream is not None,
            "recorded_error": lambda recording: recording.failed,
        }
        for name, fits in wanted.items():
            if name in metafunc.fixturenames:
                found = [recording for recording in load_recordings(*self.corpus) if fits(recording)]
                if found:
                    metafunc.parametrize(name, found, ids=[recording.id for recording in found])
                else:
                    why = "no such recording" if kit_directory() else "the conformance kit is not there"
                    metafunc.parametrize(name, [pytest.param(None, marks=pytest.mark.skip(reason=why))])

    def test_law_1_a_request_is_written_as_it_was_read(self, recording: Recording) -> None:
        wire = self.make_request(recording)
        request, _ = self.dialect.decode_request(wire)
        losses = Losses()

        written = self.dialect.encode_request(request, self.target(request), losses)

        before, after = json.loads(wire.body), json.loads(written.body)
        assert json_differences(self.normalise_request(before), self.normalise_request(after)) == []
        assert [str(loss) for loss in losses] == []
        for key in self.parallel:
            if isinstance(before.get(key), list) and before[key]:
                assert len(after.get(key) or []) == len(before[key])

    def test_law_1_reading_and_writing_again_changes_nothing_more(self, recording: Recording) -> None:
        wire = self.make_request(recording)
        first, _ = self.dialect.decode_request(wire)
        once = self.dialect.encode_request(first, self.target(first), Losses())
        once.path, once.headers = wire.path, wire.headers

        again, _ = self.dialect.decode_request(once)

        assert json.loads(self.dialect.encode_request(again, self.target(again), Losses()).body) == json.loads(
            once.body
        )

    @pytest.mark.parametrize("seed", range(6))
    def test_law_2_how_a_stream_is_cut_does_not_matter(self, recorded_stream: Recording, seed: int) -> None:
        data = recorded_stream.stream or b""
        whole = self.dialect.stream_decoder(counting_mint())
        chunks = [*whole.feed(data), *whole.close()]
        decoder = self.dialect.stream_decoder(counting_mint())

        cut = [chunk for piece in pieces(data, seed) for chunk in decoder.feed(piece)] + decoder.close()

        assert cut == chunks
        assert decoder.finished == whole.finished

    def test_law_2_line_ends_and_comments_do_not_matter(self, recorded_stream: Recording) -> None:
        if not self.dialect.sse:
            pytest.skip("no server-sent events")
        data = (recorded_stream.stream or b"").replace(b"\r\n", b"\n")
        noisy = b": hello\n\n" + data.replace(b"\n", b"\r\n").replace(b"\r\n\r\n", b"\r\n\r\n: ping\r\n\r\n")

        assert self.decoded(noisy) == self.decoded(data)

    def test_law_3_a_stream_equals_the_whole_reply(self, recorded_stream: Recording) -> None:
        expected = self.decoded(recorded_stream.stream or b"")
        if expected.error is not None:
            pytest.skip("a stream that reports an error has no twin")

        whole = self.dialect.encode_response(expected, self.echo(recorded_stream), counting_mint(), Losses("response"))

        self.assert_alike(self.dialect.decode_response(whole, counting_mint()), expected)

    @pytest.mark.parametrize("seed", range(3))
    def test_law_4_holding_back_does_not_matter(self, recorded_stream: Recording, seed: int) -> None:
        chunks = self.chunks(recorded_stream.stream or b"")
        if any(chunk.error is not None for chunk in chunks):
            pytest.skip("a stream that reports an error")
        merged = held(chunks, random.Random(seed))

        self.assert_alike(self.decoded(self.encoded(merged, self.echo(recorded_stream))), summed(chunks), usage=False)

    def test_law_5_and_6_a_stream_written_anew_is_equal(self, recorded_stream: Recording) -> None:
        chunks = self.chunks(recorded_stream.stream or b"")
        if any(chunk.error is not None for chunk in chunks):
            pytest.skip("a stream that reports an error")

        written = self.encoded(chunks, self.echo(recorded_stream))

        self.assert_legal(written)
        self.assert_alike(self.decoded(written), summed(chunks), usage=False)

    def test_law_6_a_reply_written_anew_is_equal(self, recorded_reply: Recording) -> None:
        expected = self.dialect.decode_response(recorded_reply.reply, counting_mint())
        if expected.error is not None:
            pytest.skip("a reply that reports an error")

        written = self.dialect.encode_response(expected, self.echo(recorded_reply), counting_mint(), Losses("response"))

        self.assert_alike(self.dialect.decode_response(written, counting_mint()), expected)

    def test_law_6_an_event_is_known_by_its_bytes(self, recorded_stream: Recording) -> None:
        if not self.dialect.sse:
            pytest.skip("not forwarded event by event")
        splitter = EventSplitter()
        data = recorded_stream.stream or b""
        decoder = self.dialect.stream_decoder(counting_mint())
        for event in [*splitter.feed(data), *splitter.close()]:
            was_finished = decoder.finished
            chunks = decoder.feed(event + b"\n\n")
            kind = self.dialect.event_kind(event)
            if any(chunk.error is not None for chunk in chunks):
                assert kind == "error", event
                assert any(marker in event for marker in self.dialect.error_markers)
                break
            assert kind != "error", event
            if decoder.finished and not was_finished:
                assert kind == "terminal", event
                assert any(marker in event for marker in self.dialect.end_markers)
            elif any(chunk.has_content for chunk in chunks):
                assert kind == "content", event

    def test_law_6_usage_is_found_without_decoding(self, recorded_stream: Recording) -> None:
        data = recorded_stream.stream or b""
        expected = self.decoded(data)
        if expected.error is not None:
            pytest.skip("a stream that reports an error")

        assert plain_usage(self.dialect.usage_of(data, data)) == plain_usage(expected.usage)

    def test_an_error_is_read(self, recorded_error: Recording) -> None:
        info = self.dialect.decode_error(recorded_error.reply)

        assert info.status == recorded_error.status
        assert info.message
        again = self.dialect.decode_error(self.dialect.encode_error(info))
        assert (again.message, again.kind, again.status) == (info.message, info.kind, info.status)

    @_LAWFUL
    @given(data=st.data())
    def test_law_5_whatever_is_streamed_is_legal_and_arrives(self, data: st.DataObject) -> None:
        reply = data.draw(replies(self.holds))
        chance = random.Random(data.draw(st.integers(0, 2**16)))
        chunks = cut_reply(reply, chance)

        written = self.encoded(held(chunks, chance) if chance.random() < 0.5 else chunks, self.plain_echo())

        self.assert_legal(written)
        self.assert_alike(self.decoded(written), reply, usage=False)

    @_LAWFUL
    @given(data=st.data())
    def test_law_3_a_reply_streamed_or_whole_is_the_same(self, data: st.DataObject) -> None:
        reply = data.draw(replies(self.holds))

        written = self.dialect.encode_response(reply, self.plain_echo(), counting_mint(), Losses("response"))

        self.assert_alike(self.dialect.decode_response(written, counting_mint()), reply)

    @pytest.mark.parametrize("slip", _NO_COUNTS)
    def test_what_a_count_can_not_be_is_taken_as_not_reported(self, slip: bytes) -> None:
        """Providers report -1, 1.5 or null where they do not know; that breaks no reply and reaches no plugin."""
        usage = Usage()
        for number, name in enumerate(_TOKENS):
            setattr(usage, name, 70_007 + number)
        usage.input_tokens, usage.output_tokens = 97_007, 87_007
        choice = Choice(0, Message("assistant", [TextPart("hello", index=0)]), "stop", "stop")
        reply = LLMResponse("reply_1", "some-model", 1_750_000_000, [choice], usage=usage, final=True)
        whole = self.dialect.encode_response(reply, self.plain_echo(), counting_mint(), Losses("response"))
        streamed = self.encoded(cut_reply(reply, random.Random(1)), self.plain_echo())
        numbers = list(_COUNT.finditer(whole.body))
        assert numbers

        for match in numbers:
            whole_body = whole.body[: match.start()] + slip + whole.body[match.end() :]
            found = self.dialect.decode_response(WireReply(200, whole.headers, whole_body), counting_mint())
            assert found.message.text == "hello"
            assert _not_counts(found.usage) == {}, whole_body
        for match in _COUNT.finditer(streamed) if self.dialect.sse else ():
            body = streamed[: match.start()] + slip + streamed[match.end() :]
            assert _not_counts(self.decoded(body).usage) == {}, body

    @_LAWFUL
    @given(data=st.data())
    def test_a_broken_stream_never_looks_whole(self, data: st.DataObject) -> None:
        reply = data.draw(replies(self.holds))
        chance = random.Random(data.draw(st.integers(0, 2**16)))
        chunks = cut_reply(reply, chance)
        encoder = self.dialect.stream_encoder(self.plain_echo(), counting_mint(), Losses("response"))
        sent = b"".join(encoder.encode(chunk) for chunk in chunks[: chance.randrange(len(chunks))])

        sent += encoder.fail(ErrorInfo("The stream ended early.", 502, "upstream"))

        if self.grammar is not None:
            assert type(self).grammar(sent, complete=False) == []  # type: ignore[misc]
        decoder = self.dialect.stream_decoder(counting_mint())
        noisy = [*decoder.feed(sent), *decoder.close()]
        assert not decoder.finished
        assert [chunk.error.message for chunk in noisy if chunk.error] == ["The stream ended early."]
        assert all(choice.finish_reason is None for chunk in noisy for choice in chunk.choices)

    @_LAWFUL
    @given(body=_JSON)
    def test_law_7_any_json_is_read_or_refused(self, body: Any) -> None:
        self.read_or_refuse(json.dumps(body))

    @_LAWFUL
    @given(body=st.binary(max_size=60))
    def test_law_7_any_bytes_are_read_or_refused(self, body: bytes) -> None:
        self.read_or_refuse(body)

    def test_law_7_a_damaged_request_is_read_or_refused(self, recording: Recording) -> None:
        for chance in _seeds(recording):
            self._try_damaged_request(recording, chance)

    def _try_damaged_request(self, recording: Recording, chance: random.Random) -> None:
        wire = self.make_request(recording)
        body = damaged(json.loads(wire.body), chance, _junk(chance))
        wire = WireRequest(wire.method, wire.path, wire.query, wire.headers, json.dumps(body))
        with suppress(DialectError):
            request, _ = self.dialect.decode_request(wire)
            self.dialect.encode_request(request, self.target(request), Losses())

    def test_law_7_a_damaged_reply_is_read_or_refused(self, recorded_reply: Recording) -> None:
        for chance in _seeds(recorded_reply):
            self._try_damaged_reply(recorded_reply, chance)

    def _try_damaged_reply(self, recorded_reply: Recording, chance: random.Random) -> None:
        body = damaged(json.loads(recorded_reply.body or b"null"), chance, _junk(chance))
        with suppress(DialectError):
            reply = self.dialect.decode_response(WireReply(200, body=json.dumps(body)), counting_mint())
            self.dialect.encode_response(reply, self.plain_echo(), counting_mint(), Losses("response"))

    def test_law_7_a_damaged_stream_is_read_or_refused(self, recorded_stream: Recording) -> None:
        for chance in _seeds(recorded_stream):
            self._try_damaged_stream(recorded_stream, chance)

    def _try_damaged_stream(self, recorded_stream: Recording, chance: random.Random) -> None:
        data = self.damaged_stream(recorded_stream.stream or b"", chance)
        with suppress(DialectError):
            chunks = self.chunks(data)
            self.encoded(chunks, self.plain_echo())

    def test_law_8_one_edit_stays_one_edit(self, recording: Recording) -> None:
        wire = self.make_request(recording)
        pristine, _ = self.dialect.decode_request(wire)
        target = self.target(pristine)
        before = json.loads(self.dialect.encode_request(pristine, target, Losses()).body)
        for number in range(min(12, len(list(pristine.texts())))):
            edited, _ = self.dialect.decode_request(wire)
            place = list(edited.texts())[number]
            place.text = '{"edited": true}' if place.kind == "tool_arguments" else "an edited text"

            after = json.loads(self.dialect.encode_request(edited, target, Losses()).body)

            found = json_differences(before, after)
            if place.kind in ("tool_arguments", "schema"):
                # Where arguments are an object, each of its keys differs. A schema may have to move to another field.
                assert found, place.path
                continue
            assert len(found) <= 1, (place.path, found)
            if place.kind in ("system", "user", "assistant", "tool_result"):
                assert found, place.path

    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            ("bad_request", 400), ("authentication", 401), ("permission", 403), ("not_found", 404), ("too_large", 413),
            ("rate_limit", 429), ("quota", 429), ("overloaded", 529), ("timeout", 504), ("context_length", 400),
            ("content_policy", 400), ("upstream", 502), ("unknown", 500),
        ],
    )  # fmt: skip
    def test_an_error_keeps_its_class(self, kind: ErrorClass, status: int) -> None:
        written = self.dialect.encode_error(ErrorInfo("It went wrong.", status, kind, retry_after=3.0))

        read = self.dialect.decode_error(written)

        assert 400 <= written.status <= 599
        assert "It went wrong." in read.message
        if kind not in self.lost_error_kinds:
            assert read.kind == kind

    # What the laws use.

    def echo(self, recording: Recording) -> Echo:
        return self.dialect.decode_request(self.make_request(recording))[1]

    def plain_echo(self) -> Echo:
        """The memo of a plain request with the tools that generated replies call."""
        request = LLMRequest(
            model="some-model",
            messages=[Message("user", [TextPart("Hello.")])],
            tools=[
                Tool(name, parameters={"type": "object"}) for name in ("get_weather", "search", "a-b_c9", "write_file")
            ],
            max_tokens=100,
            stream=True,
        )
        wire = self.dialect.encode_request(request, Target("some-model"), Losses())
        return self.dialect.decode_request(wire)[1]

    def chunks(self, data: bytes) -> list[LLMResponse]:
        decoder = self.dialect.stream_decoder(counting_mint())
        return [*decoder.feed(data), *decoder.close()]

    def decoded(self, data: bytes) -> LLMResponse:
        return summed(self.chunks(data))

    def encoded(self, chunks: Sequence[LLMResponse], echo: Echo) -> bytes:
        encoder = self.dialect.stream_encoder(echo, counting_mint(), Losses("response"))
        return b"".join(encoder.encode(chunk) for chunk in chunks) + encoder.close()

    def assert_legal(self, stream: bytes) -> None:
        if self.grammar is not None:
            assert type(self).grammar(stream) == []  # type: ignore[misc]

    def assert_alike(self, got: LLMResponse, expected: LLMResponse, *, usage: bool = True) -> None:
        got, expected = self.normalise_reply(got), self.normalise_reply(expected)
        if not usage:
            # A client that did not ask for usage may not get it.
            got.usage = expected.usage = None
        assert got == expected

    def read_or_refuse(self, body: bytes) -> None:
        readers: list[Callable[[], object]] = [
            lambda: self.dialect.decode_request(WireRequest("POST", self.request_path, body=body)),
            lambda: self.dialect.decode_response(WireReply(200, body=body), counting_mint()),
            lambda: self.chunks(body),
            lambda: self.chunks(b"data: " + body + b"\n\n"),
        ]
        for read in readers:
            with suppress(DialectError):
                read()
        for status in (200, 400, 500):
            assert self.dialect.decode_error(WireReply(status, body=body)).message
        self.dialect.event_kind(body)
        self.dialect.usage_of(body, body)

    def damaged_stream(self, data: bytes, chance: random.Random) -> bytes:
        """The stream with one event's JSON damaged; dialects over another framing say how."""
        events = data.replace(b"\r\n", b"\n").split(b"\n\n")
        place = chance.randrange(len(events))
        lines = events[place].split(b"\n")
        for number, line in enumerate(lines):
            if line.startswith(b"data:"):
                try:
                    body = json.loads(line[5:])
                except ValueError:
                    continue
                lines[number] = b"data: " + json.dumps(damaged(body, chance, _junk(chance)))
        events[place] = b"\n".join(lines)
        return b"\n\n".join(events)


def _seeds(recording: Recording) -> Iterator[random.Random]:
    """Eight ways to damage a recording, the same in each run."""
    return (random.Random(f"{recording.id}{number}") for number in range(8))


_JUNK: tuple[Any, ...] = (None, True, 0, -1, 1.5, "", "x", [], {}, [None], [[]], [{}], {"type": "x"}, {"": None}, ["x"])


def _junk(chance: random.Random) -> Any:
    return chance.choice(_JUNK)


def without_nulls(value: Any) -> Any:
    """The JSON without keys whose value is null."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def plain_usage(usage: Usage | None) -> Usage | None:
    """The counts alone."""
    return None if usage is None else replace(usage, provider_metadata={})


def plain_parts(parts: Sequence[Part]) -> list[Part]:
    """Parts as far as their meaning goes; see `DialectLaws.normalise_reply`."""
    plain: list[Part] = []
    for part in parts:
        part = replace(part, index=None, provider_metadata={})
        if part.signature is not None and unwrap_signature(part.signature, "")[1] == UNSIGNED:
            part.signature = None
        if part.signature is None and getattr(part, "redacted", None) is None:
            part.signed_by = None
        match part:
            case TextPart(text="", signature=None) | RefusalPart(text="") if not getattr(part, "citations", None):
                continue
            case ThinkingPart(text="", signature=None, redacted=None):
                continue
            case TextPart():
                part.citations = [replace(citation, provider_metadata={}) for citation in part.citations]
            case ToolCallPart(arguments="", kind="function"):
                part.arguments = "{}"
            case MediaPart(cache=CacheHint()):
                part.cache = None
        last = plain[-1] if plain else None
        if isinstance(last, TextPart) and isinstance(part, TextPart) and last.signature is None:
            plain[-1] = replace(
                part, text=last.text + part.text, citations=last.citations + part.citations, item_id=last.item_id
            )
        elif (isinstance(last, RefusalPart) and isinstance(part, RefusalPart)) or (
            isinstance(last, ThinkingPart) and isinstance(part, ThinkingPart) and _unproven(last) and _unproven(part)
        ):
            plain[-1] = replace(part, text=last.text + part.text)
        else:
            plain.append(part)
    return plain


def _unproven(part: ThinkingPart) -> bool:
    return part.signature is None and part.redacted is None and part.item_id is None
