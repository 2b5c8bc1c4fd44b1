"""InvokeModelWithResponseStream: AWS's event stream, each message with one event of the body's own API in base64."""

from __future__ import annotations

import base64

from llm_gateway_sdk import (
    DialectError,
    ErrorInfo,
    LLMResponse,
    ModelProtocolError,
    StreamDecoder,
    StreamEncoder,
    Usage,
    merge_usage,
)
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.sse import SSEDecoder

from .errors import encode_exception
from .eventstream import EventStreamDecoder, EventStreamError, encode_message
from .invoke import event_of
from .invoke_bodies import Family
from .parts import NAME

__all__ = ["Decoder", "Encoder", "metrics_of"]

_HEADERS = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
_METRICS = "amazon-bedrock-invocationMetrics"
_END = b"[DONE]"


class Encoder(StreamEncoder):
    """Around the encoder of the body's own API. The last event has the counts that the service adds to it."""

    content_type = "application/vnd.amazon.eventstream"

    def __init__(self, inner: StreamEncoder, family: Family) -> None:
        self._inner = inner
        self._split = _split_messages if family == NAME else _SSESplitter()
        self._usage: Usage | None = None

    def encode(self, chunk: LLMResponse) -> bytes:
        if chunk.usage is not None:
            self._usage = merge_usage(self._usage, chunk.usage)
        return self._messages(self._inner.encode(chunk), at_end=chunk.final)

    def close(self) -> bytes:
        return self._messages(self._inner.close(), at_end=True)

    def _messages(self, data: bytes, *, at_end: bool) -> bytes:
        events = self._split(data)
        if at_end and events and self._usage is not None:
            last = json.loads(events[-1])
            events[-1] = json.dumps({**last, _METRICS: metrics_of(self._usage)})
            self._usage = None
        return b"".join(map(_message, events))

    def fail(self, error: ErrorInfo) -> bytes:
        return encode_exception(error)

    def keep_alive(self) -> bytes:
        """The encoding has no comments."""
        return b""


def metrics_of(usage: Usage) -> dict[str, int]:
    return {"inputTokenCount": usage.input_tokens or 0, "outputTokenCount": usage.output_tokens or 0}


class _SSESplitter:
    """The data of server-sent events, which an encoder gives whole."""

    def __init__(self) -> None:
        self._decoder = SSEDecoder()

    def __call__(self, data: bytes) -> list[bytes]:
        return [event.data for event in self._decoder.feed(data) if event.data != _END]


def _split_messages(data: bytes) -> list[bytes]:
    """Converse's messages as Nova streams them: the event's name is the key of what it holds."""
    return [
        json.dumps({str(message.headers.get(":event-type")): json.loads(message.payload)})
        for message in EventStreamDecoder().feed(data)
    ]


def _message(event: bytes) -> bytes:
    return encode_message(_HEADERS, json.dumps({"bytes": base64.b64encode(event).decode()}))


class Decoder(StreamDecoder):
    """A stream of Claude's, read: what a provider sends to who asks with Anthropic's body."""

    def __init__(self, inner: StreamDecoder) -> None:
        self._inner = inner
        self._messages = EventStreamDecoder()

    def feed(self, data: bytes) -> list[LLMResponse]:
        chunks: list[LLMResponse] = []
        try:
            for message in self._messages.feed(data):
                chunks += self._inner.feed(event_of(message))
        except (EventStreamError, ModelProtocolError) as error:
            raise DialectError(str(error)) from None
        self.finished = self._inner.finished
        return chunks

    def close(self) -> list[LLMResponse]:
        chunks = self._inner.close()
        self.finished = self._inner.finished
        return chunks
