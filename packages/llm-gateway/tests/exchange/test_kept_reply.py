from __future__ import annotations

import asyncio

import pytest

from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.exchange.kept_reply import KeptReply
from llm_gateway_sdk import DialectError, Mint

CHUNK = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
)
END = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


def kept(*pieces: bytes) -> KeptReply:
    return KeptReply(OpenAIChat(), list(pieces), Mint(lambda prefix: prefix + "1", lambda: 1))


def test_a_reply_decoded_in_slices_equals_it_decoded_at_once() -> None:
    sliced, whole = (kept(CHUNK * 700, CHUNK * 3, END) for _ in range(2))

    asyncio.run(sliced.prepare())

    assert sliced.decode() == whole.decode()
    assert sliced.decode().text == "word " * 703


def test_others_get_their_turn_while_a_long_reply_is_decoded() -> None:
    async def turns() -> int:
        count, over = 0, False

        async def other() -> None:
            nonlocal count
            while not over:
                count += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        await kept(CHUNK * 3000, END).prepare()
        over = True
        await task
        return count

    assert asyncio.run(turns()) > 3


def test_what_cannot_be_decoded_fails_when_somebody_looks_and_not_before() -> None:
    broken = kept(b"data: {nonsense}\n\n")

    asyncio.run(broken.prepare())

    with pytest.raises((DialectError, ValueError)):
        broken.decode()
