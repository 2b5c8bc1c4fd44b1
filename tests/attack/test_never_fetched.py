"""Requests go to the providers of the configuration and nowhere else: what a client names is never fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from under_attack import PATHS, Attacked, Provider, asking, model

DIALECTS = ("chat", "responses", "anthropic", "gemini")
ELSEWHERE = "@@elsewhere@@"
"""In place of the address of a server that no configuration names."""
USER = {"role": "user"}


def naming() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(name, client, fields of its request) for each place of an address."""
    for kind, part in {
        "image": {"type": "image_url", "image_url": {"url": f"{ELSEWHERE}/x.png"}},
        "file": {"type": "file", "file": {"file_data": f"{ELSEWHERE}/x.pdf", "filename": "x.pdf"}},
        "video": {"type": "video_url", "video_url": {"url": f"{ELSEWHERE}/x.mp4"}},
        "sound": {"type": "input_audio", "input_audio": {"data": f"{ELSEWHERE}/x.mp3", "format": "mp3"}},
    }.items():
        yield kind, "chat", {"messages": [{**USER, "content": [part]}]}
    for kind, part in {
        "image": {"type": "input_image", "image_url": f"{ELSEWHERE}/x.png"},
        "file": {"type": "input_file", "file_url": f"{ELSEWHERE}/x.pdf"},
    }.items():
        yield kind, "responses", {"input": [{**USER, "content": [part]}]}
    tool = {"type": "mcp", "server_label": "a", "server_url": f"{ELSEWHERE}/mcp", "require_approval": "never"}
    yield "tool", "responses", {"tools": [tool]}
    for kind, part in {
        "image": {"type": "image", "source": {"type": "url", "url": f"{ELSEWHERE}/x.png"}},
        "file": {"type": "document", "source": {"type": "url", "url": f"{ELSEWHERE}/x.pdf"}},
    }.items():
        yield kind, "anthropic", {"messages": [{**USER, "content": [part]}]}
    yield "tool", "anthropic", {"mcp_servers": [{"type": "url", "name": "a", "url": f"{ELSEWHERE}/mcp"}]}
    part = {"fileData": {"fileUri": f"{ELSEWHERE}/x.png", "mimeType": "image/png"}}
    yield "file", "gemini", {"contents": [{**USER, "parts": [part]}]}
    for client in DIALECTS:
        for name in ("base_url", "api_base", "baseUrl", "endpoint", "proxy", "webhook_url"):
            yield name, client, {name: ELSEWHERE}


NAMING = list(naming())
STEERING = ["x-forwarded-host", "x-base-url", "x-portkey-custom-host", "x-original-url", "x-rewrite-url", "forwarded"]


@pytest.fixture(scope="module")
def provider(provide: Callable[..., Provider]) -> Provider:
    return provide()


@pytest.fixture(scope="module")
def elsewhere(provide: Callable[..., Provider]) -> Provider:
    return provide()


@pytest.fixture(scope="module")
def gateway(attack: Callable[..., Attacked], provider: Provider) -> Attacked:
    hider = {"name": "hide", "type": "regex-hider", "config": {"patterns": [{"pattern": "secret"}]}}
    return attack(
        {
            "models": [model(dialect, provider.url, dialect) for dialect in DIALECTS],
            "projects": [{"name": "hiding", "plugins": [hider]}],
            "plugins": [],
        }
    )


def filled(value: Any, url: str) -> Any:
    if isinstance(value, dict):
        return {key: filled(inner, url) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, url) for inner in value]
    return value.replace(ELSEWHERE, url) if isinstance(value, str) else value


@pytest.mark.parametrize(("name", "client", "fields"), NAMING, ids=[f"{client} {name}" for name, client, _ in NAMING])
def test_an_address_in_a_request_is_not_asked(
    name: str, client: str, fields: dict[str, Any], gateway: Attacked, provider: Provider, elsewhere: Provider
) -> None:
    provider.sent.clear()
    answered = 0
    for project in ("", "/hiding"):
        for target in DIALECTS:
            path = f"{project}{PATHS[client]}".replace("/m:", f"/{target}:")
            reply = gateway.http.post(path, json={**asking(client, name=target), **filled(fields, elsewhere.url)})
            assert reply.status_code < 500
            answered += reply.status_code == 200

    assert not elsewhere.sent
    assert len(provider.sent) == answered


@pytest.mark.parametrize("name", STEERING)
def test_no_header_leads_elsewhere(name: str, gateway: Attacked, provider: Provider, elsewhere: Provider) -> None:
    provider.sent.clear()
    host = elsewhere.url.removeprefix("http://")
    for value in (elsewhere.url, host, f"host={host}"):
        reply = gateway.http.post(PATHS["chat"], json=asking("chat", name="chat"), headers={name: value})
        assert reply.status_code == 200

    assert not elsewhere.sent
    assert len(provider.sent) == 3
