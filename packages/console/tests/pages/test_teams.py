"""Teams by what they spend."""

from __future__ import annotations

import re
from typing import Any


def test_teams_are_listed_by_cost_with_keys_and_ways_on(traced_admin: Any) -> None:
    for name, team in (("one", "search"), ("two", "search"), ("three", "quiet")):
        traced_admin.post("/keys", {"name": name, "team": team, "token": traced_admin.token})
    page = traced_admin.get("/teams?range=30d").text

    rows = re.findall(r"<tr>(.*?)</tr>", page)[1:]
    assert [re.sub("<.*?>", "", re.split("</td>", row)[0]) for row in rows] == ["(none)", "search", "quiet"]
    assert "40 % of all" in rows[1]
    assert 'href="/console/traces/interactions?team=search&amp;range=30d&amp;status=failed">2<' in rows[1]
    assert 'href="/console/keys?q=search">2<' in rows[1]
    assert "$0.0000" in rows[2]


def test_without_traces_the_teams_of_keys_are_listed(admin: Any) -> None:
    assert "There are no teams" in admin.get("/teams").text
    admin.post("/keys", {"name": "one", "team": "<b>search", "token": admin.token})

    page = admin.get("/teams").text
    assert "&lt;b&gt;search" in page
    assert "/traces/" not in page
