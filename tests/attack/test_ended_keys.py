"""Keys that have ended open nothing that they opened before."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from under_attack import Attacked, Provider, model

ADMIN = {"authorization": "Bearer an-administration-key-of-some-length"}
FILES = "/gemini/upload/v1beta/files"
START = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
QUERY = {"x-goog-upload-command": "query"}
LAST = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
LINE = b'{"key": "a", "request": {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}}\n'
CONFIGURED = "a-configured-key-of-some-length"


def configuration(url: str, *keys: str) -> dict[str, Any]:
    apikeys = [{"name": key, "key": key} for key in ("another-key-of-some-length", *keys)]
    return {
        "models": [model("gemini", url)],
        "admin": {"enabled": True, "apiKey": ADMIN["authorization"].removeprefix("Bearer ")},
        "plugins": [
            {"name": "made", "type": "virtual-keys"},
            {"name": "configured", "type": "basic-apikey-auth", "config": {"apikeys": apikeys}},
        ],
    }


@pytest.fixture
def attacked(attack: Callable[..., Attacked], provide: Callable[..., Provider]) -> Attacked:
    return attack(configuration(provide().url, CONFIGURED))


def make(attacked: Attacked) -> tuple[str, str]:
    """The id of a new key, and the key."""
    made = attacked.http.post("/admin/v1/keys", headers=ADMIN, json={"name": "ann"}).json()
    return str(made["id"]), str(made["key"])


def begin(attacked: Attacked, key: str) -> str:
    """The address of an upload."""
    about = {"file": {"mimeType": "application/jsonl"}}
    begun = attacked.http.post(FILES, json=about, headers={**START, "x-goog-api-key": key})
    assert begun.status_code == 200
    return str(begun.headers["x-goog-upload-url"])


def send(attacked: Attacked, address: str, content: bytes = LINE) -> httpx.Response:
    return attacked.http.post(address, content=content, headers=LAST)


@pytest.mark.parametrize("content", [LINE, LINE * 20_000], ids=["small", "large"])
def test_an_upload_ends_with_the_key_that_began_it(attacked: Attacked, content: bytes) -> None:
    id_, key = make(attacked)
    address, other = begin(attacked, key), begin(attacked, CONFIGURED)
    assert attacked.http.post(address, headers=QUERY).status_code == 200
    assert attacked.http.post(f"/admin/v1/keys/{id_}/revoke", headers=ADMIN).status_code == 200

    # Workers hear of the change a moment later.
    assert attacked.wait_for(lambda: attacked.http.post(address, headers=QUERY).status_code == 404)
    assert send(attacked, address, content).status_code == 404
    assert send(attacked, other, content).status_code == 200, "those of other keys go on"


def test_an_upload_ends_with_a_key_that_is_configured_no_more(attacked: Attacked) -> None:
    address, other = begin(attacked, CONFIGURED), begin(attacked, make(attacked)[1])
    file = attacked.folder / "gateway.yaml"
    config = json.loads(file.read_text())
    del config["plugins"][1]["config"]["apikeys"][1]
    file.write_text(json.dumps(config))
    assert attacked.http.post("/admin/reload", headers=ADMIN).status_code == 200

    assert send(attacked, address).status_code == 404
    assert send(attacked, other).status_code == 200


def test_an_upload_goes_on_after_its_key_is_rotated(attacked: Attacked) -> None:
    id_, key = make(attacked)
    address = begin(attacked, key)
    assert attacked.http.post(f"/admin/v1/keys/{id_}/rotate", headers=ADMIN, json={}).status_code == 200

    assert send(attacked, address).status_code == 200
