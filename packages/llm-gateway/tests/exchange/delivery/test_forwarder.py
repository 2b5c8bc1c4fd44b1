"""The forwarder byte by byte: whole events, nothing before the first content, the tail waits."""

from __future__ import annotations

import pytest

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway.exchange.delivery.forwarder import StreamForwarder
from llm_gateway_sdk import Dialect, DialectError, Mint

MINT = Mint(lambda prefix: f"{prefix}1", lambda: 0)


def chat(choices: str, more: str = "") -> bytes:
    return b'data: {"id":"c","object":"chat.completion.chunk","choices":[%b]%b}\n\n' % (choices.encode(), more.encode())


def message(kind: str, more: str = "") -> bytes:
    return b'event: %b\ndata: {"type":"%b"%b}\n\n' % (kind.encode(), kind.encode(), more.encode())


CHAT = [
    chat('{"index":0,"delta":{"role":"assistant"}}'),
    chat('{"index":0,"delta":{"content":"Hi"}}'),
    chat('{"index":0,"delta":{},"finish_reason":"stop"}'),
    chat("", ',"usage":{"prompt_tokens":1,"completion_tokens":2}'),
    b"data: [DONE]\n\n",
]
_STARTED = (
    '"id":"m","type":"message","role":"assistant","model":"x","content":[],"stop_reason":null,"stop_sequence":null'
)
MESSAGES = [
    message("message_start", _STARTED),
    message("content_block_start", ',"index":0,"content_block":{"type":"text","text":""}'),
    message("content_block_delta", ',"index":0,"delta":{"type":"text_delta","text":"Hi"}'),
    message("content_block_stop", ',"index":0'),
    message("message_delta", ',"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}'),
    message("message_stop"),
]
DIALECTS: list[tuple[Dialect, list[bytes]]] = [(OpenAIChat(), CHAT), (Anthropic(), MESSAGES)]
each_dialect = pytest.mark.parametrize(("dialect", "events"), DIALECTS, ids=["chat", "messages"])
each_end = pytest.mark.parametrize("line", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])


def forwarder(dialect: Dialect, **options: bool) -> StreamForwarder:
    return StreamForwarder(dialect, max_event_bytes=10_000, **options)


@each_dialect
@each_end
@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 10_000])
def test_any_cut_gives_the_same_bytes_and_always_whole_events(
    dialect: Dialect, events: list[bytes], line: bytes, step: int
) -> None:
    data = b"".join(events).replace(b"\n", line)
    ends = {len(b"".join(events[:number]).replace(b"\n", line)) for number in range(len(events) + 1)}
    machine, out = forwarder(dialect), b""
    for start in range(0, len(data), step):
        out += machine.feed(data[start : start + step])
        assert len(out) in ends, "what has gone out ends with an event"
    out += machine.close(MINT)

    assert out == data or out.replace(line, b"\n") == b"".join(events)
    assert machine.finished
    assert machine.error is None


@each_dialect
def test_nothing_leaves_before_the_first_content(dialect: Dialect, events: list[bytes]) -> None:
    machine = forwarder(dialect)
    sent = [machine.feed(event) for event in events]

    first = next(number for number, piece in enumerate(sent) if piece)
    assert b"Hi" in sent[first]
    assert sent[first] == b"".join(events[: first + 1])
    assert machine.committed


