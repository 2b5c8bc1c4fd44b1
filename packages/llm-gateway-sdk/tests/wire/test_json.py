from __future__ import annotations

import json as stdlib
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.wire import json

_NAMES = st.sampled_from(["usage", "model", 'a"usage":', "x", ""])
_VALUES = st.recursive(
    st.sampled_from([None, True, 1, 2.5, "usage", 'a "usage": 1', '"usage":{', "\\", "}", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(_NAMES, _VALUES, max_size=5)


@given(_OBJECTS)
def test_members_before_a_field_and_from_it_are_the_object(body: dict[str, Any]) -> None:
    data = json.dumps(body)

    found = json.members_before(data, "usage")
    if found is not None:
        before, place = found
        assert before | json.loads(b"{" + data[place:]) == body
        assert "usage" not in before

    after = json.members_from(data, "usage")
    if after is not None:
        assert next(iter(after)) == "usage"
        assert after.items() <= body.items() if _plain(after) else all(body[key] == after[key] for key in after)


def _plain(values: dict[str, Any]) -> bool:
    return all(not isinstance(value, dict | list) for value in values.values())


def test_members_around_a_field_of_the_top_level_are_found() -> None:
    data = b'{"id": "a", "choices":[{"usage":1}],"usage" : {"n":1}, "z":2}'

    assert json.members_before(data, "choices") == ({"id": "a"}, 12)
    assert json.members_from(data, "usage") == {"usage": {"n": 1}, "z": 2}


def test_a_field_of_an_inner_object_is_none_of_the_top_level() -> None:
    assert json.members_before(b'{"x":{"a":1,"usage":2}}', "usage") is None
    assert json.members_before(b'{"usage":2}', "usage") is None
    assert json.members_from(b'{"usage":1,"x":{"usage":2}}', "usage") is None
    assert json.members_from(b'["usage"]', "usage") is None
    assert json.members_from(b"{}", "usage") is None


@given(_OBJECTS)
def test_picked_fields_are_those_of_the_object(body: dict[str, Any]) -> None:
    pick = json.picker("usage", "x")

    assert pick(json.dumps(body)) == {"usage": body.get("usage"), "x": body.get("x")}


def test_what_is_not_an_object_has_no_fields_to_pick() -> None:
    pick = json.picker("usage")

    assert pick(b"[1]") is None
    assert pick(b"{") is None
    assert pick(b"") is None
    assert pick(rb'{"usage":"\ud83d"}') == {"usage": "\ud83d"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('{"model":"a","x":{"model":"b"}}', None),
        ('{"model":"a","model":"b"}', '{"model":"b"}'),
        ('{"model":"a","x":1e5,"mod\\u0065l":"b"}', '{"model":"b","x":1e5}'),
        ('{"model":"a","Model":"b","MODEL":"c","modeL":"d"}', '{"model":"a"}'),
        ('{"Model":"b"}', "{}"),
        ('{"a":"\\ud83d","model":"a","model":"b"}', '{"a":"\\ud83d","model":"b"}'),
        ('["model","model"]', None),
        ("nothing", None),
    ],
)
def test_one_member_of_a_name_is_left_in_whatever_letters(data: str, expected: str | None) -> None:
    changed = json.with_one(data.encode(), "model")

    assert changed == (data if expected is None else expected).encode()


SPELLINGS = ['"model"', '"Model"', '"MODEL"', '"m\\u006fdel"', '"M\\u006fdel"', '"models"', '"mode"', '"stream"', '"a"']
VALUES = ['"x"', "null", "5", '{"model":"y"}', '["model"]', "true", '"model"', '"\\ud83d"']


def named(chance: random.Random) -> tuple[list[tuple[str, str]], bytes]:
    """Members of an object, and its text."""
    members = [(chance.choice(SPELLINGS), chance.choice(VALUES)) for _ in range(chance.randint(0, 4))]
    comma, colon = chance.choice((",", ", ", " ,\n")), chance.choice((":", ": "))
    return members, ("{" + comma.join(f"{name}{colon}{value}" for name, value in members) + "}").encode()


@pytest.mark.parametrize("long", [False, True])
def test_a_second_model_is_seen_while_the_first_is_read(*, long: bool) -> None:
    """For whatever object: `peek_alone` reads what `peek` does, and is sure only where no reader can differ."""
    chance, sure = random.Random(7), 0
    for _ in range(20 if long else 3000):
        members, data = named(chance)
        if long:
            text = '"' + "t" * (2 << 20) + '"'
            data = data[:-1] + (b"," if members else b"") + b'"text":%b}' % text.encode()
        names = [stdlib.loads(name) for name, _ in members]
        rivals = names.count("model") > 1 or any(name.lower() == "model" != name for name in names)
        try:
            expected = json.peek(data)
        except ValueError:
            with pytest.raises(ValueError):
                json.peek_alone(data)
            continue
        model, stream, alone = json.peek_alone(data)
        assert (model, stream) == expected, data
        assert not (alone and rivals), data
        assert json.names_two_models(data) == rivals, data
        sure += alone
    assert sure


def test_one_member_of_a_name_is_left_next_to_a_long_string() -> None:
    text = "x" * (2 << 20)

    changed = json.with_one(f'{{"model":"a","text":"{text}","Model":"b"}}'.encode(), "model")

    assert changed == f'{{"model":"a","text":"{text}"}}'.encode()
    assert json.with_one(changed, "model") is changed


def test_a_text_with_half_a_letter_is_read_as_it_is() -> None:
    """A text that was a value of JSON itself, as the arguments of a call are, may hold half of a surrogate pair."""
    assert json.loads('{"a":"\ud800"}') == {"a": "\ud800"}
    for broken in ("\ud800", '{"\ud800', "[" * 100_000 + '"\ud800"'):
        with pytest.raises(ValueError):
            json.loads(broken)
