"""Amounts that are given by hand: from the meter's form into force, and out of it again."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import Any

import pytest
from llm_gateway_console.pages.overrides import UNTIL

ASK = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}


def use(person: Any) -> int:
    headers = {
        "cookie": f"llm_gateway_console={person.cookies['llm_gateway_console']}",
        "x-llm-gateway-console": person.token,
    }
    status: int = person.gateway.post("/v1/chat/completions", ASK, headers=headers).status
    return status


def comes(person: Any, status: int) -> bool:
    """Workers follow within a second."""
    until = time.monotonic() + 10
    while use(person) != status:
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def metered(person: Any) -> str:
    """The page of limits, once it knows whom they have counted for."""
    until = time.monotonic() + 10
    while 'name="subject"' not in (page := person.get("/limits").text):
        assert time.monotonic() < until, page
        time.sleep(0.05)
    return str(page)


def test_a_limit_is_raised_for_a_day_and_lowered_again(admin: Any) -> None:
    assert [use(admin) for _ in range(5)] == [200, 200, 200, 429, 429]
    page = metered(admin)
    subject = re.search(r'name="subject" value="([^"]*)"', page)
    assert subject is not None

    form = {"limit": "few", "subject": unescape(subject[1]), "amount": "500", "until": "day",
            "reason": "launch", "token": admin.token}  # fmt: skip
    answer = admin.post("/limits/raise", form)
    assert answer.status == 303, answer.text
    shown = admin.get(answer.headers["location"].removeprefix("/console")).text
    assert "The limit has another amount." in shown
    assert "launch" in shown
    assert comes(admin, 200)

    override = re.search(r'name="id" value="(\w+)"', shown)
    assert override is not None
    assert admin.post("/limits/end", {"id": override[1], "token": admin.token}).status == 303
    assert comes(admin, 429)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"limit": "unknown"}, 422),
        ({"amount": "many"}, 422),
        ({"subject": "["}, 400),
        ({"whom": "anyone"}, 400),
        ({"whom": "team=x"}, 422),
        ({"subject": "[]"}, 400),
        ({"subject": '{"team": "x"}'}, 422),
    ],
    ids=["limit", "amount", "broken", "whom", "team", "list", "subject"],
)
def test_what_can_not_hold_is_explained(admin: Any, change: dict[str, str], status: int) -> None:
    form = {"limit": "few", "subject": "{}", "amount": "10", "until": "day", "token": admin.token} | change

    answer = admin.post("/limits/raise", form)
    assert answer.status == status
    assert 'class="panel empty"' in answer.text


def test_roles_hold(viewer: Any, operator: Any) -> None:
    form = {"limit": "few", "subject": "{}", "amount": "10"}
    for person in (viewer, operator):
        assert person.post("/limits/raise", {**form, "token": person.token}).status == 403
    assert viewer.post("/limits/end", {"id": "x", "token": viewer.token}).status == 403
    assert operator.post("/limits/end", {"id": "../x", "token": operator.token}).status == 404


def test_good_is_the_only_time_without_an_end() -> None:
    assert [key for key, (_, seconds) in UNTIL.items() if seconds is None] == [""]
