"""A WebSocket is opened by whom an HTTP request would be answered, and no credential goes further than the gateway."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from under_attack import Attacked, Provider, model

KEY = "gw-key-of-the-team-4711"
AUTHENTICATION = {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": [KEY]}}


@pytest.fixture(scope="module")
def provider(provide: Callable[..., Provider]) -> Provider:
    return provide()


@pytest.fixture(scope="module")
def gateway(attack: Callable[..., Attacked], provider: Provider) -> Attacked:
    known = {"name": "known", "plugins": [AUTHENTICATION]}
    return attack({"models": [model("chat", provider.url)], "projects": [known], "plugins": []})


def open_session(gateway: Attacked, path: str, *lines: str, host: str = "127.0.0.1") -> str:
    """The head of the reply to a handshake."""
    head = [
        f"GET {path}?model=m HTTP/1.1", f"host: {host}", "connection: upgrade", "upgrade: websocket",
        "sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", *lines, "", "",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall("\r\n".join(head).encode())
        reply = b""
        while b"\r\n\r\n" not in reply and (data := connection.recv(65536)):
            reply += data
    return reply.decode("latin-1")


@pytest.mark.parametrize("path", ["/v1/realtime", "/v1/responses"])
@pytest.mark.parametrize(
    ("host", "lines"),
    [
        ("127.0.0.1", ["origin: https://attacker.example"]),
        ("127.0.0.1", ["origin: null"]),
        ("attacker.example", []),
        ("attacker.example", ["origin: http://attacker.example"]),
        ("127.0.0.1", ["sec-fetch-site: cross-site", "sec-fetch-mode: websocket"]),
    ],
    ids=["origin", "no origin", "host", "rebound", "fetch metadata"],
)
def test_pages_of_strangers_open_none(
    gateway: Attacked, provider: Provider, path: str, host: str, lines: list[str]
) -> None:
    reply = open_session(gateway, path, *lines, host=host)

    assert reply.startswith("HTTP/1.1 403 ")
    assert not provider.sent


@pytest.mark.parametrize("path", ["/known/v1/realtime", "/known/v1/responses"])
@pytest.mark.parametrize(
    "line",
    ["x: y", "sec-websocket-protocol: realtime", "sec-websocket-protocol: realtime, openai-insecure-api-key.wrong",
     "sec-websocket-protocol: openai-insecure-api-key.", f"sec-websocket-protocol: {KEY}", f"cookie: key={KEY}"],
    ids=["none", "no key", "a wrong key", "an empty key", "a protocol that is the key", "a cookie"],
)  # fmt: skip
def test_strangers_open_none(gateway: Attacked, provider: Provider, path: str, line: str) -> None:
    reply = open_session(gateway, path, line)

    assert reply.startswith("HTTP/1.1 401 ")
    assert not provider.sent


def test_a_key_given_as_a_protocol_is_neither_handed_on_nor_repeated(gateway: Attacked, provider: Provider) -> None:
    offered = f"sec-websocket-protocol: realtime, openai-insecure-api-key.{KEY}"

    reply = open_session(gateway, "/known/v1/realtime", offered)

    assert not reply.startswith("HTTP/1.1 401 ")
    assert KEY not in reply
    assert KEY not in provider.texts()
    assert KEY not in gateway.log
