"""A provider sees one model, the one that was looked at: whichever of two members its reader takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from under_attack import Attacked, Provider, model

DIALECTS = {
    "chat": ("/v1/chat/completions", '"messages":[{"role":"user","content":"hello"}]'),
    "responses": ("/v1/responses", '"input":"hello"'),
    "anthropic": ("/v1/messages", '"max_tokens":9,"messages":[{"role":"user","content":"hello"}]'),
}
SECONDS = {
    "the first of two": '{"model":"dear",%s,"model":"m"}',
    "capitals after it": '{"model":"m",%s,"MODEL":"dear"}',
    "capitals before it": '{"Model":"dear","model":"m",%s}',
    "with an escape": '{"mod\\u0065l":"dear","model":"m",%s}',
    "capitals alone": '{"MODEL":"dear",%s}',
    "after a long text": '{"model":"m","metadata":{"a":"' + "a" * (2 << 20) + '"},%s,"Model":"dear"}',
}


@pytest.mark.parametrize("body", SECONDS.values(), ids=SECONDS)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("named", ["m", "another-name"])
def test_a_second_model_does_not_leave(
    dialect: str, named: str, body: str, attack: Callable[..., Attacked], provider: Provider
) -> None:
    attacked = gateways(attack, provider.url, named)
    path, rest = DIALECTS[dialect]
    provider.texts()

    reply = attacked.http.post(
        f"/by-{dialect}{path}", content=(body % rest).encode(), headers={"content-type": "application/json"}
    )

    assert reply.status_code == 200, reply.text
    assert "dear" not in provider.texts()


UNTOUCHED = {
    "in a nested value": '{"model": "m", "metadata": {"model": "x", "Model": "y"}, %s}',
    "as a value": '{"model": "m", "user": "model", %s}',
    "an escape in a text": '{"model": "m", "user": "\\u0041", %s}',
    "a large body": '{"model": "m", "metadata": {"a": "' + "a" * (600 << 10) + '"}, %s}',
}


@pytest.mark.parametrize("body", UNTOUCHED.values(), ids=UNTOUCHED)
def test_a_body_with_one_model_leaves_as_it_came(
    body: str, attack: Callable[..., Attacked], provider: Provider
) -> None:
    attacked = gateways(attack, provider.url, "m")
    path, rest = DIALECTS["chat"]
    provider.texts()

    sent = body % rest
    reply = attacked.http.post(f"/by-chat{path}", content=sent.encode(), headers={"content-type": "application/json"})

    assert reply.status_code == 200, reply.text
    assert sent in provider.texts()


@pytest.fixture(scope="module")
def provider(provide: Callable[..., Provider]) -> Provider:
    return provide()


_STARTED: dict[str, Attacked] = {}


def gateways(attack: Callable[..., Attacked], url: str, named: str) -> Attacked:
    """One for each name that the provider has for the model."""
    if named not in _STARTED:
        projects = [
            {"name": f"by-{dialect}", "models": [{**model(dialect, url, "m", model=named), "isDefault": True}]}
            for dialect in DIALECTS
        ]
        _STARTED[named] = attack({"projects": projects})
    return _STARTED[named]
