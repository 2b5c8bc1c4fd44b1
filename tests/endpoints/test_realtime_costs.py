"""A realtime session of several responses, at the prices of text, sound and cache, compared with a sum by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from books import KEY, Book, settings
from loopback import gateway, run, until
from realtime_vendor import RealtimeVendor
from websockets.asyncio.client import ClientConnection, connect

PRICES = {"input": 4, "output": 16, "cacheRead": 0.4, "inputAudio": 32, "outputAudio": 64}
HEARING = {"input": 2, "output": 5}
"""US dollars per million tokens, of the session's model and of the one that transcribes."""
ANSWER = 4 * 4000 + 4 * 400 + 12 * 32_000 + 3 * 16_000 + 7 * 64_000
"""Nano-dollars of `realtime_vendor.USAGE`: of the 8 tokens of text 4 came from the cache."""
TRANSCRIPT = 5 * 2000 + 2 * 5000


async def asked(connection: ClientConnection, words: str, until_type: str = "response.done") -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
    await connection.send(json.dumps({"type": "conversation.item.create", "item": item}))
    await connection.send(json.dumps({"type": "response.create"}))
    while json.loads(await connection.recv())["type"] != until_type:
        pass


async def session(folder: Path) -> list[dict[str, int]]:
    """The lines of the ledger, one for each response, and one for what was transcribed."""
    vendor = RealtimeVendor()
    try:
        models: list[dict[str, Any]] = [
            {"name": name, "isDefault": name == "voice", "prices": prices, "provider": {"type": "openai", "config": {
                "baseUrl": f"{vendor.url}/v1", "model": name, "apiKey": "k"}}}
            for name, prices in (("voice", PRICES), ("whisper", HEARING))
        ]  # fmt: skip
        async with gateway(settings(folder, models)) as served:
            url = f"ws://127.0.0.1:{served.port}/openai/v1/realtime?model=voice"
            headers = {"authorization": f"Bearer {KEY}", "x-case": "session", "x-outcome": "ok"}
            connection = await connect(url, additional_headers=headers, proxy=None)
            transcription = {"audio": {"input": {"transcription": {"model": "whisper"}}}}
            await connection.send(json.dumps({"type": "session.update", "session": transcription}))
            await asked(connection, "hello")
            await connection.send(json.dumps({"type": "input_audio_buffer.commit"}))
            await asked(connection, "speak up")
            await asked(connection, "hello again")
            await asked(connection, "slow", "response.output_text.delta")
            await asked(connection, "slow", "response.created")  # while the first is under way
            while json.loads(await connection.recv())["type"] != "response.output_text.delta":
                pass
            connection.transport.abort()
            seen = served.plugin.seen
            await until(lambda: ended(seen.get("session", ())), 10)
            await served.supervisor.drain(2)
            book = Book(served)
            await book.read()
            return [line for each in dict.fromkeys(name for kind, *_, name in seen["session"] if kind == "before")
                    for line in book.lines.get(each, [])]  # fmt: skip
    finally:
        vendor.close()


def ended(hooks: Any) -> bool:
    kinds = [each[0] for each in hooks]
    return kinds.count("before") == kinds.count("after") >= 4


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, int]]:
    return run(session(tmp_path_factory.mktemp("realtime")))


def test_each_response_is_charged_by_itself_at_the_price_of_each_kind(lines: list[dict[str, int]]) -> None:
    exact = [line["cost"] for line in lines if line["cost"] and not line.get("cost estimated")]

    assert exact == [ANSWER, ANSWER + TRANSCRIPT, ANSWER]


def test_responses_whose_client_left_are_charged_by_what_each_had_read_and_came(lines: list[dict[str, int]]) -> None:
    [cut] = [line for line in lines if line.get("cost estimated")]

    assert cut["inputTokens"] > 2 * 30, "the conversation so far, which both responses have read"
    assert 0 < cut["outputTokens"] < 20
    assert cut["cost estimated"] == cut["cost"] == cut["inputTokens"] * 4000 + cut["outputTokens"] * 16_000
