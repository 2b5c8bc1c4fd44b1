"""The playground's page: what it offers, and to whom."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from console_recorded import Recorded

from llm_gateway.testing import GatewayClient

ADMIN = "admin-credential-0123456789"


def offered(page: str) -> dict[str, Any]:
    found = re.search(r'data-offered="([^"]*)"', page)
    assert found is not None
    return json.loads(html.unescape(found[1]))  # type: ignore[no-any-return]


def test_it_offers_each_api_at_its_address(operator: Any) -> None:
    (project,) = offered(operator.get("/playground").text).values()

    assert project["models"] == ["echo"]
    assert "/openai/v1/chat/completions" in project["apis"].values()
    assert "/anthropic/v1/messages" in project["apis"].values()


def test_sending_needs_the_role_operator(viewer: Any) -> None:
    answer = viewer.get("/playground")

    assert answer.status == 403
    assert "needs the role operator" in answer.text
    assert "data-token" not in answer.text


def test_a_session_pays_only_where_the_console_allows_it(operator: Any, tmp_path: Path) -> None:
    assert "data-token" in operator.get("/playground").text

    text = f"""
admin: {{enabled: true, apiKey: {ADMIN}}}
models: [{{name: echo, isDefault: true, provider: {{type: echo}}}}]
projects: [{{name: shop}}]
plugins: [{{name: console, type: console}}]
"""
    with GatewayClient(text, directory=tmp_path, extensions=[Recorded]) as gateway:
        signed = gateway.request(
            "POST", "/console/sign-in", body=f"credential={ADMIN}".encode(),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        page = gateway.get("/console/playground", headers={"cookie": signed.headers["set-cookie"].partition(";")[0]})

    assert "data-token" not in page.text
    projects = offered(page.text)
    assert set(projects) == {"default", "shop"}
    assert "/shop/openai/v1/chat/completions" in projects["shop"]["apis"].values()


def test_names_of_models_can_not_leave_their_attribute(tmp_path: Path) -> None:
    text = f"""
admin: {{enabled: true, apiKey: {ADMIN}}}
models: [{{name: "a\\"><b>", isDefault: true, provider: {{type: echo}}}}]
plugins: [{{name: console, type: console}}]
"""
    with GatewayClient(text, directory=tmp_path) as gateway:
        signed = gateway.request(
            "POST", "/console/sign-in", body=f"credential={ADMIN}".encode(),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        page = gateway.get("/console/playground", headers={"cookie": signed.headers["set-cookie"].partition(";")[0]})

    assert '"><b>' not in page.text
    assert offered(page.text)["default"]["models"] == ['a"><b>']
