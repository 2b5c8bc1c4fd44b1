"""Keys in the console: made, shown once, searched, rotated and revoked, by who may."""

from __future__ import annotations

import re
from typing import Any

import pytest


def made(person: Any, **fields: str) -> Any:
    return person.post("/keys", {"token": person.token, "name": "reports", **fields})


def key_id(page: str) -> str:
    found = re.search(r'name="id" value="(\w+)"', page)
    assert found is not None
    return found[1]


def test_a_new_key_is_shown_this_once(admin: Any) -> None:
    page = made(admin, team="search", models="echo, other ,", projects="").text
    (secret,) = re.findall(r'id="made-key">([^<]+)<', page)

    assert "The key “reports” has been created." in page
    assert "models: echo, other" in page
    assert "team search" in page
    again = admin.get("/keys").text
    assert secret not in again
    assert "made-key" not in again


def test_a_key_that_was_made_opens_the_gateway_until_it_is_revoked(admin: Any) -> None:
    page = made(admin).text
    (secret,) = re.findall(r'id="made-key">([^<]+)<', page)
    body = b'{"model": "echo", "messages": [{"role": "user", "content": "hi"}]}'
    ask = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    assert admin.gateway.request("POST", "/openai/v1/chat/completions", body=body, headers=ask).status == 200

    revoked = admin.post("/keys/revoke", {"token": admin.token, "id": key_id(page)})

    assert "The key “reports” has been revoked." in revoked.text
    assert admin.gateway.request("POST", "/openai/v1/chat/completions", body=body, headers=ask).status == 401
    assert 'badge error">revoked<' in revoked.text
    assert "Rotate" not in revoked.text, "what is revoked stays so"


def test_a_rotated_key_has_another_secret_and_the_former_one_a_grace(admin: Any) -> None:
    page = made(admin).text

    rotated = admin.post("/keys/rotate", {"token": admin.token, "id": key_id(page), "grace": "3600"}).text

    assert "The key “reports” has another secret." in rotated
    assert "former secret until" in rotated
    assert re.findall(r'id="made-key">([^<]+)<', rotated) != re.findall(r'id="made-key">([^<]+)<', page)


@pytest.mark.parametrize("grace", ["-1", "1e9", "9" * 20, "x"])
def test_a_grace_that_is_not_a_number_ends_the_former_secret_at_once(admin: Any, grace: str) -> None:
    page = made(admin).text

    rotated = admin.post("/keys/rotate", {"token": admin.token, "id": key_id(page), "grace": grace})

    assert rotated.status == 200
    assert "former secret until" not in rotated.text


def test_a_date_that_can_not_be_read_makes_no_key(admin: Any) -> None:
    page = made(admin, expires="tomorrow<b>").text

    assert "“tomorrow&lt;b&gt;” is not a date." in page
    assert "0 keys" in page


def test_an_expiry_in_the_past_is_refused_or_shown_as_expired(admin: Any) -> None:
    page = made(admin, expires="2001-01-01T00:00").text

    assert 'badge ok">active<' not in page


def test_names_are_searched_and_escaped(admin: Any) -> None:
    made(admin, name="<i>one")
    made(admin, name="two")

    page = admin.get("/keys?q=one").text
    assert "&lt;i&gt;one" in page
    assert "1 key<" in page
    assert "There are no such keys." in admin.get("/keys?q=three").text


@pytest.mark.parametrize("id_", ["", "unknown", "../keys", "a b"])
def test_a_key_that_does_not_exist_is_reported(admin: Any, id_: str) -> None:
    answer = admin.post("/keys/revoke", {"token": admin.token, "id": id_})

    assert answer.status == 404
    assert 'role="alert"' in answer.text


def test_each_role_is_offered_what_it_may_do(admin: Any, operator: Any, viewer: Any) -> None:
    page = made(admin).text

    assert "Create key" not in operator.get("/keys").text
    assert "Revoke permanently" in operator.get("/keys").text
    assert "former secret ends" not in operator.get("/keys").text
    assert "Making and rotating keys needs the role admin." in operator.get("/keys").text
    assert "/keys/revoke" not in viewer.get("/keys").text
    assert "Revoking a key needs the role operator." in viewer.get("/keys").text
    assert "You are signed in as" not in admin.get("/keys").text
    refused = viewer.post("/keys/revoke", {"token": viewer.token, "id": key_id(page)})
    assert refused.status == 403
    assert 'badge ok">active<' in admin.get("/keys").text


def test_a_key_shows_what_it_spent_and_when_it_was_used(traced_admin: Any) -> None:
    for name in ("search", "idle"):
        made(traced_admin, name=name)

    page = traced_admin.get("/keys").text
    rows = {re.findall(r"<a [^>]*>([^<]+)<", row)[0]: row for row in re.findall(r"<tr>(.*?)</tr>", page)[1:]}
    assert "$20.00" in rows["search"]
    assert 'href="/console/traces/interactions?caller=search&amp;range=30d">20 requests<' in rows["search"]
    assert 'caller=search&amp;range=30d&amp;status=failed">2 failed<' in rows["search"]
    assert "last used 3 hours ago" in rows["search"]
    assert "not used" in rows["idle"]


def test_a_key_is_found_by_its_pasted_beginning(admin: Any) -> None:
    (secret,) = re.findall(r'id="made-key">([^<]+)<', made(admin, name="pasted").text)
    made(admin, name="other")

    for beginning in (secret[:9], secret[: secret.rindex("_")], secret):
        page = admin.get(f"/keys?q={beginning}").text
        assert "1 key<" in page
        assert "pasted" in page


def test_a_pasted_key_never_stays_in_an_address(admin: Any) -> None:
    page = made(admin).text
    (secret,) = re.findall(r'id="made-key">([^<]+)<', page)

    answer = admin.post("/keys/search", {"token": admin.token, "q": f" {secret} "})

    assert answer.status == 303
    assert answer.headers["location"] == f"/console/keys?q={key_id(page)}"
    assert 'action="/console/keys/search"' in page


def test_after_a_change_the_search_is_kept(admin: Any) -> None:
    page = made(admin, name="one").text
    made(admin, name="two")

    after = admin.post("/keys/revoke", {"token": admin.token, "id": key_id(page), "q": "one"}).text

    assert "1 key<" in after
    assert 'name="q" value="one"' in after
