"""The page of one team."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import Any


def test_a_team_has_its_spend_its_keys_and_what_was_refused(traced_admin: Any) -> None:
    for name, team in (("one", "search"), ("two", "search"), ("three", "searching")):
        traced_admin.post("/keys", {"name": name, "team": team, "token": traced_admin.token})
    page = unescape(traced_admin.get("/team?name=search&range=30d").text)

    assert "<h1>Team search</h1>" in page
    assert page.count("<figure") == 2
    assert "2 refused" in page
    assert re.findall(r'href="/console/keys\?q=\w+">([^<]+)<', page) == ["one", "two"], "of this team alone"
    assert "/console/traces/?team=search&caller=search&range=30d" in page
    assert re.search(r"/console/traces/interactions\?team=search&range=30d&since=[^\"]+&status=refused", page)
    assert 'href="/console/limits?request=req_1"' in page
    assert ">2 hours ago<" in page


def test_its_limits_and_those_of_its_keys_are_there(admin: Any) -> None:
    made = admin.post("/keys", {"name": "one", "team": "search", "token": admin.token}).text
    other = admin.post("/keys", {"name": "two", "team": "other", "token": admin.token}).text
    for page in (made, other):
        key = re.search(r'id="made-key"[^>]*>([^<]+)<', page)
        assert key is not None
        ask = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
        headers = {"authorization": f"Bearer {key[1]}"}
        assert admin.gateway.post("/v1/chat/completions", ask, headers=headers).status == 200

    ends = time.monotonic() + 10
    while "of-team" not in (page := admin.get("/team?name=search").text) and time.monotonic() < ends:
        time.sleep(0.05)
    rows = re.findall(r'data-name="Applies to">([^<]+)<', page)
    assert sorted(rows) == ["key one", "team search"]
    assert "<figure" not in page, "nothing is recorded"


def test_names_stay_text(admin: Any) -> None:
    page = admin.get("/team?name=%3Cscript%3E").text

    assert "Team &lt;script&gt;" in page
    assert "No key names this team." in page
