"""Where a project asks only some requests for a credential, no page of another site sends the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from under_attack import PATHS, Attacked, Provider, asking, model

KEY = "a-configured-key-of-some-length"
FOREIGN = [
    {"host": "attacker.example"},
    {"origin": "https://attacker.example"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site"},
]
CONDITIONS: list[dict[str, Any]] = [{"paths": [PATHS["chat"]]}, {"models": ["kept"]}]


@pytest.fixture(scope="module", params=CONDITIONS, ids=["by path", "by model"])
def attacked(request: Any, attack: Callable[..., Attacked], provide: Callable[..., Provider]) -> Attacked:
    url = provide().url
    keys = {"apikeys": [KEY]}
    return attack(
        {
            "models": [model("chat", url, "kept"), model("chat", url, "open")],
            "plugins": [
                {"name": "keys", "type": "basic-apikey-auth", "config": keys, "conditions": request.param},
            ],
        }
    )


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: next(iter(headers)))
def test_a_page_of_another_site_sends_no_request_without_a_credential(
    headers: dict[str, str], attacked: Attacked
) -> None:
    asked = asking("anthropic", name="open")
    for _ in range(2):
        assert attacked.http.post(PATHS["anthropic"], json=asked).status_code == 200
        assert attacked.http.post(PATHS["anthropic"], json=asked, headers=headers).status_code == 403
    assert attacked.http.get("/v1/models", headers=headers).status_code == 403


def test_requests_that_need_one_come_by_any_name(attacked: Attacked) -> None:
    headers = {"host": "gateway.company.example"}
    asked = asking("chat", name="kept")

    assert attacked.http.post(PATHS["chat"], json=asked, headers=headers).status_code == 401
    reply = attacked.http.post(PATHS["chat"], json=asked, headers={**headers, "authorization": f"Bearer {KEY}"})
    assert reply.status_code == 200
