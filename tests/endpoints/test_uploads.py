"""Audio uploads: by the official client, in constant memory, refused early, and given up with their client."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from served_gateway import ServedGateway
from slow_vendor import SlowVendor

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def vendor() -> Iterator[SlowVendor]:
    server = SlowVendor()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _as_usual(vendor: SlowVendor) -> None:
    vendor.mode = "take"
    vendor.received = 0
    vendor.left.clear()
    vendor.began.clear()


def configuration(url: str, **more: Any) -> dict[str, Any]:
    config = {"baseUrl": f"{url}/v1", "apiKey": "sk-upstream", "retryAttempts": 1}
    return {
        "models": [{"name": "whisper", "isDefault": True, "provider": {"type": "openai", "config": config}}],
        **more,
    }


@pytest.fixture(scope="module")
def served(vendor: SlowVendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    gateway = ServedGateway(configuration(vendor.url), tmp_path_factory.mktemp("uploads"))
    yield gateway
    gateway.stop()


def memory(gateway: ServedGateway) -> int:
    """Bytes that the gateway's process has in memory at most."""
    text = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) * 1024


def form(parts: list[tuple[str, str | None, bytes]], boundary: str = "xyz") -> bytes:
    lines = []
    for name, filename, content in parts:
        named = f'; filename="{filename}"\r\nContent-Type: audio/mpeg' if filename else ""
        lines.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode())
        lines.append(content + b"\r\n")
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


def post(gateway: ServedGateway, body: bytes, path: str = "/v1/audio/transcriptions") -> httpx.Response:
    with gateway.http() as http:
        return http.post(path, content=body, headers={"content-type": "multipart/form-data; boundary=xyz"})


def test_the_official_client(served: ServedGateway, vendor: SlowVendor) -> None:
    reply = served.openai().audio.transcriptions.create(model="whisper-1", file=("a.mp3", b"audio" * 1000))

    assert reply.text == "what was said"
    assert vendor.heads[-1].startswith("POST /v1/audio/transcriptions")

    body = form([("model", None, b"whisper-1"), ("file", "a.mp3", b"audio")])
    assert post(served, body, "/v1/audio/translations").json()["text"] == "what was said"
    assert vendor.heads[-1].startswith("POST /v1/audio/translations")


@pytest.mark.parametrize("order", ["model first", "file first"])
def test_a_form_passes_byte_by_byte(served: ServedGateway, vendor: SlowVendor, order: str) -> None:
    fields: list[tuple[str, str | None, bytes]] = [("model", None, b"whisper-1"), ("language", None, "ä".encode())]
    file: list[tuple[str, str | None, bytes]] = [("file", "a b.mp3", os.urandom(3 * MEGABYTE))]
    body = form(fields + file if order == "model first" else [*file, *fields])

    assert post(served, body).status_code == 200

    assert vendor.digest == hashlib.sha256(body).hexdigest()
    assert f"content-length: {len(body)}" in vendor.heads[-1].lower()


@pytest.mark.parametrize("order", ["model first", "file first"])
def test_a_large_upload_needs_no_memory(served: ServedGateway, vendor: SlowVendor, order: str) -> None:
    post(served, form([("model", None, b"whisper-1"), ("file", "a.mp3", b"warm")]))
    before, size = memory(served), 500 * MEGABYTE
    begin = form([("model", None, b"whisper-1")])[:-9] if order == "model first" else b""
    begin += b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n'
    end = b"\r\n" if order == "model first" else b"\r\n" + form([("model", None, b"whisper-1")])[:-9]

    def pieces() -> Iterator[bytes]:
        yield begin
        for _ in range(size // MEGABYTE):
            yield bytes(MEGABYTE)
        yield end + b"--xyz--\r\n"

    with httpx.Client(base_url=served.url, trust_env=False, timeout=60) as http:
        headers = {"content-type": "multipart/form-data; boundary=xyz"}
        reply = http.post("/v1/audio/transcriptions", content=pieces(), headers=headers)

    assert reply.json()["text"] == "what was said"
    assert vendor.received > size
    assert memory(served) - before < 40 * MEGABYTE


def test_a_large_download_needs_no_memory(served: ServedGateway, vendor: SlowVendor) -> None:
    vendor.mode = "send"
    before, came = memory(served), 0

    with (
        served.http() as http,
        http.stream("POST", "/v1/audio/speech", json={"model": "tts-1", "input": "Hello", "voice": "alloy"}) as reply,
    ):
        for piece in reply.iter_bytes():
            came += len(piece)

    assert came == 500 * MEGABYTE
    assert memory(served) - before < 40 * MEGABYTE


def test_a_client_that_leaves_takes_the_upstream_with_it(served: ServedGateway, vendor: SlowVendor) -> None:
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        head = "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n"
        client.sendall(head.encode() + b"content-type: multipart/form-data; boundary=xyz\r\n\r\n")
        client.sendall(form([("model", None, b"whisper-1"), ("file", "a.mp3", b"x" * 1000)])[:-20])
        assert vendor.began.wait(5), "the upload goes on while it arrives"

    assert vendor.left.wait(5)


def test_a_refusal_of_the_vendor_comes_before_all_is_sent(served: ServedGateway, vendor: SlowVendor) -> None:
    vendor.mode = "refuse"

    reply = post(served, form([("model", None, b"whisper-1"), ("file", "a.mp3", bytes(20 * MEGABYTE))]))

    assert reply.status_code == 401
    assert "no such key" in reply.text


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "multipart"),
        (b"--xyz--\r\n", "model"),
        (b"--abc\r\n", "multipart"),
        (b'--xyz\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhi', "boundary"),
        (b"--xyz\r\nContent-Type: text/plain\r\n\r\nx\r\n--xyz--\r\n", "no name"),
        (form([("model", None, b"a"), ("model", None, b"b")]), "twice"),
        (form([("model", None, b"\xff")]), "UTF-8"),
    ],
)
def test_a_form_that_is_none_is_refused(served: ServedGateway, vendor: SlowVendor, body: bytes, word: str) -> None:
    reply = post(served, body)

    if word != "model":  # the vendor's own word is good enough for that
        assert reply.status_code == 400, reply.text
        assert word in reply.json()["error"]["message"]


def test_limits_and_keys_are_looked_at_before_the_body(vendor: SlowVendor, tmp_path: Path) -> None:
    keys = {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": ["right-key"]}}
    config = configuration(vendor.url, plugins=[keys], server={"limits": {"maxUploadBytes": "2MB"}})
    gateway = ServedGateway(config, tmp_path)
    host, _, port = gateway.url.removeprefix("http://").partition(":")

    def answer(key: str, length: int) -> str:
        with socket.create_connection((host, int(port))) as client:
            head = (
                f"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
                f"content-length: {length}\r\ncontent-type: multipart/form-data; boundary=xyz\r\n\r\n--xyz\r\n"
            )
            client.sendall(head.encode())
            client.settimeout(5)
            return client.recv(4096).decode()

    try:
        assert answer("wrong", 1_000_000).startswith("HTTP/1.1 401")
        assert answer("right-key", 3_000_000).startswith("HTTP/1.1 413")
        begun = time.monotonic()
        client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="right-key", max_retries=0)
        with client:
            assert client.audio.transcriptions.create(model="whisper", file=("a.mp3", b"x")).text
        assert time.monotonic() - begun < 5
    finally:
        gateway.stop()
