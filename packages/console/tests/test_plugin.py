"""Who calls models from the playground, and that the plugin costs others nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm_gateway.testing import GatewayClient

ASK = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}


def ask(person: Any, **headers: str) -> Any:
    given = {"cookie": f"llm_gateway_console={person.cookies.get('llm_gateway_console', '')}", **headers}
    return person.gateway.post("/v1/chat/completions", ASK, headers={k.replace("_", "-"): v for k, v in given.items()})


def test_a_session_spends_on_the_limits_of_who_is_signed_in(operator: Any, admin: Any) -> None:
    answers = [ask(operator, x_llm_gateway_console=operator.token) for _ in range(4)]

    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[0].context.principal.id == "console:otto"
    assert answers[-1].headers["x-llm-gateway-limit"] == "few"
    assert ask(admin, x_llm_gateway_console=admin.token).status == 200


def test_a_viewer_and_a_stranger_call_no_model(viewer: Any, stranger: Any, operator: Any) -> None:
    assert ask(viewer, x_llm_gateway_console=viewer.token).status == 401
    assert ask(stranger, x_llm_gateway_console="x").status == 401
    assert ask(stranger).status == 401
    assert ask(viewer, x_llm_gateway_console=operator.token).status == 401


def test_the_cookie_alone_is_not_a_credential_so_other_sites_can_not_spend(operator: Any) -> None:
    assert ask(operator).status == 401


def test_without_signed_in_principals_requests_meet_no_hook_and_no_question(tmp_path: Path) -> None:
    text = "models: [{name: echo, isDefault: true, provider: {type: echo}}]\nplugins: [{name: c, type: console}]"
    with GatewayClient(text, directory=tmp_path) as client:
        assert client.chat().status == 200
        plugin = client.gateway.projects["default"].scope.chain.plugins[0].plugin
        assert not plugin.hooks()
