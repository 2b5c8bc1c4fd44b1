"""A request that is refused before its body has come leaves a line in the log and a count, as any other."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import pytest
from under_attack import Attacked, Provider, model

KEY = "a-key-that-is-long-enough-1234"
PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings")


def ask(attacked: Attacked, path: str, key: str, size: int, *, whole: bool) -> int:
    """The status of a request, of which the head goes out alone or with its body."""
    body = b'{"model": "m", "messages": [], "input": "' + b"x" * size + b'"}'
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", attacked.port), 10) as client:
        client.settimeout(10)
        client.sendall(head.encode() + (body if whole else b""))
        received = b""
        while b"\r\n" not in received:
            data = client.recv(4096)
            assert data, "closed without an answer"
            received += data
    return int(received.split(b" ", 2)[1])


def errors(attacked: Attacked) -> dict[tuple[str, str], float]:
    """By class and source."""
    found = re.findall(r"^llm_gateway_errors_total\{(.*)\} (\S+)$", attacked.http.get("/metrics").text, re.MULTILINE)
    counts: dict[tuple[str, str], float] = {}
    for labels, count in found:
        named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        key = named["class"], named["source"]
        counts[key] = counts.get(key, 0) + float(count)
    return counts


@pytest.mark.parametrize("logger", [False, True], ids=["alone", "with the logger"])
def test_refusals_from_the_head_are_logged_and_counted(
    logger: bool, attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    plugins = [{"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": [KEY]}}]
    plugins += [{"name": "log", "type": "logger"}] if logger else []
    attacked = attack(
        {
            "models": [model("chat", provide().url)],
            "plugins": plugins,
            "server": {"limits": {"maxBodyBytes": 100_000}},
        }
    )

    for path in PATHS:
        assert ask(attacked, path, "wrong", 10, whole=False) == 401
        assert ask(attacked, path, "wrong", 10, whole=True) == 401
        assert ask(attacked, path, KEY, 200_000, whole=False) == 413
        assert ask(attacked, path, "wrong", 200_000, whole=True) == 413

    counts = errors(attacked)
    assert counts["authentication", "plugin"] == 2 * len(PATHS), "the head alone and the whole count alike"
    assert counts["too_large", "client"] == 2 * len(PATHS)
    assert "refused: 401 authentication" in attacked.log
    assert "refused: 413 too_large" in attacked.log
    assert "wrong" not in attacked.log.replace("wrong key", "")
