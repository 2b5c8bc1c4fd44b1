"""Teams by what they spend."""

from __future__ import annotations

import re
import time
from typing import Any


def test_teams_are_listed_by_cost_with_keys_and_ways_on(traced_admin: Any) -> None:
    for name, team in (("one", "search"), ("two", "search"), ("three", "quiet")):
        traced_admin.post("/keys", {"name": name, "team": team, "token": traced_admin.token})
    page = traced_admin.get("/teams?range=30d").text

    rows = re.findall(r"<tr>(.*?)</tr>", page)[1:]
    assert [re.sub("<.*?>", "", re.split("</td>", row)[0]) for row in rows] == ["(none)", "search", "quiet"]
    assert "40 % of all" in rows[1]
    assert 'href="/console/team?name=search&amp;range=30d">search<' in rows[1]
    assert 'href="/console/traces/interactions?team=search&amp;range=30d&amp;status=failed">2<' in rows[1]
    assert 'href="/console/keys?of_team=search&amp;state=active">2<' in rows[1]
    assert "$0.00" in rows[2]


def test_a_team_shows_its_limits_the_fullest_first(admin: Any) -> None:
    made = admin.post("/keys", {"name": "one", "team": "search", "token": admin.token}).text
    key = re.search(r'id="made-key"[^>]*>([^<]+)<', made)
    assert key is not None
    ask = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": f"Bearer {key[1]}"}
    assert admin.gateway.post("/v1/chat/completions", ask, headers=headers).status == 200

    ends = time.monotonic() + 10
    while "of-team: " not in (page := admin.get("/teams").text) and time.monotonic() < ends:
        time.sleep(0.05)
    (row,) = re.findall(r"<tr>(.*?)</tr>", page)[1:]
    assert "of-team: 1 of 50" in row
    assert 'aria-label="of-team: 2% used"' in row


def test_without_traces_the_teams_of_keys_are_listed(admin: Any) -> None:
    assert "There are no teams" in admin.get("/teams").text
    admin.post("/keys", {"name": "one", "team": "<b>search", "token": admin.token})

    page = admin.get("/teams").text
    assert "&lt;b&gt;search" in page
    assert "/traces/" not in page
