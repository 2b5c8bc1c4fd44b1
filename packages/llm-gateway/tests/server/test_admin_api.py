"""The administration API: credentials and roles, keys, ETags, pages, problem details, the audit log."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from llm_gateway_limits.admin import limit_routes
from llm_gateway_limits.rules import compile_rules
from llm_gateway_virtual_keys.admin import key_routes
from starlette.testclient import TestClient

from llm_gateway.config.schema import AdminConfig
from llm_gateway.server.admin_api import AdminAPI
from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import StoreUnavailable
from llm_gateway_sdk.admin import AdminError
from llm_gateway_sdk.checks import problems_of
from llm_gateway_sdk.guesses import GuessLimit

CREDENTIALS = [
    {"name": "ann", "key": "view-key", "role": "viewer"},
    {"name": "bob", "key": "op-key", "role": "operator"},
]
LIMITS = [
    {"name": "team", "per": ["team"], "cost": "100 USD", "window": {"calendar": "month"}},
    {"name": "rate", "per": ["key"], "requests": 10, "window": "1m", "mode": "shadow"},
]


class API:
    def __init__(self) -> None:
        self.store = MemoryStore()
        rules = compile_rules(LIMITS)
        plugin = SimpleNamespace(
            admin_routes=lambda: [*key_routes(self.store, b""), *limit_routes(self.store, lambda: rules)],
            admin_identity=self.identity_of,
        )
        mounted = SimpleNamespace(plugin=plugin, name="mounted")
        project = SimpleNamespace(scope=SimpleNamespace(chain=SimpleNamespace(plugins=[mounted, mounted])))
        gateway = SimpleNamespace(
            projects={"default": project},
            store_factory=lambda: ("s", lambda: self.store),
            use_shared=lambda key, factory: factory(),
        )
        config = AdminConfig.model_validate({"enabled": True, "apiKey": "root-key", "credentials": CREDENTIALS})
        control: Any = SimpleNamespace(gateway=gateway, guesses=GuessLimit())
        self.client = TestClient(AdminAPI(config, control, "1.2.3"), base_url="http://testserver")

    async def identity_of(self, credential: str) -> tuple[str, str] | None:
        if credential == "token-of-an-outage":
            raise AdminError(503, "Tokens can't be checked at the moment.")
        if credential == "token-of-silence":
            await asyncio.sleep(3600)
        return {"token-of-cyd": ("cyd", "admin"), "token-of-eve": ("eve", "viewer")}.get(credential)

    def documents(self) -> list[Any]:
        """All that the store keeps but its logs."""
        return asyncio.run(self.store.scan("", limit=1000))

    def __call__(self, method: str, path: str, body: Any = None, key: str = "root-key", **headers: str) -> Any:
        given = {"authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.client.request(method, f"/admin/v1{path}", json=body, headers=given)


@pytest.fixture
def api() -> API:
    return API()


def test_a_plugin_that_checks_credentials_lets_in_by_role(api: API) -> None:
    assert api("POST", "/keys", {"name": "reports"}, key="token-of-cyd").status_code == 201
    assert api("GET", "/keys", key="token-of-eve").status_code == 200
    assert api("POST", "/keys", {"name": "other"}, key="token-of-eve").status_code == 403
    assert api("GET", "/audit").json()["items"][0]["event"]["by"] == "cyd"
    assert api("GET", "/keys", key="token-of-dan").status_code == 401
    assert api("GET", "/keys", key="token-of-an-outage").status_code == 503


def test_a_key_is_made_changed_rotated_and_revoked(api: API) -> None:
    made = api("POST", "/keys", {"name": "reports", "team": "data", "models": ["claude-*"]})
    assert made.status_code == 201
    key_id = made.json()["id"]
    assert made.json()["key"].startswith(f"gw_{key_id}_")
    assert made.headers["etag"] == '"1"'

    shown = api("GET", f"/keys/{key_id}")
    assert "key" not in shown.json()
    assert shown.json()["models"] == ["claude-*"]
    changed = api("PATCH", f"/keys/{key_id}", {"team": "research"}, if_match=shown.headers["etag"])
    assert (changed.status_code, changed.json()["team"]) == (200, "research")
    assert changed.json()["models"] == ["claude-*"]

    rotated = api("POST", f"/keys/{key_id}/rotate", {"grace": 60})
    assert rotated.json()["key"] != made.json()["key"]
    revoked = api("POST", f"/keys/{key_id}/revoke")
    assert revoked.json()["state"] == "revoked"
    assert api("POST", f"/keys/{key_id}/rotate", {}).status_code == 409


def test_a_change_of_what_somebody_else_has_changed_is_refused(api: API) -> None:
    made = api("POST", "/keys", {"name": "n"})
    path = f"/keys/{made.json()['id']}"
    api("PATCH", path, {"team": "a"})

    late = api("PATCH", path, {"team": "b"}, if_match=made.headers["etag"])
    assert late.status_code == 412
    assert late.headers["content-type"] == "application/problem+json"
    assert api("GET", path).json()["team"] == "a"


def test_what_has_not_changed_is_not_sent_again(api: API) -> None:
    made = api("POST", "/keys", {"name": "n"})

    again = api("GET", f"/keys/{made.json()['id']}", if_none_match=made.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")


def test_pages_lead_through_all_keys(api: API) -> None:
    made = {api("POST", "/keys", {"name": f"n{number}"}).json()["id"] for number in range(7)}
    found, after = [], ""
    while True:
        page = api("GET", f"/keys?limit=3&after={after}").json()
        found += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]

    assert found == sorted(made)
    assert api("GET", "/keys?limit=0").status_code == 400


ROLES = {"view-key": 0, "op-key": 1, "root-key": 2}


@pytest.mark.parametrize(
    ("method", "path", "body", "least"),
    [
        ("GET", "/keys", None, 0),
        ("POST", "/keys", {"name": "n"}, 2),
        ("GET", "/keys/{id}", None, 0),
        ("PATCH", "/keys/{id}", {"team": "t"}, 2),
        ("POST", "/keys/{id}/rotate", {}, 2),
        ("POST", "/keys/{id}/revoke", None, 1),
        ("GET", "/audit", None, 2),
        ("GET", "/ledger", None, 0),
        ("GET", "/limits", None, 0),
        ("GET", "/limits/rules", None, 0),
        ("GET", "/limits/events", None, 0),
        ("GET", "/limits/overrides", None, 0),
        ("POST", "/limits/overrides", {"limit": "team", "amount": "5 USD"}, 2),
        ("GET", "/store", None, 0),
        ("GET", "/principals", None, 0),
        ("GET", "/openapi.json", None, 0),
    ],
)
def test_each_route_needs_its_role(api: API, method: str, path: str, body: Any, least: int) -> None:
    key_id = api("POST", "/keys", {"name": "n"}).json()["id"]
    for key, rank in ROLES.items():
        status = api(method, path.format(id=key_id), body, key=key).status_code
        assert (status == 403) == (rank < least), (key, status)
        assert status < 400 or rank < least
    for wrong in ("x", "root-ke", "root-keyy", "ROOT-KEY"):
        assert api(method, path.format(id=key_id), body, key=wrong).status_code == 401


def test_guesses_are_slowed_down(api: API) -> None:
    statuses = [api("GET", "/keys", key=f"guess-{number}").status_code for number in range(40)]

    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert api("GET", "/keys").status_code == 429


def test_guesses_of_others_do_not_shut_out_who_was_right_before(api: API) -> None:
    assert api("GET", "/keys").status_code == 200
    for number in range(40):
        api("GET", "/keys", key=f"guess-{number}")

    assert api("GET", "/keys").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/keys/nothing", None, 404),
        ("DELETE", "/keys", None, 405),
        ("POST", "/keys", {}, 422),
        ("POST", "/keys", {"name": ""}, 422),
        ("POST", "/keys", {"name": "n", "digest": "x"}, 422),
        ("POST", "/keys", {"name": "n", "models": "all"}, 422),
        ("PATCH", "/keys/nothing", {"team": "t"}, 404),
        ("GET", "/explain/nothing", None, 404),
        ("GET", "/usage?since=yesterday", None, 400),
        ("GET", "/usage", None, 404),
        ("GET", "/ledger?since=yesterday", None, 400),
    ],
)
def test_problems_have_details(api: API, method: str, path: str, body: Any, status: int) -> None:
    reply = api(method, path, body)

    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= set(reply.json())
    assert reply.json()["status"] == status


def test_every_change_is_in_the_audit_log_and_no_secret_is(api: API) -> None:
    made = api("POST", "/keys", {"name": "n"}).json()
    api("POST", f"/keys/{made['id']}/revoke", key="op-key")

    page = api("GET", "/audit").json()
    assert [(each["event"]["action"], each["event"]["by"]) for each in page["items"]] == [
        ("key.create", "admin"), ("key.revoke", "bob"),
    ]  # fmt: skip
    assert made["key"].rpartition("_")[2] not in str(page)
    assert "digest" not in str(page)


CHANGES: dict[str, Any] = {
    "createKey": ("/keys", {"name": "n", "team": "t"}),
    "updateKey": ("/keys/{key}", {"team": "other"}),
    "rotateKey": ("/keys/{key}/rotate", {}),
    "revokeKey": ("/keys/{key}/revoke", None),
    "createOverride": ("/limits/overrides", {"limit": "team", "amount": "5 USD", "subject": {"team": "a"}}),
    "deleteOverride": ("/limits/overrides/{override}", None),
}
"""A call of each route that changes something, by the operation's name."""


