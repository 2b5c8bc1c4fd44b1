"""What a plugin hides reaches no vendor by any operation, and no reply shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from endpoint_models import models_of
from json_bodies import JSON_BODIES, SECRET
from served_gateway import ServedGateway
from vendors import PIXEL, Vendors


@pytest.fixture(scope="module")
def hiding(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    rules = {"patterns": [{"pattern": r"\d{3}-\d{4}", "replacement": "[hidden]"}]}
    plugin = {"name": "hider", "type": "regex-hider", "config": rules}
    served = ServedGateway({"models": models_of(vendors.url), "plugins": [plugin]}, tmp_path_factory.mktemp("hiding"))
    yield served
    served.stop()


def models_for(path: str) -> list[str]:
    return {
        "/v1/embeddings": ["openai", "google", "titan", "cohere", "voyage"],
        "/v2/embed": ["cohere", "openai"],
        "/v2/rerank": ["cohere", "voyage", "bedrock-rerank"],
        "/v1/rerank": ["cohere", "jina"],
        "/v1/moderations": ["openai", "mistral"],
        "/api/embed": ["openai", "cohere"],
        "/api/embeddings": ["google"],
        "/v1/images/generations": ["openai", "imagen", "gemini-image", "nova-canvas"],
        "/v1/audio/speech": ["openai"],
    }[path]


@pytest.mark.parametrize(
    ("path", "body", "model"), [(path, body, model) for path, body in JSON_BODIES for model in models_for(path)]
)
def test_no_text_of_an_operation_goes_out(
    hiding: ServedGateway, vendors: Vendors, path: str, body: dict[str, Any], model: str
) -> None:
    before = len(vendors.seen)
    with hiding.http() as http:
        reply = http.post(path, json={"model": model, **body})

    assert reply.status_code == 200, reply.text
    sent = vendors.seen[before:]
    assert sent
    assert all(SECRET.encode() not in seen.raw for seen in sent)
    assert b"[hidden]" in b"".join(seen.raw for seen in sent)
    assert SECRET not in reply.text


@pytest.mark.parametrize("order", [1, -1])
def test_nor_by_a_form(hiding: ServedGateway, vendors: Vendors, order: int) -> None:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="prompt"\r\nX-Note: {SECRET}\r\n\r\ncall {SECRET}\r\n',
        '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nopenai\r\n',
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="{SECRET}.mp3"\r\n\r\naudio\r\n',
    ]
    body = "".join(parts[::order]) + "--b--\r\n"
    with hiding.http() as http:
        headers = {"content-type": "multipart/form-data; boundary=b"}
        reply = http.post("/v1/audio/transcriptions", content=body, headers=headers)

    assert reply.json() == {"text": "my number is [hidden]"}, "the reply's text is looked at too"
    sent = vendors.last("/audio/transcriptions").raw
    assert SECRET.encode() not in sent
    assert b"call [hidden]" in sent
    assert b"audio" in sent


@pytest.mark.parametrize(
    ("head", "content"),
    [
        (f'form-data; name="file"; filename="{SECRET}.wav"\r\nContent-Type: audio/wav', "RIFF"),
        (f'form-data; name="file"; filename="a.wav"; note="{SECRET}"\r\nContent-Type: audio/wav', "RIFF"),
        (f'form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav; note="{SECRET}"', "RIFF"),
        (f'form-data; name="{SECRET}"', "x"),
        (f'form-data; name="my {SECRET} field"', "x"),
        ('form-data; name="unknown"', SECRET),
    ],
)
def test_nor_by_the_head_of_a_part_or_a_field_that_no_api_knows(
    hiding: ServedGateway, vendors: Vendors, head: str, content: str
) -> None:
    parts = [
        '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nopenai\r\n',
        f"--b\r\nContent-Disposition: {head}\r\n\r\n{content}\r\n",
    ]
    if 'name="file"' not in head:
        parts.append('--b\r\nContent-Disposition: form-data; name="file"; filename="b.wav"\r\n\r\nRIFF\r\n')
    before = len(vendors.seen)
    with hiding.http() as http:
        headers = {"content-type": "multipart/form-data; boundary=b"}
        reply = http.post("/v1/audio/transcriptions", content="".join([*parts, "--b--\r\n"]), headers=headers)

    assert reply.status_code == 200, reply.text
    sent = vendors.seen[before:]
    assert sent
    assert all(SECRET.encode() not in seen.raw for seen in sent)


@pytest.mark.parametrize(("given", "goes_out"), [(f"for {SECRET}", "for [hidden]"), ("line-1", "line-1")])
def test_nor_by_the_id_of_a_line_of_a_batch(hiding: ServedGateway, vendors: Vendors, given: str, goes_out: str) -> None:
    body = {"model": "openai", "messages": [{"role": "user", "content": f"call {SECRET}"}]}
    line = json.dumps({"custom_id": given, "method": "POST", "url": "/v1/chat/completions", "body": body})
    parts = [
        '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n',
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{line}\r\n--b--\r\n',
    ]
    before = len(vendors.seen)
    with hiding.http() as http:
        headers = {"content-type": "multipart/form-data; boundary=b"}
        reply = http.post("/v1/files", content="".join(parts), headers=headers)

    assert reply.status_code == 200, reply.text
    sent = b"".join(seen.raw for seen in vendors.seen[before:])
    assert goes_out.encode() in sent
    assert SECRET.encode() not in sent


def test_nor_by_a_reply_that_quotes(hiding: ServedGateway, vendors: Vendors) -> None:
    with hiding.http() as http:
        reply = http.post("/v1/images/generations", json={"model": "openai", "prompt": "a cat"}).json()

    assert reply["data"][0] == {"b64_json": PIXEL, "revised_prompt": "more of a cat"}
