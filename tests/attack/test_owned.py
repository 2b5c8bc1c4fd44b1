"""Files and batches: what a provider writes into their descriptions is hidden too, at once and when they are listed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from under_attack import Attacked, Provider, Reply, Sent, model

SECRET = "123-45-6789"
CODE = "nightfall-4711"
PATHS = {"file": "/v1/files", "batch": "/v1/batches", "messages batch": "/v1/messages/batches"}


def described(sent: Sent) -> Reply:
    """A provider that quotes what it was sent in its descriptions."""
    words = f"line 1 has {SECRET}" if "nightfall" not in sent.body.decode(errors="replace") else f"it is {CODE}"
    errors = {"object": "list", "data": [{"code": "invalid", "message": words, "line": 1}]}
    body = {"id": "thing_1", "object": "thing", "filename": f"{SECRET}.jsonl", "purpose": "batch", "errors": errors}
    return Reply({**body, "status": "validating", "processing_status": "in_progress", "note": words})


@pytest.fixture(scope="module")
def attacked(attack: Callable[..., Attacked], provide: Callable[..., Provider]) -> Attacked:
    provider = provide(described)
    patterns = [
        {"pattern": r"\d{3}-\d\d-\d{4}", "replacement": "[SSN]"},
        {"pattern": r"nightfall-\d+", "blockOnMatch": True, "applyTo": "response"},
    ]
    return attack(
        {
            "models": [model("chat", provider.url, "m"), model("anthropic", provider.url, "a")],
            "plugins": [{"name": "hide", "type": "regex-hider", "config": {"patterns": patterns}}],
        }
    )


def create(attacked: Attacked, kind: str, words: str) -> Any:
    if kind == "file":
        body = {"model": "m", "user": words}
        line = json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body})
        return attacked.http.post("/v1/files", files={"file": ("a.jsonl", line)}, data={"purpose": "batch"})
    if kind == "batch":
        body = {"input_file_id": "thing_1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        return attacked.http.post("/v1/batches", json={**body, "metadata": {"k": words}})
    params = {"model": "a", "max_tokens": 5, "messages": [{"role": "user", "content": words}]}
    return attacked.http.post("/v1/messages/batches", json={"requests": [{"custom_id": "a", "params": params}]})


def test_descriptions_are_hidden_when_they_come_and_when_they_are_listed(attacked: Attacked) -> None:
    for kind, path in PATHS.items():
        made = create(attacked, kind, "fine")
        read = attacked.http.get(f"{path}/thing_1")
        listed = attacked.http.get(path)

        for reply in (made, read, listed):
            assert reply.status_code == 200, reply.text
            assert SECRET not in reply.text
            assert "[SSN]" in reply.text
        assert listed.json()["data"][0]["id"] == made.json()["id"] == "thing_1"


def test_a_description_that_is_refused_is_not_listed_either(attacked: Attacked) -> None:
    for kind, path in PATHS.items():
        made = create(attacked, kind, "about nightfall-none")

        assert made.status_code == 400
        assert CODE not in made.text
        assert CODE not in attacked.http.get(path).text
