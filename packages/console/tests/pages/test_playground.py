"""The playground's page: what it offers, and to whom."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from console_people import ADMIN, CONFIGURATION, OPERATOR, VIEWER, Person
from console_recorded import Recorded

from llm_gateway.testing import GatewayClient


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


def test_what_a_session_sends_is_on_its_own_budget_and_redacted(tmp_path: Path) -> None:
    hide = {"pattern": "[\\w.]+@[\\w.]+\\w", "replacement": "[ADDRESS]"}
    text = (
        f"{CONFIGURATION}  - {json.dumps({'name': 'redaction', 'type': 'regex-hider', 'config': {'patterns': [hide]}})}"
    )
    ask = {"model": "echo", "messages": [{"role": "user", "content": "Write to ann@example.com"}]}
    with GatewayClient(text, directory=tmp_path) as client:

        def sent(person: Person) -> Any:
            cookie = f"llm_gateway_console={person.cookies['llm_gateway_console']}"
            headers = {"cookie": cookie, "x-llm-gateway-console": person.token}
            return client.post("/v1/chat/completions", ask, headers=headers)

        otto, admin, viewer = (Person(client).sign_in(each) for each in (OPERATOR, ADMIN, VIEWER))
        answers = [sent(otto) for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429], "`few` allows three an hour per key"
        assert "Write to [ADDRESS]" in answers[0].text
        assert sent(admin).status == 200, "each has a budget"
        assert sent(viewer).status in (401, 403)
