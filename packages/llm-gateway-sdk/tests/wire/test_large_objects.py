"""The top level of a large object is read and changed in pieces as in one."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from llm_gateway_sdk.heavy import json_in_slices
from llm_gateway_sdk.wire import json, many_values
from llm_gateway_sdk.wire.many_values import members_of

NAMES = ["model", "model", "stream", "MODEL", "n", "max_tokens", "generationConfig", "Model"]
VALUES = ['"a"', '"b"', "true", "false", "null", "7", "[]", "{}", '"\\ud83d"', '{"maxOutputTokens": 9, "x": [1, 2, 3]}']


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_values, "PIECE_BYTES", 40)
    for name, value in {"MANY_BYTES": 60, "_MANY": 61, "LONG_BODY": 60, "_BEYOND": 61}.items():
        monkeypatch.setattr(json, name, value)
    monkeypatch.setattr(json, "cut_out", lambda data: (data, []))  # tested by itself


def an_object(chance: random.Random, grammar: Any) -> bytes:
    members, space = [], grammar.space
    for _ in range(chance.choice((1, 3, 10))):
        if chance.random() < 0.5:
            name, value = f'"{chance.choice(NAMES)}"', chance.choice(VALUES)
        else:
            name, value = grammar.text(chance), grammar.written(chance, 4)
        members.append(f"{space(chance)}{name}{space(chance)}:{space(chance)}{value}{space(chance)}")
    return f"{space(chance)}{{{','.join(members)}}}{space(chance)}".encode()


def outcome(work: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return work(data)
    except ValueError:
        return ValueError


def is_text(data: bytes) -> bool:
    try:
        data.decode()
    except ValueError:
        return False
    return True


def peeked(data: bytes) -> Any:
    return json.peek_alone(data)[:2]


def replaced(data: bytes) -> Any:
    return json.loads(json.replace_top_level(data, {"model": "new", "n": None, "added": [1]}))


def with_one(data: bytes) -> Any:
    return outcome(json.loads, json.with_one(data, "model"))


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("work", [json.peek, peeked, json.names_two_models, replaced, with_one, json.loads_exact])
def test_in_pieces_as_in_one(work: Callable[[bytes], Any], grammar: Any) -> None:
    chance = random.Random(work.__name__)
    split = 0
    for _ in range(150):
        data = an_object(chance, grammar)
        for tried in (data, grammar.damaged(chance, data)):
            if work is json.names_two_models and outcome(json.loads, tried) is ValueError:
                continue  # it is asked only of what `peek` has read
            if work in (json.peek, peeked) and b"\\ud83d" in tried:
                continue  # then a value that a later one replaces may have a wrong type; in pieces it may not
            if not is_text(tried):
                continue  # what is not looked at is judged by who reads it
            whole = outcome(work, tried)
            with json_in_slices():
                assert outcome(work, tried) == whole, tried
            split += len(tried) > 60 and members_of(tried, json.loads) is not None

    assert split > 50


@pytest.mark.usefixtures("small_pieces")
def test_half_a_letter_next_to_what_is_looked_for() -> None:
    filler = b",".join([b'"k%d":"\\ud83d"' % number for number in range(40)])
    data = b'{"model":"a",%b,"stream":true,%b}' % (filler, filler)

    with json_in_slices():
        assert json.peek_alone(data) == ("a", True, True)
        assert json.names_two_models(data.replace(b'"stream":true', b'"MODEL":"b"'))


@pytest.mark.usefixtures("small_pieces")
def test_what_is_not_changed_stays_letter_by_letter() -> None:
    inner = b'{"a" : [1.50, 1e5, "\\u0061", "' + b"words " * 40 + b'"], "b":  null}'
    data = b'{"model":"m","rest":%b,"number":1.10}' % inner

    with json_in_slices():
        assert json.replace_top_level(data, {"model": "n"}) == data.replace(b'"m"', b'"n"')
        assert json.with_one(data, "model") is data


@pytest.mark.usefixtures("small_pieces")
def test_the_ceiling_of_a_large_request_is_found() -> None:
    filler = b",".join([b'{"text":"some words"}'] * 20)
    config = b'"generationConfig":{"responseSchema":{"enum":[%b]},"maxOutputTokens":70}' % filler
    data = b'{"contents":[%b],%b}' % (filler, config)

    with json_in_slices():
        assert json.peek_ceiling(data) == json.peek_ceiling(data.replace(filler, b"")) == 70


def test_members_of_a_long_value_are_checked() -> None:
    filler = b",".join([b'"some words"'] * 10_000)

    assert members_of(b'{"a":[%b,1]}' % filler, json.loads) is not None
    assert members_of(b'{"a":[%b,1x]}' % filler, json.loads) is None
    assert members_of(b'{"a":[%b,1]' % filler, json.loads) is None
