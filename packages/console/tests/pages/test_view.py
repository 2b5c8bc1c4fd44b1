"""What pages are made of: moments in words, tables, addresses."""

from __future__ import annotations

import time
from typing import Any

import pytest
from llm_gateway_console.pages.view import View, moment, table
from llm_gateway_console.sessions import Session
from starlette.requests import Request


class Host:
    def __init__(self, *areas: str) -> None:
        self._areas = areas

    def areas(self) -> list[Any]:
        return [type("Area", (), {"path": path}) for path in self._areas]


def view(*areas: str, base: str = "/console") -> View:
    request = Request({"type": "http", "query_string": b"a=1", "headers": []})
    session = Session("vera", "viewer", int(time.time()) + 60, token="token", id="id")
    return View(request, Host(*areas), session, base, {}, signed_in_principals=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (-119, "now"),
        (-130, "2 minutes ago"),
        (-7300, "2 hours ago"),
        (-86400 * 3, "3 days ago"),
        (600, "in 10 minutes"),
        (86400 * 30, "in 30 days"),
    ],
)
def test_a_moment_is_in_utc_with_its_distance_in_words(seconds: float, words: str) -> None:
    shown = str(moment(time.time() + seconds))

    assert " UTC</time>" in shown
    assert f'title="{words}"' in shown
    assert "+00:00" in shown


def test_no_moment_is_a_dash() -> None:
    assert str(moment(None)) == "–"


def test_a_table_without_rows_is_a_sentence() -> None:
    assert "<table" not in str(table(("A",), [], empty="There are none."))
    assert "There are none." in str(table(("A",), [], empty="There are none."))


def test_cells_are_escaped_and_carry_their_heads_for_phones() -> None:
    shown = str(table(("Name",), [("<b>x",)], empty=""))

    assert "&lt;b&gt;x" in shown
    assert 'data-name="Name"' in shown
    assert 'scope="col"' in shown


def test_a_row_of_another_width_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="argument"):
        table(("A", "B"), [("one",)], empty="")


def test_an_address_leaves_empty_values_out_and_quotes_the_others() -> None:
    assert view().address("/keys") == "/console/keys"
    assert view().address("/keys", q="a&b", after="") == "/console/keys?q=a%26b"
    assert view(base="").address("/", q="ü") == "/?q=%C3%BC"


def test_recorded_requests_have_an_address_only_where_there_is_a_tracer() -> None:
    assert view().traces(team="a") is None
    assert view("other").traces(team="a") is None
    assert view("traces").traces(team="a b") == "/console/traces/interactions?team=a+b"


@pytest.mark.parametrize(("role", "may"), [("viewer", True), ("operator", False), ("admin", False)])
def test_a_viewer_may_look_and_no_more(role: Any, may: bool) -> None:
    assert view().can(role) is may


def test_a_form_has_the_sessions_token() -> None:
    assert 'value="token"' in str(view().token())
