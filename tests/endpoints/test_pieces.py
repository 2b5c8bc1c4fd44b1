"""What is charged by the piece: images, seconds of sound, characters, search units. Each is in the ledger, in the cost
of the metrics and in what a limit reserves; what has no price is named."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from loopback import Call, chat_whole, config, gateway, run, upstream

KEY = {"authorization": "Bearer key-of-ann"}
PRICES = {
    "image": {"calls": {"image": 0.04}},
    "whisper": {"calls": {"second": 0.0001}},
    "tts": {"calls": {"character": 0.000015}},
    "rerank": {"input": 0, "output": 0, "calls": {"searchUnit": 0.002}},
    "by-token": {"input": 1, "output": 10, "inputAudio": 2, "outputImage": 30},
    "chat": {"input": 1, "output": 10},
}
"""In US dollars; of tokens by the million."""


def form_of(**fields: str) -> tuple[bytes, dict[str, str]]:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg\r\n\r\n'
    data = "".join(parts).encode() + head.encode() + b"\xff" * 20_000 + b"\r\n--b--\r\n"
    return data, {"content-type": "multipart/form-data; boundary=b"}


def heard(model: str, **fields: str) -> tuple[str, str, bytes, dict[str, str]]:
    return ("openai", "/v1/audio/transcriptions", *form_of(model=model, **fields))


def asked(api: str, path: str, **body: Any) -> tuple[str, str, bytes, dict[str, str]]:
    return api, path, json.dumps(body).encode(), {"content-type": "application/json"}


IMAGES = b'{"created": 1, "data": [{"b64_json": "aGk="}, {"b64_json": "aGk="}]%s}'
TOKENS = b', "usage": {"input_tokens": 9, "output_tokens": 2000, "output_tokens_details": {"image_tokens": 2000}}'
CASES: dict[str, tuple[tuple[str, str, bytes, dict[str, str]], bytes, int]] = {
    "images": (asked("openai", "/v1/images/generations", model="image", prompt="a", n=2), IMAGES % b"", 80_000_000),
    "images, counted in tokens": (
        asked("openai", "/v1/images/generations", model="by-token", prompt="a", n=2), IMAGES % TOKENS,
        9_000 + 2000 * 30_000,
    ),
    "seconds in the usage": (
        heard("whisper"), b'{"text": "hi", "usage": {"type": "duration", "seconds": 8.2}}', 900_000
    ),
    "seconds in the reply": (
        heard("whisper", response_format="verbose_json"), b'{"task": "transcribe", "duration": "12.5", "text": "hi"}',
        1_300_000,
    ),
    "seconds by the subtitles": (
        heard("whisper", response_format="srt"),
        b"1\n00:00:00,000 --> 00:00:02,000\nhi\n\n2\n00:01:02,000 --> 00:01:04,500\nyou\n", 6_500_000,
    ),
    "seconds by the size": (heard("whisper", response_format="text"), b"hi\n", 300_000),
    "sound, counted in tokens": (
        heard("by-token"),
        b'{"text": "hi", "usage": {"type": "tokens", "input_tokens": 50, "output_tokens": 4, '
        b'"input_token_details": {"audio_tokens": 40, "text_tokens": 10}}}', 10_000 + 80_000 + 40_000,
    ),
    "characters": (asked("openai", "/v1/audio/speech", model="tts", voice="v", input="héllo"), b"ID3", 75_000),
    "search units that are reported": (
        asked("cohere", "/v2/rerank", model="rerank", query="q", documents=["a"] * 20),
        b'{"results": [{"index": 0, "relevance_score": 1}], "meta": {"billed_units": {"search_units": 3}}}', 6_000_000,
    ),
    "search units that are not": (
        asked("cohere", "/v2/rerank", model="rerank", query="q", documents=["a"] * 101),
        b'{"results": [{"index": 0, "relevance_score": 1}]}', 4_000_000,
    ),
}  # fmt: skip
"""The request, the provider's reply, and nano-dollars."""


def settings(folder: Path, url: str) -> dict[str, Any]:
    def configured(name: str) -> dict[str, Any]:
        kind, base = ("cohere", "") if name == "rerank" else ("openai", "/v1")
        provider = {"type": kind, "config": {"baseUrl": url + base, "apiKey": "sk-1", "model": name}}
        return {"name": name, "provider": provider, "prices": PRICES[name]}

    limits = [
        {"name": "cost", "cost": "1000 USD", "window": "lifetime"},
        {"name": "tight", "cost": "0.1 USD", "window": "lifetime", "when": {"keys": "*:bob"}},
    ]
    keys = [{"name": "ann", "key": "key-of-ann"}, {"name": "bob", "key": "key-of-bob"}]
    return config(
        *({**configured(name), "isDefault": name == "chat"} for name in PRICES),
        plugins=[
            {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": keys}},
            {"name": "limits", "type": "limits", "config": {"limits": limits, "blocks": {"share": 0}, "ledger": True}},
        ],
        store={"url": f"sqlite:{folder}/state.db"},
    )


async def everything(folder: Path) -> dict[str, Any]:
    reply = [b""]

    async def vendor(call: Call) -> None:
        await call.send(200, reply[0])

    found: dict[str, Any] = {}
    async with upstream(vendor) as up, gateway(settings(folder, up.url)) as served:
        for name, ((api, path, body, headers), answer, _) in CASES.items():
            reply[0] = answer
            asked_by = {**KEY, **headers, "x-request-id": name.replace(" ", "-").replace(",", "")}
            got = await served.ask(body, path=f"/{api}{path}", headers=asked_by)
            assert got.status == 200, (name, got.body)
        found["unpriced"] = await one_without_a_price(served, reply)
        api, path, body, headers = asked("openai", "/v1/images/generations", model="image", prompt="a", n=3)
        tight = {**headers, "authorization": "Bearer key-of-bob"}
        found["refused"] = await served.ask(body, path=f"/{api}{path}", headers=tight)
        await served.supervisor.drain(2)
        found["ledger"] = await ledger(served)
    return found


async def one_without_a_price(served: Any, reply: list[bytes]) -> Any:
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"audio_tokens": 60}}
    reply[0] = json.dumps({**chat_whole(), "usage": usage}).encode()
    body = {"model": "chat", "messages": [{"role": "user", "content": "q"}]}
    got = await served.ask(body, path="/openai/v1/chat/completions", headers={**KEY, "x-request-id": "heard"})
    assert got.status == 200, got.body
    return got


async def ledger(served: Any) -> dict[str, int]:
    store, cursor = served.plugins[1].gateway.store, ""
    costs: dict[str, int] = {}
    while events := await store.read_since("ledger", cursor):
        cursor = events[-1].cursor
        for event in events:
            for key, amount in event.event["charges"].items():
                if key.startswith("cost|"):
                    costs[event.event["note"]] = int(amount)
    return costs


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(asyncio.wait_for(everything(tmp_path_factory.mktemp("pieces")), 60))


@pytest.mark.parametrize("name", CASES)
def test_a_piece_is_charged_at_its_price(found: dict[str, Any], name: str) -> None:
    assert found["ledger"][name.replace(" ", "-").replace(",", "")] == CASES[name][2]


def test_images_are_reserved_before_they_are_made(found: dict[str, Any]) -> None:
    refused = found["refused"]

    assert refused.status == 429
    assert "may take 0.12 USD" in refused.json["error"]["message"]


def test_what_has_no_price_is_named_and_the_rest_is_charged(found: dict[str, Any]) -> None:
    assert found["ledger"]["heard"] == 100 * 1000 + 10 * 10_000, "sound at the price of text"
