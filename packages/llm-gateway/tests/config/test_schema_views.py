"""What a JSON Schema means for one place in a value."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.config.schema_views import certain, children, expand, marked

ROOT: dict[str, Any] = {
    "$ref": "#/$defs/Top",
    "$defs": {
        "Top": {
            "allOf": [{"properties": {"a": {"title": "A"}}}],
            "anyOf": [{"title": "one"}, {"$ref": "#/$defs/Top"}],
            "if": {"title": "condition"},
            "then": {"title": "then"},
        },
        "with/slash": {"title": "escaped"},
    },
}


def titles(schemas: Any) -> list[str]:
    return [schema["title"] for schema in schemas if "title" in schema]


def test_every_view_that_may_hold_is_found_and_circles_end() -> None:
    assert titles(expand([ROOT], ROOT)) == ["one", "then"]


def test_branches_do_not_hold_in_any_case() -> None:
    found = list(certain(ROOT, ROOT))

    assert titles(found) == []
    assert any("properties" in view for view in found)


@pytest.mark.parametrize(
    ("reference", "found"),
    [("#/$defs/with~1slash", ["escaped"]), ("#/$defs/absent", []), ("#/$defs/absent/deeper", []), ("#", [])],
)
def test_references_are_followed(reference: str, found: list[str]) -> None:
    assert titles(expand([{"$ref": reference}], {**ROOT, "$ref": "#/$defs/absent"})) == found


@pytest.mark.parametrize(
    ("view", "key", "found"),
    [
        ({"properties": {"a": {"title": "A"}}, "additionalProperties": {"title": "rest"}}, "a", ["A"]),
        ({"properties": {"a": {"title": "A"}}, "additionalProperties": {"title": "rest"}}, "b", ["rest"]),
        ({"additionalProperties": False}, "b", []),
        ({"prefixItems": [{"title": "first"}], "items": {"title": "item"}}, 0, ["first"]),
        ({"prefixItems": [{"title": "first"}], "items": {"title": "item"}}, 1, ["item"]),
        ({"items": True}, 0, []),
    ],
    ids=["property", "additional", "closed", "prefix", "item", "any item"],
)
def test_the_schema_of_a_child(view: dict[str, Any], key: str | int, found: list[str]) -> None:
    assert titles(children([view], key)) == found


def test_marked_places_are_found_at_any_depth() -> None:
    schema = {
        "properties": {
            "key": {"x-secret": True},
            "list": {"items": {"anyOf": [{"type": "null"}, {"properties": {"key": {"x-secret": "yes"}}}]}},
        }
    }
    value = {"key": "a", "list": [{"key": "b", "other": 1}, 3, {}], "other": {"key": "c"}}

    assert list(marked(value, schema, "x-secret")) == [(("key",), "a", True), (("list", 0, "key"), "b", "yes")]
