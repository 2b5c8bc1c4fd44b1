"""The canonical types are dataclasses to those who use them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from llm_gateway_sdk import parts, request, response
from llm_gateway_sdk.dialect import WireReply, WireRequest
from llm_gateway_sdk.parts import TextPart
from llm_gateway_sdk.request import LLMRequest, Message
from llm_gateway_sdk.response import Usage
from llm_gateway_sdk.values import Value, field, replace

_TYPES = sorted(
    {
        each
        for module in (parts, request, response)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Value) and each is not Value
    }
    | {WireReply, WireRequest},
    key=lambda each: each.__name__,
)


@pytest.mark.parametrize("kind", _TYPES, ids=[each.__name__ for each in _TYPES])
def test_what_dataclasses_does_works_on_each(kind: Any) -> None:
    required = {
        each.name: f"the {each.name}" for each in dataclasses.fields(kind) if each.default is each.default_factory
    }
    value = kind(**required)

    assert dataclasses.is_dataclass(value)
    assert dataclasses.is_dataclass(kind)
    assert [each.name for each in dataclasses.fields(value)] == list(kind.__struct_fields__)
    assert dataclasses.asdict(value).keys() == set(kind.__struct_fields__)
    for copied in (dataclasses.replace(value), replace(value), copy.copy(value), copy.deepcopy(value)):
        assert copied == value
        assert copied is not value


def test_a_copy_with_another_field_shares_the_rest() -> None:
    turn = Message("user", [TextPart("hello")])

    for change in (replace, dataclasses.replace):
        other = change(turn, role="assistant")
        assert (other.role, turn.role) == ("assistant", "user")
        assert other.content is turn.content


def test_no_two_values_share_a_default() -> None:
    one, other = LLMRequest(), LLMRequest()
    one.messages.append(Message())
    one.provider_metadata["x"] = {}

    assert other == LLMRequest()


def test_a_field_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AttributeError):
        TextPart("hello").txt = "bye"  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        TextPart("hello", txt="bye")  # type: ignore[call-arg]


def test_values_are_matched_by_their_positional_fields() -> None:
    match TextPart("hello", index=3):
        case TextPart(text, _, index=place):
            assert (text, place) == ("hello", 3)


def test_values_can_be_pickled() -> None:
    asked = LLMRequest("m", [Message("user", [TextPart("hello", index=1)])], max_tokens=3)

    assert pickle.loads(pickle.dumps(asked)) == asked


def test_a_subclass_has_its_fields_too() -> None:
    class Noted(TextPart):
        notes: list[str] = field(default_factory=list)

    assert {each.name for each in dataclasses.fields(Noted)} == {*TextPart.__struct_fields__, "notes"}
    assert dataclasses.replace(Noted("hello"), notes=["x"]).notes == ["x"]
    assert "notes" not in {each.name for each in dataclasses.fields(TextPart)}


def test_usage_that_differs_in_prices_only_is_the_same_reply() -> None:
    assert Usage(1, 2) == Usage(1, 2, service_tier="flex", requests=2)
    assert Usage(1, 2) != Usage(1, 3)
    assert Usage(1, 2) != (1, 2)
    with pytest.raises(TypeError):
        hash(Usage(1, 2))
