"""Lengths and statuses that are no such numbers, from clients and from providers, in all places and combinations.

A client's request is refused and nothing after it is taken for another; a provider's reply is a provider's error or a
valid reply. Nothing hangs, nothing is a fault of the gateway, and who asks next is answered as ever.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from under_attack import Attacked, asking, chat_reply, model

BODY = json.dumps(asking("chat")).encode()
REPLY = json.dumps(chat_reply({"content": "fine"})).encode()
NUMBERS = [
    "-1", "-0", "+{n}", "0x{n}", "{n}.0", "1e1", "{n}e0", "٣٤", "３４", "²", "", " ", "{n} {n}", "{n},{n}", "{n}, 5",
    "{n};a=1", "{n}\x0b", "\x0b{n}", "{n}\x00", "nan", "inf", "Infinity", "null", "true", "a", "9" * 19, "9" * 20,
    "9" * 5000, str(2**63), str(2**64), str(2**64) + "{n}", str(-(2**63)), "_{n}", "{n}_0", "'{n}'", '"{n}"', "%33",
    "{n}\t{n}", "0b11", "0o7",
]  # fmt: skip
"""`{n}` is the right one."""
STATUSES = [
    "0", "00", "000", "1", "99", "100", "101", "102", "199", "-200", "+200", "0200", "200.0", "2e2", "0x200", "٢٠٠",
    "２００", "", " ", "2 0 0", "20O", "600", "700", "999", "1000", "2000", "65736", str(2**32 + 200), str(2**64 + 200),
    "9" * 5000, "nan", "OK", "200,200", "204", "205", "304",
]  # fmt: skip


class RawProvider:
    """Sends these bytes after each request, whatever they are, and closes."""

    def __init__(self) -> None:
        self.reply = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            data = b""
            while b"\r\n\r\n" not in data or not data.endswith(b"}"):
                piece = connection.recv(65536)
                if not piece:
                    return
                data += piece
            connection.sendall(self.reply)


def whole(status: str = "200 OK", *lengths: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "content-type: application/json"]
    lines += [f"content-length: {length}" for length in lengths or (str(len(REPLY)),)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + REPLY


@pytest.fixture(scope="module")
def provider() -> Iterator[RawProvider]:
    raw = RawProvider()
    yield raw
    raw.close()


@pytest.fixture(scope="module")
def gateway(attack: Callable[..., Attacked], provider: RawProvider) -> Attacked:
    limits = {"headerTimeout": "2s", "idleTimeout": "2s"}
    return attack(
        {
            "models": [model("chat", provider.url, timeout="3s")],
            "server": {"limits": limits},
        }
    )


def send(gateway: Attacked, head: str, rest: bytes = BODY) -> bytes:
    """All that comes back until the connection is closed, or nothing more comes."""
    smuggled = b"GET /health/live HTTP/1.1\r\nhost: g\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as connection:
        connection.settimeout(6)
        reply = b""
        with suppress(OSError):
            connection.sendall(head.encode() + b"\r\n\r\n" + rest + smuggled)
            while piece := connection.recv(65536):
                reply += piece
    return reply


def head(*lines: str) -> str:
    given = ("POST /v1/chat/completions HTTP/1.1", "host: g", "content-type: application/json", *lines)
    return "\r\n".join(given)


def is_well(gateway: Attacked, provider: RawProvider) -> bool:
    provider.reply = whole()
    answer = gateway.http.post("/v1/chat/completions", json=asking("chat"))
    return answer.status_code == 200 and answer.json()["choices"][0]["message"]["content"] == "fine"


def test_a_client_with_such_a_length_is_refused_and_nothing_after_it_is_heard(
    gateway: Attacked, provider: RawProvider
) -> None:
    right = str(len(BODY))
    wrong = []
    for number, (form, name) in enumerate(itertools.product(NUMBERS, ["content-length", "Content-Length"])):
        length = form.replace("{n}", right)
        others = [[], [f"content-length: {right}"], ["transfer-encoding: chunked"]][number % 3]
        lines = [f"{name}: {length}", *others]
        reply = send(gateway, head(*(lines if number % 2 else lines[::-1])))
        statuses = [line.split(b" ")[1] for line in reply.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
        if len(statuses) != 1 or statuses[0] not in (b"400", b"413", b"431", b"501"):
            wrong.append((lines, reply[:200]))
    assert not wrong, wrong
    assert is_well(gateway, provider)


def judged(gateway: Attacked, provider: RawProvider, reply: bytes) -> str | None:
    provider.reply = reply
    answer = gateway.http.post("/v1/chat/completions", json=asking("chat"))
    answers = answer.headers["content-type"].startswith("application/json") and isinstance(answer.json(), dict)
    if answer.status_code not in (200, 205, 502, 503, 504) or not answers:
        return f"{reply[:120]!r}: {answer.status_code} {answer.text[:200]}"
    if answer.status_code < 300 and answer.json()["choices"][0]["message"]["content"] != "fine":
        return f"{reply[:120]!r}: another answer"
    return None


def test_a_reply_with_such_a_length_is_the_providers_error(gateway: Attacked, provider: RawProvider) -> None:
    right = str(len(REPLY))
    wrong = []
    for number, form in enumerate(NUMBERS):
        length = form.replace("{n}", right)
        lengths = [[length], [length, right], [right, length]][number % 3]
        wrong.append(judged(gateway, provider, whole("200 OK", *lengths)))
    assert not [found for found in wrong if found]
    assert is_well(gateway, provider)


def test_a_reply_with_such_a_status_is_the_providers_error(gateway: Attacked, provider: RawProvider) -> None:
    wrong = [judged(gateway, provider, whole(f"{status} Reason")) for status in STATUSES]
    assert not [found for found in wrong if found]
    assert is_well(gateway, provider)
