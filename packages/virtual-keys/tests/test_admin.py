"""The routes for keys: what each takes and shows, and that a secret is shown once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import pytest
from llm_gateway_virtual_keys.admin import key_routes

from llm_gateway_sdk import Store
from llm_gateway_sdk.admin import AdminCall, AdminError, AdminReply
from llm_gateway_sdk.store import Conflict


class Api:
    def __init__(self, store: Store) -> None:
        self._routes = {route.name: route for route in key_routes(store, b"pepper" * 6)}

    def __call__(
        self,
        name: str,
        id_: str = "",
        body: Any = None,
        *,
        version: int | None = None,
        **query: str,
    ) -> AdminReply:
        call = AdminCall("ada", "10.0.0.1", {"id": id_}, query, body, version)
        return asyncio.run(self._routes[name].handler(call))


@pytest.fixture
def api(store: Store) -> Api:
    return Api(store)


def test_a_new_key_is_shown_once(api: Api) -> None:
    made = api("createKey", body={"name": "reports", "team": "search", "models": ["a"], "labels": {"x": "y"}})
    shown = api("getKey", made.body["id"])

    assert made.status == 201
    assert made.body["key"].startswith("gw_")
    assert made.body["key"] not in str(shown.body)
    assert shown.body == {name: value for name, value in made.body.items() if name != "key"}
    assert (shown.body["createdBy"], shown.body["models"]) == ("ada", ["a"])
    assert "created_by" not in shown.body


def test_a_page_ends_where_fewer_keys_come_and_the_next_begins_there(api: Api) -> None:
    ids = sorted(api("createKey", body={"name": str(number)}).body["id"] for number in range(5))

    first = api("listKeys", limit="2").body
    second = api("listKeys", limit="2", after=first["next"]).body
    last = api("listKeys", limit="2", after=second["next"]).body

    assert [item["id"] for page in (first, second, last) for item in page["items"]] == ids
    assert last["next"] is None


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "", "²"])
def test_the_size_of_a_page_is_checked(api: Api, limit: str) -> None:
    with pytest.raises(AdminError) as refused:
        api("listKeys", limit=limit)

    assert refused.value.status == 400


def test_keys_are_found_by_holder_and_an_empty_search_finds_all(api: Api) -> None:
    api("createKey", body={"name": "one", "team": "search"})
    api("createKey", body={"name": "two", "team": "billing"})

    assert [item["name"] for item in api("listKeys", q="search").body["items"]] == ["one"]
    assert len(api("listKeys", q="  ").body["items"]) == 2
    assert api("listKeys", q="nothing like it").body == {"items": [], "next": None}


def test_changes_are_shown_with_the_new_version(api: Api) -> None:
    made = api("createKey", body={"name": "one", "models": ["a"]})

    changed = api("updateKey", made.body["id"], {"models": None, "team": "search"}, version=1)

    assert (changed.body["models"], changed.body["team"], changed.version) == (None, "search", 2)


@pytest.mark.parametrize("name", ["updateKey", "rotateKey", "revokeKey"])
def test_a_change_of_an_older_version_is_a_conflict(api: Api, name: str) -> None:
    id_ = api("createKey", body={"name": "one"}).body["id"]
    api("updateKey", id_, {"team": "search"})

    with pytest.raises(Conflict):
        api(name, id_, {"team": "other"} if name == "updateKey" else None, version=1)


@pytest.mark.parametrize("name", ["getKey", "updateKey", "rotateKey", "revokeKey"])
def test_a_key_that_does_not_exist_is_404(api: Api, name: str) -> None:
    with pytest.raises(AdminError) as missing:
        api(name, "0" * 16, {"team": "x"})

    assert missing.value.status == 404


def test_a_rotated_key_has_another_secret_and_the_same_id(api: Api) -> None:
    made = api("createKey", body={"name": "one"}).body

    rotated = api("rotateKey", made["id"], {"grace": 60})

    assert rotated.body["id"] == made["id"]
    assert rotated.body["key"] != made["key"]
    assert rotated.body["formerUntil"] is not None
    assert rotated.version == 2


def test_a_revoked_key_has_no_further_secret(api: Api) -> None:
    id_ = api("createKey", body={"name": "one"}).body["id"]
    revoked = api("revokeKey", id_)

    assert revoked.body["state"] == "revoked"
    with pytest.raises(AdminError) as refused:
        api("rotateKey", id_)
    assert refused.value.status == 409


def test_principals_are_the_holders_of_usable_keys_without_their_secrets(api: Api) -> None:
    api("createKey", body={"name": "good", "user": "eve"})
    api("createKey", body={"name": "expired", "expires": 1.0})
    api("revokeKey", api("createKey", body={"name": "revoked"}).body["id"])

    (principal,) = api("listPrincipals").body["items"]
    assert (principal["name"], principal["user"]) == ("good", "eve")
    assert "state" not in principal


def test_every_route_describes_what_it_takes_and_gives(store: Store) -> None:
    routes = key_routes(store, b"")
    titles: dict[str, Mapping[str, Any]] = {}
    for route in routes:
        for schema in (route.takes, route.gives):
            if schema is not None:
                assert titles.setdefault(schema["title"], schema) == schema, "one title, one schema"
        assert all(set(schema["required"]) <= set(schema["properties"]) for schema in [route.gives] if schema)

    assert all(re.fullmatch(r"[a-z]+[A-Za-z]+", route.name) for route in routes)
    changing = {route.name for route in routes if route.method != "GET"}
    assert {route.name for route in routes if route.role == "viewer"} == {route.name for route in routes} - changing
