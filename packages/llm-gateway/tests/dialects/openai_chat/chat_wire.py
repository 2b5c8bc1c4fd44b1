"""Short ways to say and read Chat bodies in these tests."""

from __future__ import annotations

from typing import Any

from llm_gateway.dialects.openai_chat import ChatEcho, OpenAIChat
from llm_gateway_sdk import (
    Accumulator,
    Choice,
    Headers,
    LLMRequest,
    LLMResponse,
    Losses,
    Message,
    Mint,
    Part,
    Target,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.wire import json

CHAT = OpenAIChat()


def mint() -> Mint:
    count = iter(range(1000))
    return Mint(lambda prefix: f"{prefix}{next(count)}", lambda: 1_750_000_000)


def read(**body: Any) -> tuple[LLMRequest, ChatEcho]:
    body = {"model": "gpt-5.6", "messages": [{"role": "user", "content": "Hello."}], **body}
    request, echo = CHAT.decode_request(WireRequest(body=json.dumps(body)))
    assert isinstance(echo, ChatEcho)
    return request, echo


def read_messages(*messages: dict[str, Any]) -> list[Message]:
    return read(messages=list(messages))[0].messages


def write(request: LLMRequest, *, model: str = "gpt-5.6", usage: bool = False, **quirks: Any) -> tuple[Any, list[str]]:
    """(body, losses) of a request for a provider."""
    losses = Losses()
    wire = CHAT.encode_request(request, Target(model, include_usage=usage, quirks=quirks), losses)
    assert wire.path == "/chat/completions"
    return json.loads(wire.body), [str(loss) for loss in losses]


def write_messages(*messages: Message, **quirks: Any) -> tuple[list[Any], list[str]]:
    body, losses = write(LLMRequest(messages=list(messages)), **quirks)
    return body["messages"], losses


def answer(*content: Part, finish: str | None = "stop", **fields: Any) -> LLMResponse:
    """A whole reply of other dialects' making."""
    for place, part in enumerate(content):
        part.index = place
    return LLMResponse("reply_1", "some-model", 1, [Choice(0, Message("assistant", list(content)), finish)], **fields)


def say(response: LLMResponse, echo: ChatEcho | None = None) -> Any:
    """The reply's body as a client gets it."""
    return json.loads(CHAT.encode_response(response, echo or ChatEcho("m"), mint(), Losses("response")).body)


def hear(body: dict[str, Any]) -> LLMResponse:
    return CHAT.decode_response(WireReply(200, Headers(), json.dumps(body)), mint())


def hear_message(**message: Any) -> list[Part]:
    body = {"id": "c", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    return hear(body).message.content


def event(*choices: dict[str, Any], **fields: Any) -> bytes:
    body = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": list(choices),
        **fields,
    }
    return b"data: " + json.dumps(body) + b"\n\n"


def delta(index: int = 0, finish: str | None = None, **fields: Any) -> bytes:
    return event({"index": index, "delta": fields, "finish_reason": finish})


DONE = b"data: [DONE]\n\n"


def listen(*events: bytes) -> list[LLMResponse]:
    decoder = CHAT.stream_decoder(mint())
    return [chunk for piece in events for chunk in decoder.feed(piece)] + decoder.close()


def total(*events: bytes) -> LLMResponse:
    accumulator = Accumulator()
    for chunk in listen(*events):
        accumulator.add(chunk)
    return accumulator.value()


def stream(*chunks: LLMResponse, echo: ChatEcho | None = None) -> bytes:
    encoder = CHAT.stream_encoder(echo or ChatEcho("m"), mint(), Losses("response"))
    return b"".join(encoder.encode(chunk) for chunk in chunks) + encoder.close()


def chunk(*parts: Part, index: int = 0, finish: str | None = None, **fields: Any) -> LLMResponse:
    return LLMResponse("r1", "m", 1, [Choice(index, Message("assistant", list(parts)), finish)], **fields)


def deltas(data: bytes) -> list[Any]:
    """The deltas of a written stream, the first choice's."""
    bodies = [json.loads(line[6:]) for line in data.split(b"\n") if line.startswith(b"data: {")]
    return [body["choices"][0]["delta"] for body in bodies if body.get("choices")]