def changing(api: API) -> dict[str, tuple[str, str, Any]]:
    """Method, path and body of a call of each; a route without one here is an error."""
    made = api("POST", "/keys", {"name": "first"}).json()
    override = api("POST", "/limits/overrides", {"limit": "team", "amount": "5 USD"}).json()
    found = {}
    for path, methods in api("GET", "/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            if method != "get":
                name = operation["operationId"]
                place, body = CHANGES[name]
                assert path.removeprefix("/admin/v1").count("/") == place.count("/")
                found[name] = method.upper(), place.format(key=made["id"], override=override["id"]), body
    return found


def test_every_route_that_changes_something_is_in_the_audit_log(api: API) -> None:
    calls = changing(api)
    assert calls.keys() == CHANGES.keys()
    for name, (method, path, body) in calls.items():
        earlier = len(api("GET", "/audit").json()["items"])
        reply = api(method, path, body)
        assert reply.status_code < 300, (name, reply.text)
        added = [each["event"] for each in api("GET", "/audit").json()["items"][earlier:]]
        assert len(added) == 1, name
        [event] = added
        assert event["by"] == "admin"
        assert event["from"]
        assert event["subject"].partition(":")[2]
        assert event["before"] or event["after"], name
        assert event["before"] != event["after"], name
        assert "outcome" not in event
        words = reply.json().get("key", "") if reply.content else ""
        assert not words or words not in str(event)


@pytest.mark.parametrize("name", CHANGES)
def test_what_can_not_be_written_down_is_not_changed(api: API, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    calls = changing(api)
    before = str([api.documents(), api("GET", "/audit").json()])

    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(api.store, "append", away)
        assert api(*calls[name]).status_code == 503

    assert str([api.documents(), api("GET", "/audit").json()]) == before


def test_a_change_that_fails_after_it_was_written_down_is_marked(api: API, monkeypatch: pytest.MonkeyPatch) -> None:
    made = api("POST", "/keys", {"name": "n"}).json()

    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(api.store, "put", away)
        assert api("PATCH", f"/keys/{made['id']}", {"team": "t"}).status_code == 503

    events = [each["event"] for each in api("GET", "/audit").json()["items"]]
    assert [(each["action"], each.get("outcome")) for each in events[1:]] == [
        ("key.update", None), ("key.update", "unknown"),
    ]  # fmt: skip


def test_a_store_that_is_away_is_503(api: API, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(api.store, "scan", away)
    reply = api("GET", "/keys")

    assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")


def test_a_plugin_that_does_not_answer_keeps_no_caller_waiting(api: API, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_gateway.server.admin_api._IDENTITY_SECONDS", 0.05)
    assert api("GET", "/keys", key="token-of-silence").status_code == 401
    assert api("GET", "/keys").status_code == 200


def test_neither_does_an_address_of_its(api: API, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(3600)

    monkeypatch.setattr("llm_gateway.server.admin_api._ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(api.store, "scan", silent)

    assert api("GET", "/keys").status_code == 504


def test_replies_are_what_the_document_promises(api: API) -> None:
    document = api("GET", "/openapi.json").json()
    components = {"components": document["components"]}
    made = api("POST", "/keys", {"name": "n"}).json()
    for path, method, reply in (
        ("/keys", "get", api("GET", "/keys")),
        ("/keys/{id}", "get", api("GET", f"/keys/{made['id']}")),
        ("/store", "get", api("GET", "/store")),
        ("/audit", "get", api("GET", "/audit")),
        ("/ledger", "get", api("GET", "/ledger")),
        ("/limits", "get", api("GET", "/limits")),
        ("/limits/rules", "get", api("GET", "/limits/rules")),
        ("/limits/events", "get", api("GET", "/limits/events")),
        ("/limits/overrides", "get", api("GET", "/limits/overrides")),
    ):
        content = document["paths"][f"/admin/v1{path}"][method]["responses"]["200"]["content"]
        assert problems_of(reply.json(), {**content["application/json"]["schema"], **components}) == []
    assert len({op["operationId"] for each in document["paths"].values() for op in each.values()}) == sum(
        map(len, document["paths"].values())
    )


def test_a_parameter_that_an_address_does_not_know_is_refused_rather_than_ignored(api: API) -> None:
    """`?team=x` of an address without that filter would show everybody's."""
    document = api("GET", "/openapi.json").json()
    asked = 0
    for path, methods in document["paths"].items():
        for method in methods:
            place = path.removeprefix("/admin/v1").replace("{", "").replace("}", "")
            reply = api(method.upper(), f"{place}?no-such-filter=x", {"name": "x"} if method != "get" else None)
            if reply.status_code == 422:
                continue  # its body is wrong first
            assert (reply.status_code, "no-such-filter" in reply.text) == (400, True), (method, path, reply.text)
            asked += 1
    assert asked > 8


@pytest.mark.parametrize("body", [b'{"name": "\\ud800"}', b'{"name": "n", "tags": ["\\ud800"]}', b'{"\\ud800": 1}'])
def test_a_text_that_no_page_could_show_is_not_taken(api: API, body: bytes) -> None:
    headers = {"authorization": "Bearer root-key", "content-type": "application/json"}

    refused = api.client.post("/admin/v1/keys", content=body, headers=headers)

    assert refused.status_code == 400
    assert "half of a letter" in refused.json()["detail"]
    assert api("GET", "/keys").json()["items"] == []


def test_what_was_taken_before_is_shown(api: API) -> None:
    asyncio.run(api.store.append("audit", [{"name": "\ud800"}]))

    assert api("GET", "/audit").json()["items"][-1]["event"] == {"name": "\ud800"}


@pytest.mark.parametrize("after", ["%00", "%ff", "x", "-1", "9" * 30, "1-", "%D9%A1", "1e3"])
@pytest.mark.parametrize("path", ["/audit", "/limits/events"])
def test_a_page_begins_where_another_ended_or_is_refused(api: API, path: str, after: str) -> None:
    assert api("GET", f"{path}?after={after}").status_code == 400
