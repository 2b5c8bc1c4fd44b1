"""A limit played against recorded requests."""

from __future__ import annotations

import re
from typing import Any

import pytest


def played(person: Any, **form: str) -> Any:
    usual = {"measure": "cost", "amount": "5 USD", "window": "day", "per": "team", "span": "7d", "token": person.token}
    return person.post("/limits/simulate", usual | form)


def test_what_a_limit_would_have_refused_is_counted_by_whom(traced_admin: Any) -> None:
    page = played(traced_admin).text

    assert "20 of 30 requests" in page
    assert re.search(r">search</td><td[^>]*>15<", page)
    assert re.search(r">billing</td><td[^>]*>5<", page)
    assert "1 requests were left out" in page
    assert 'value="5 USD"' in page


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"measure": "requests", "amount": "31", "per": ""}, "0 of 31 requests"),
        ({"measure": "requests", "amount": "30", "per": ""}, "1 of 31 requests"),
        ({"measure": "tokens", "amount": "110", "per": "team,model"}, "11 of 31 requests"),
        ({"per": "user"}, "requests lack what the limit counts per"),
    ],
    ids=["all-pass", "one-over", "tokens", "none"],
)
def test_each_form_of_a_limit_is_played(traced_admin: Any, form: dict[str, str], words: str) -> None:
    assert words in played(traced_admin, **form).text


@pytest.mark.parametrize("form", [{"amount": "much"}, {"amount": ""}, {"measure": "x"}, {"window": "x"}])
def test_a_limit_that_is_not_valid_is_explained_and_kept_in_the_form(traced_admin: Any, form: dict[str, str]) -> None:
    answer = played(traced_admin, **form)

    assert answer.status == 400
    assert 'role="alert"' in answer.text
    assert 'value="day" selected' in answer.text or form.get("window") == "x"


def test_without_recorded_requests_the_page_explains_why(admin: Any) -> None:
    assert played(admin).status == 404
    assert admin.get("/limits/simulate").status == 200
