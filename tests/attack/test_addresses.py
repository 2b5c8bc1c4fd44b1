"""Addresses of images, files and tools: what is hidden in texts is hidden in them, with their escapes undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import pytest
from test_never_fetched import DIALECTS, ELSEWHERE, NAMING
from under_attack import PATHS, Attacked, Provider, asking, model

SECRET = "ann+1@patients.example"
ESCAPED = quote(SECRET, safe="")
ADDRESSES = {
    "query": f"https://files.example/a?mail={SECRET}&x=1",
    "escaped query": f"https://files.example/a?mail={ESCAPED}&x=1",
    "small letters": f"https://files.example/a?mail={ESCAPED.lower()}",
    "escaped path": f"https://files.example/{ESCAPED}/a.png",
    "every letter": "https://files.example/" + "".join(f"%{byte:02X}" for byte in SECRET.encode()),
    "user": f"https://{ESCAPED}:password@files.example/a.png",
    "fragment": f"https://files.example/a.png#{ESCAPED}",
    "other scheme": f"gs://bucket/{ESCAPED}",
    "data": f"data:text/plain,{ESCAPED}",
}


@pytest.fixture(scope="module")
def provider(provide: Callable[..., Provider]) -> Provider:
    return provide()


@pytest.fixture(scope="module")
def gateway(attack: Callable[..., Attacked], provider: Provider) -> Attacked:
    pattern = r"[\w.+-]+@[\w-]+\.example"
    return attack(
        {
            "models": [model(dialect, provider.url, dialect) for dialect in DIALECTS],
            "plugins": [{"name": "hide", "type": "regex-hider", "config": {"patterns": [{"pattern": pattern}]}}],
        }
    )


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_what_is_hidden_in_texts_is_hidden_in_addresses(address: str, gateway: Attacked, provider: Provider) -> None:
    sent = 0
    for name, client, fields in NAMING:
        if name not in ("image", "file", "video", "tool"):
            continue
        for target in (client, DIALECTS[DIALECTS.index(client) - 1]):
            path = PATHS[client].replace("/m:", f"/{target}:")
            body: dict[str, Any] = {**asking(client, name=target), **replaced(fields, address)}
            provider.texts()
            reply = gateway.http.post(path, json=body)
            texts = provider.texts()
            assert SECRET not in unquote(texts), (name, client, target)
            assert reply.status_code < 500
            sent += bool(texts)

    assert sent > 8


def replaced(value: Any, address: str) -> Any:
    """The fields with this address in place of one of another server."""
    if isinstance(value, dict):
        return {key: replaced(inner, address) for key, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, address) for inner in value]
    return address if isinstance(value, str) and value.startswith(ELSEWHERE) else value
