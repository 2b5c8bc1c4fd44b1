"""The audit log: newest first, and filtered."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest


@pytest.fixture
def changed(admin: Any) -> Any:
    for name in ("first", "second"):
        admin.post("/keys", {"name": name, "token": admin.token})
    found = re.findall(r'name="id" value="(\w+)"', admin.get("/keys?q=first").text)
    admin.post("/keys/revoke", {"id": found[0], "token": admin.token})
    return admin


def actions(page: str) -> list[str]:
    return re.findall(r'<td data-name="What">([^<]*)</td>', page)


def test_the_newest_change_is_first(changed: Any) -> None:
    found = actions(changed.get("/audit").text)

    assert len(found) == 3
    assert "revoke" in found[0]
    assert "revoke" not in found[1]


def test_changes_are_found_by_what_and_when(changed: Any) -> None:
    last = actions(changed.get("/audit").text)[0]
    today = time.strftime("%Y-%m-%d", time.gmtime())

    assert actions(changed.get(f"/audit?action={last}").text) == [last]
    assert len(actions(changed.get(f"/audit?since={today}").text)) == 3
    assert actions(changed.get("/audit?until=2001-01-01").text) == []
    assert len(actions(changed.get("/audit?q=SECOND").text)) == 1
    assert actions(changed.get("/audit?by=somebody").text) == []


def test_a_choice_stays_chosen(changed: Any) -> None:
    last = actions(changed.get("/audit").text)[0]

    assert f'<option value="{last}" selected>' in changed.get(f"/audit?action={last}").text


def test_a_key_has_its_name_and_leads_to_itself(changed: Any) -> None:
    page = changed.get("/audit").text

    rows = re.findall(r'<td data-name="Of">(.*?)</td>', page)
    assert re.search(r'href="/console/keys\?q=(\w+)"><code>key:\1</code></a><div class="sub">first</div>', rows[0])


def test_older_changes_are_on_further_pages(changed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_gateway_console.pages.audit._SHOWN", 2)
    page = changed.get("/audit?by=admin").text
    (older,) = re.findall(r'<a href="/console(/audit\?[^"]+)" class="button">Older changes', page)
    rest = changed.get(older.replace("&amp;", "&")).text

    assert "3 changes, 1 to 2 shown" in page
    assert len(actions(page)) == 2
    assert len(actions(rest)) == 1
    assert "by=admin" in older
    assert "Newer changes" in rest
    assert "Older changes" not in rest
