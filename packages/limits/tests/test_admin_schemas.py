"""The forms of the administration's routes, against what the routes take and give."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from llm_gateway_limits import admin_schemas
from llm_gateway_limits.admin_schemas import NEW_OVERRIDE, page_of

FORMS = {
    name: value for name, value in vars(admin_schemas).items()
    if name.isupper() and not name.startswith("_") and isinstance(value, dict)
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FORMS))
def test_a_form_is_a_titled_object(name: str) -> None:
    form = FORMS[name]
    jsonschema.Draft202012Validator.check_schema(form)

    assert form["type"] == "object"
    assert form["title"]
    assert set(form.get("required", ())) <= set(form["properties"])


def test_titles_differ_so_that_generated_clients_have_a_class_for_each() -> None:
    titles = [form["title"] for form in FORMS.values()]

    assert len(set(titles)) == len(titles)


def test_a_page_has_items_and_the_next_cursor() -> None:
    page = page_of({"type": "object", "title": "Thing"})
    validator = jsonschema.Draft202012Validator(page)

    assert page["title"] == "ThingPage"
    assert validator.is_valid({"items": [{}], "next": None})
    assert validator.is_valid({"items": [], "next": "cursor"})
    assert not validator.is_valid({"items": [3], "next": None})
    assert not validator.is_valid({"items": []})


@pytest.mark.parametrize(
    ("body", "valid"),
    [
        ({"limit": "l", "subject": {"team": "a"}, "amount": "5"}, True),
        ({"limit": "l", "subject": {"team": "a"}, "amount": "5 USD"}, True),
        ({"limit": "l", "subject": {"team": "a"}, "amount": None}, True),
        ({"limit": "l", "subject": {"team": 3}, "amount": "5"}, False),
        ({"subject": {"team": "a"}, "amount": "5"}, False),
    ],
    ids=["count", "text", "no limit", "number for a team", "no limit named"],
)
def test_a_new_override(body: dict[str, Any], valid: bool) -> None:
    assert jsonschema.Draft202012Validator(NEW_OVERRIDE).is_valid(body) is valid
