"""What a dialect keeps at a node is written again by the same dialect alone, and notes by none."""

from __future__ import annotations

from llm_gateway_sdk import TextPart
from llm_gateway_sdk.dialects.metadata import keep, noted, own


def test_unknown_fields_are_kept_and_notes_apart_from_them() -> None:
    part = TextPart(provider_metadata=keep("mine", {"text": "a", "colour": "red"}, {"text"}, form="list", other=None))

    assert own("mine", part) == {"colour": "red"}
    assert noted("mine", part, "form") == "list"
    assert noted("mine", part, "other") is None


def test_the_fields_of_another_dialect_are_not_ours() -> None:
    part = TextPart(provider_metadata=keep("theirs", {"colour": "red"}, set(), form="list"))

    assert own("mine", part) == {}
    assert noted("mine", part, "form") is None


def test_nothing_to_keep_leaves_no_entry() -> None:
    assert keep("mine", {"text": "a", "empty": None}, {"text"}) == {}


def test_a_field_of_the_vendor_can_not_pass_for_a_note() -> None:
    assert keep("mine", {"_form": "forged"}, set()) == {}
