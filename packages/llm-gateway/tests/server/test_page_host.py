"""What pages get to know of the gateway: roles hold within the process too, and no client can pretend to be a page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import Plugin, plugin_metadata
from llm_gateway_sdk.page_host import AdminAnswer, page_host


@plugin_metadata(name="asking")
class Asking(Plugin):
    """A page that asks what its test wants to know."""

    asked: Any = None
    secrets: list[bytes] = []
    services: Any = None

    async def configure(self, config: Any) -> None:
        type(self).services = self.gateway
        type(self).secrets = [self.gateway.secret("a"), self.gateway.secret("b")]

    def pages(self) -> dict[str, Any]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            type(self).asked = await self.question(page_host(scope))
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        return {"/asking": app}

    question: Any = None


CONFIGURATION = """
admin:
  enabled: true
  apiKey: root-credential-0123
  credentials: [{name: vera, key: view-credential-0123, role: viewer}]
store: {url: "sqlite:./state.db"}
models: [{name: echo, isDefault: true, provider: {type: echo}}]
plugins: [{name: asking, type: asking}, {name: keys, type: virtual-keys}]
"""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[GatewayClient]:
    with GatewayClient(CONFIGURATION, directory=tmp_path, extensions=[Asking]) as client:
        yield client


def ask(client: GatewayClient, question: Any) -> Any:
    Asking.question = staticmethod(question)
    assert client.get("/asking").status == 200
    return Asking.asked


def test_a_role_is_held_to_its_rights(client: GatewayClient) -> None:
    async def question(host: Any) -> list[AdminAnswer]:
        made = {"name": "made by a page"}
        return [
            await host.administer("POST", "/keys", by="page", role="viewer", body=made),
            await host.administer("POST", "/keys", by="page", role="admin", body=made),
            await host.administer("GET", "/keys", by="page", role="viewer", query={"limit": "1"}),
            await host.administer("GET", "/nothing", by="page", role="admin"),
        ]

    refused, made, listed, nothing = ask(client, question)
    assert [answer.status for answer in (refused, made, listed, nothing)] == [403, 201, 200, 404]
    assert made.etag == '"1"'
    assert [key["createdBy"] for key in listed.body["items"]] == [made.body["createdBy"]]


def test_credentials_are_known_by_name_and_role(client: GatewayClient) -> None:
    async def question(host: Any) -> Any:
        return [host.identify(each) for each in ("root-credential-0123", "view-credential-0123", "", "wrong")]

    assert ask(client, question) == [("admin", "admin"), ("vera", "viewer"), None, None]


def test_the_state_and_the_addresses_are_shown(client: GatewayClient) -> None:
    async def question(host: Any) -> Any:
        with pytest.raises(LookupError):
            await host.state("secrets")
        states = [await host.state(what) for what in ("health", "version", "breakers", "config")]
        return states, host.addresses(), host.areas()

    states, addresses, areas = ask(client, question)
    assert states[0]["status"] == "ok"
    assert states[3]["projects"]["default"]["models"] == ["echo"]
    assert "/openai/v1/chat/completions" in addresses[""]["openai"]
    assert areas == []


def test_secrets_follow_from_the_credentials_and_the_purpose(client: GatewayClient, tmp_path: Path) -> None:
    first = list(Asking.secrets)
    assert len({*first}) == 2
    assert all(len(each) == 32 for each in first)
    for changed in (CONFIGURATION.replace("view-credential-0123", "view-credential-0124"),
                    CONFIGURATION.replace("role: viewer", "role: admin")):  # fmt: skip
        with GatewayClient(changed, directory=tmp_path, extensions=[Asking]):
            assert not {*Asking.secrets} & {*first}
    with GatewayClient(CONFIGURATION, directory=tmp_path, extensions=[Asking]):
        assert Asking.secrets == first


def test_without_administration_nothing_is_administered(tmp_path: Path) -> None:
    text = "models: [{name: echo, isDefault: true, provider: {type: echo}}]\nplugins: [{name: asking, type: asking}]"

    async def question(host: Any) -> Any:
        await asyncio.sleep(0)
        return await host.administer("GET", "/keys", by="x", role="admin"), host.identify("")

    with GatewayClient(text, directory=tmp_path, extensions=[Asking]) as client:
        answer, known = ask(client, question)
    assert (answer.status, known, Asking.secrets) == (404, None, [b"", b""])


def test_what_is_signed_for_browsers_lets_no_credential_be_guessed(client: GatewayClient) -> None:
    """A stranger may get such a signature: each guess at the credentials from it has to cost."""
    services = Asking.services
    began = time.process_time()

    secret = services.secret("a")

    assert time.process_time() - began > 0.005
    assert secret == Asking.secrets[0] != Asking.secrets[1]
