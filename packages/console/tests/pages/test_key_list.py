"""Keys in an order, by their state, and a page at a time."""

from __future__ import annotations

import re
from typing import Any

import pytest


@pytest.fixture
def few(admin: Any) -> Any:
    """Three keys of two teams."""
    for name, team in (("beta", "one"), ("Alpha", "two"), ("gamma", "one")):
        admin.post("/keys", {"token": admin.token, "name": name, "team": team})
    return admin


def names(page: str) -> list[str]:
    return re.findall(r'<td data-name="Name">(?:<a[^>]*>)?([^<]+)<', page)


def test_keys_are_in_the_chosen_order(few: Any) -> None:
    assert names(few.get("/keys").text) == ["Alpha", "beta", "gamma"]
    assert names(few.get("/keys?order=newest").text) == ["gamma", "Alpha", "beta"]
    assert names(few.get("/keys?order=owner").text) == ["beta", "gamma", "Alpha"]
    assert names(few.get("/keys?order=<b>").text) == ["Alpha", "beta", "gamma"]


def test_headings_lead_to_their_order_and_mark_it(few: Any) -> None:
    page = few.get("/keys?order=newest&q=a").text

    assert '<th scope="col" aria-sort="descending"><a href="/console/keys?q=a&amp;order=newest"' in page
    assert 'href="/console/keys?q=a&amp;order=cost"' in page
    assert page.count("aria-sort") == 1


def test_keys_are_filtered_by_state_which_stays_after_a_change(few: Any) -> None:
    page = few.get("/keys?q=beta").text
    (id_,) = re.findall(r'name="id" value="(\w+)"', page)[:1]
    after = few.post("/keys/revoke", {"token": few.token, "id": id_, "state": "active"}).text

    assert names(after) == ["Alpha", "gamma"]
    assert re.findall(r"(\w+) <span>(\d+)</span>", after)[:2] == [("all", "3"), ("active", "2")]
    assert names(few.get("/keys?state=revoked").text) == ["beta"]


def test_keys_of_one_team_are_shown_without_those_that_only_have_its_name_elsewhere(few: Any) -> None:
    few.post("/keys", {"token": few.token, "name": "one", "team": "two"})
    page = few.get("/keys?of_team=one").text

    assert names(page) == ["beta", "gamma"]
    assert "<p>2 keys</p>" in page
    assert 'href="/console/keys"' in page.partition("× team one")[0][-120:]
    assert names(few.get("/keys?of_team=one&q=gam").text) == ["gamma"]


def test_those_that_spent_most_come_first_and_unused_ones_are_found(traced_admin: Any) -> None:
    for name in ("idle", "search"):
        traced_admin.post("/keys", {"token": traced_admin.token, "name": name})

    assert names(traced_admin.get("/keys?order=cost").text) == ["search", "idle"]
    assert names(traced_admin.get("/keys?state=unused").text) == ["idle"]


def test_more_keys_than_a_page_holds_go_on_the_next(few: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_gateway_console.pages.key_list.PAGE", 2)
    page = few.get("/keys").text
    (following,) = re.findall(r'<a href="/console(/keys\?[^"]+)" class="button">Next page', page)
    rest = few.get(following.replace("&amp;", "&")).text

    assert "3 keys, 1 to 2 shown" in page
    assert names(page) + names(rest) == ["Alpha", "beta", "gamma"]
    assert "Previous page" in rest
    assert "Next page" not in rest


def test_too_many_keys_to_put_into_order_are_shown_by_id(few: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_gateway_console.pages.key_list.PAGE", 2)
    monkeypatch.setattr("llm_gateway_console.pages.key_list._READ", 2)
    monkeypatch.setattr("llm_gateway_console.pages.key_list.SORTED", 2)
    page = few.get("/keys").text
    (following,) = re.findall(r'<a href="/console(/keys\?after=[^"]+)"', page)
    rest = few.get(following.replace("&amp;", "&")).text

    assert "too many to put into order" in page
    assert "aria-sort" not in page
    assert sorted(names(page) + names(rest)) == ["Alpha", "beta", "gamma"]
    assert "First page" in rest
