"""Paths of the management pages, in both spellings and without redirects."""

from __future__ import annotations

import pytest

from llm_gateway.loading import load_text
from llm_gateway.server.management import management_paths
from llm_gateway.testing import GatewayClient

ADMIN = """
logging: {level: error}
admin: {enabled: true, apiKey: an-admin-key}
models: [{name: m, isDefault: true, provider: {type: echo}}]
"""


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    "path", ["/health", "/health/live", "/health/ready", "/metrics", "/admin/config", "/admin/breakers"]
)
def test_each_page_has_both_spellings_and_no_redirect(path: str, slash: str) -> None:
    with GatewayClient(ADMIN) as client:
        answer = client.get(path + slash, headers={"authorization": "Bearer an-admin-key", "host": "elsewhere.example"})

        assert answer.status == 200
        assert "location" not in answer.headers


def test_the_pages_are_distinguished_from_model_routes() -> None:
    is_page = management_paths(load_text(ADMIN).config)

    for path in ("/", "/health", "/health/", "/metrics", "/admin", "/admin/", "/admin/anything"):
        assert is_page(path), path
    for path in ("/v1/models", "/healthy", "/administration", "/metrics/more"):
        assert not is_page(path), path


def test_wrong_administration_keys_are_limited() -> None:
    with GatewayClient(ADMIN) as client:
        wrong = [client.get("/admin/config/", headers={"authorization": f"Bearer {n}"}).status for n in range(22)]

        assert wrong == [401] * 20 + [429] * 2
        assert client.get("/admin/config", headers={"authorization": "Bearer an-admin-key"}).status == 429


def test_guesses_of_others_do_not_shut_out_an_administrator_at_the_same_address() -> None:
    right = {"authorization": "Bearer an-admin-key"}
    with GatewayClient(ADMIN) as client:
        assert client.get("/admin/config", headers=right).status == 200
        for number in range(30):
            client.get("/admin/config", headers={"authorization": f"Bearer {number}"})

        assert client.get("/admin/config", headers=right).status == 200