@each_dialect
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_an_end_before_the_terminal_event_is_not_an_end(dialect: Dialect, events: list[bytes], after: int) -> None:
    machine = forwarder(dialect)
    for event in events[:after]:
        machine.feed(event)
    machine.feed(events[after][: len(events[after]) // 2])
    machine.close(MINT, broken=True)

    assert not machine.finished or b"finish_reason" in events[after - 1]


def test_an_error_event_is_held_with_what_came_before_it() -> None:
    error = b'data: {"error":{"message":"busy","type":"server_error","code":null}}\n\n'
    machine = forwarder(OpenAIChat())
    assert machine.feed(CHAT[0]) == b""
    assert machine.feed(error) == b""

    assert machine.error is not None
    assert machine.error.message == "busy"
    assert machine.error_event == CHAT[0] + error


def test_an_event_that_does_not_end_is_bounded() -> None:
    machine = forwarder(OpenAIChat())

    def feed() -> None:
        for _ in range(20):
            machine.feed(b"data: " + b"x" * 1000)

    with pytest.raises(DialectError, match="10000"):
        feed()


def test_usage_that_only_the_gateway_asked_for_is_withheld() -> None:
    machine = forwarder(OpenAIChat(), withhold_usage=True)
    out = b"".join(machine.feed(event) for event in CHAT)

    assert out == b"".join(event for event in CHAT if b'"usage"' not in event)
    usage = OpenAIChat().usage_of(machine.head, machine.tail)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (1, 2)


@each_dialect
def test_plain_blocks_are_released_without_a_look(dialect: Dialect, events: list[bytes]) -> None:
    machine = forwarder(dialect)
    content = next(event for event in events if b"Hi" in event)
    assert not machine.release_plain(content)
    for event in events:
        machine.feed(event)
        if event is content:
            break
    assert machine.release_plain(content)
    assert machine.tail.endswith(content)


# The bodies are longer than a line of code may be.
# ruff: noqa: E501
ENDINGS = {
    "openai_chat": (
        b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
        b'{"content":"Half"},"finish_reason":null}]}\n\n',
        b'data: {"error":{"message":"boom","type":"server_error","code":503}}\n\ndata: [DONE]\n\n',
    ),
    "openai_responses": (
        b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":3,"item_id":"m",'
        b'"output_index":0,"content_index":0,"delta":"Half","logprobs":[]}\n\n',
        b'event: error\ndata: {"type":"error","code":"server_error","message":"boom","param":null,"sequence_number":4}\n\n'
        b'event: response.failed\ndata: {"type":"response.failed","sequence_number":5,"response":{"id":"r","status":"failed"'
        b',"error":{"code":"server_error","message":"boom"},"output":[]}}\n\n',
    ),
    "anthropic": (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":'
        b'"Half"}}\n\n',
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"boom"}}\n\n: bye\n\nevent: x\n',
    ),
    "bare": (
        b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
        b'{"content":"Half"},"finish_reason":null}]}\n\n',
        b'{\n "error": {"message": "boom", "type": "server_error", "code": 503}\n}\n',
    ),
}
_BARE = {
    "an object": b'{\n "error": {"message": "boom", "type": "server_error", "code": 503}\n}\n',
    "an object after a space": b' {"error": {"message": "boom"}}',
    "an array": b'[{"error": {"message": "boom", "status": "UNAVAILABLE"}}]\n',
}
ENDINGS |= {
    f"{name}, {form}": (before, bare)
    for name, (before, _) in ENDINGS.items()
    if name != "bare"
    for form, bare in _BARE.items()
}


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("line", [b"\n", b"\r\n"])
def test_wherever_a_stream_with_an_error_is_cut_its_bytes_arrive(name: str, line: bytes) -> None:
    dialect = {"openai_responses": OpenAIResponses, "anthropic": Anthropic}.get(name.split(",")[0], OpenAIChat)()
    before, error = (part.replace(b"\n", line) for part in ENDINGS[name])
    stream = before + error
    for cut in range(1, len(stream)):
        forwarder = StreamForwarder(dialect, max_event_bytes=1 << 20)
        out = forwarder.feed(stream[:cut]) + forwarder.feed(stream[cut:])
        out += forwarder.close(MINT)

        assert forwarder.error is not None, cut
        assert forwarder.error.message == "boom"
        assert out + (forwarder.error_event or b"") == stream, cut


@pytest.mark.parametrize(
    ("dialect", "events"), [(OpenAIChat(), CHAT), (Anthropic(), MESSAGES)], ids=["chat", "messages"]
)
def test_usage_is_found_though_each_event_comes_alone_and_a_ping_after_it(
    dialect: Dialect, events: list[bytes]
) -> None:
    subject = forwarder(dialect)
    ping = message("ping") if isinstance(dialect, Anthropic) else b": ping\n\n"

    for event in [*events[:-1], ping, events[-1]]:
        subject.feed(event)

    usage = dialect.usage_of(subject.head, subject.tail)
    assert usage is not None
    assert usage.output_tokens == 2
