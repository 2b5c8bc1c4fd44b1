"""Usage as people read it: by what it is counted by, narrowed by a click, as CSV."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from console_people import ADMIN, CONFIGURATION, Person

from llm_gateway.testing import GatewayClient

REQUESTS = {"search": 3, "=support": 2}
MORE_MODELS = """
  - {name: free, provider: {type: echo}}
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Somebody who has signed in, when the keys of two teams have been used."""
    text = CONFIGURATION.replace("\nplugins:", f"{MORE_MODELS}plugins:")
    with GatewayClient(text, directory=tmp_path_factory.mktemp("usage")) as gateway:
        person = Person(gateway).sign_in(ADMIN)
        for team, requests in REQUESTS.items():
            made = person.post("/keys", {"name": f"key of {team}", "team": team, "token": person.token}).text
            key = re.search(r'id="made-key"[^>]*>([^<]+)<', made)
            assert key is not None
            for number in range(requests):
                ask = {"model": "free" if number == 2 else "echo", "messages": [{"role": "user", "content": "hi " * 9}]}
                reply = gateway.post("/v1/chat/completions", ask, headers={"authorization": f"Bearer {key[1]}"})
                assert reply.status == 200, reply.body
        ends = time.monotonic() + 15
        while _total(person.get("/usage").text) < sum(REQUESTS.values()):
            assert time.monotonic() < ends, "nothing was added up"
            time.sleep(0.05)
        yield person


def _total(page: str) -> int:
    tile = re.search(r"<h2>Requests</h2><p[^>]*>([\d,]+)<", page)
    return int(tile[1].replace(",", "")) if tile else 0


def _rows(page: str) -> list[tuple[list[tuple[str, str]], int]]:
    """Of each row of the table: the address and the words of each value that it is grouped by, and its requests."""
    found = []
    for row in re.findall(r"<tr>(<td.*?)</tr>", page.partition('class="cards"')[2], re.DOTALL):
        requests = re.search(r'data-name="Requests"[^>]*>([\d,]+)<', row)
        assert requests is not None
        values = [(unescape(href), unescape(words)) for href, words in re.findall(r'<a href="([^"]+)">([^<]*)<', row)]
        found.append((values, int(requests[1])))
    return found


BY = ("project", "model", "provider", "key", "user", "team", "org", "hour", "day", "month", "label")


@pytest.mark.parametrize("by", BY)
def test_every_value_leads_to_a_page_of_as_many_requests(reader: Person, by: str) -> None:
    page = reader.get(f"/usage?by={by}&then={'team' if by == 'model' else 'model'}&label_name=env").text
    rows = _rows(page)
    assert sum(requests for _, requests in rows) == _total(page) == 5
    for values, _ in rows:
        assert len(values) == 2
        for place, (href, words) in enumerate(values):
            alike = sum(requests for others, requests in rows if others[place][1] == words)
            assert _total(reader.get(href.removeprefix("/console")).text) == alike, href


def test_what_has_no_price_or_was_estimated_is_marked(reader: Person) -> None:
    page = reader.get("/usage?by=model").text

    assert "without 1 call that have no price" in page
    assert re.search(r"\$0\.0\d+<div[^>]*>1 unpriced|\$0\.00<div[^>]*>1 unpriced", page)


def test_a_key_has_its_name_and_a_condition_is_taken_back_by_a_click(reader: Person) -> None:
    page = unescape(reader.get("/usage?by=key&team=search").text)

    assert re.search(r'<a [^>]*>key of search</a><div class="sub">[\w-]+:\w+</div>', page)
    assert "key of =support" not in page
    back = re.search(r'<a href="([^"]+)"[^>]*>× team search</a>', page)
    assert back is not None
    assert _total(reader.get(back[1].removeprefix("/console")).text) == 5


def test_all_rows_are_had_as_csv_without_formulas(reader: Person) -> None:
    page = unescape(reader.get("/usage?by=team&then=model&range=24h").text)
    link = re.search(r'href="(/console/usage\.csv[^"]*)"', page)
    assert link is not None
    answer = reader.get(link[1].removeprefix("/console"))
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))

    assert answer.headers["content-disposition"] == 'attachment; filename="usage.csv"'
    assert {(row["team"], row["model"], row["requests"]) for row in rows} == {
        ("search", "echo", "2"), ("search", "free", "1"), ("'=support", "echo", "2"),
    }  # fmt: skip
    assert [row["unpriced_calls"] for row in rows if row["model"] == "free"] == ["1"]
    assert all(float(row["cost_usd"]) > 0 for row in rows if row["model"] == "echo")


def test_the_addresses_of_others_are_no_harm(reader: Person) -> None:
    for query in ("by=%3Cscript%3E", "label=env", "skip=x", "since=yesterday", "team=%3Cscript%3E", "since=0001-01-01"):
        page = reader.get(f"/usage?{query}")
        assert page.status == 200
        assert "<script>" not in page.text


def test_where_nothing_is_added_up_the_page_has_what_to_set(tmp_path: Any) -> None:
    text = CONFIGURATION.replace("      usage: hour\n", "")
    with GatewayClient(text, directory=tmp_path) as gateway:
        page = Person(gateway).sign_in(ADMIN).get("/usage")
    assert page.status == 404
    assert "usage: hour" in page.text
