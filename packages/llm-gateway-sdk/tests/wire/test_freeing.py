"""Large values are freed in slices, and what is still in use stays whole."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from llm_gateway_sdk.wire import freeing
from llm_gateway_sdk.wire.freeing import Freeing


@dataclass
class Node:
    name: str
    members: list[Any] = field(default_factory=list)
    extras: dict[str, Any] = field(default_factory=dict)


def large(items: int = 100) -> Node:
    members = [Node(f"n{index}", [{"a": [index, "text"]}], {"k": (index, {"b": "c"})}) for index in range(items)]
    return Node("root", members, {f"k{index}": str(index) for index in range(items)})


@pytest.fixture(autouse=True)
def nothing_else() -> Iterator[None]:
    Freeing._noted.clear()
    yield
    Freeing._noted.clear()


def test_a_value_is_freed_when_its_note_is_all_that_refers_to_it() -> None:
    value = large()
    gone = [weakref.ref(value), *[weakref.ref(member) for member in value.members]]
    Freeing.note(value)

    assert Freeing.free() is True
    assert all(each() is not None for each in gone)
    del value
    assert Freeing.free() is False
    assert all(each() is None for each in gone)


def test_a_value_that_is_in_use_stays_as_it_was() -> None:
    value = large()
    Freeing.note(value)

    Freeing.free()

    assert value == large()


def test_a_part_that_is_in_use_stays_as_it_was() -> None:
    value = large()
    kept, text = value.members[3], value.extras
    Freeing.note(value)
    del value

    Freeing.free()

    assert kept == large().members[3]
    assert text == large().extras


def test_two_notes_of_a_value_do_not_wait_for_each_other() -> None:
    value = large()
    gone = weakref.ref(value)
    Freeing.note(value)
    Freeing.note(value)
    assert Freeing.free() is True
    del value

    assert Freeing.free() is False
    assert gone() is None


def test_a_value_that_is_noted_twice_is_freed_once_both_notes_are_gone() -> None:
    value = large()
    gone = weakref.ref(value)
    Freeing.note(value)
    Freeing.note([value])
    del value

    while Freeing.free():
        if gone() is None:
            break

    assert gone() is None


def test_a_circle_is_left_to_the_garbage_collector() -> None:
    value = large()
    value.members.append(value)
    gone = weakref.ref(value)
    Freeing.note(value)
    del value

    Freeing.free()
    Freeing._noted.clear()
    gc.collect()

    assert gone() is None


def test_what_is_used_for_very_long_is_noted_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    value = large()
    monkeypatch.setattr(freeing, "_TRIES", 3)
    Freeing.note(value)

    assert [Freeing.free() for _ in range(4)] == [True, True, True, False]
    assert value == large()


@pytest.mark.parametrize("value", [None, 17, "text", b"bytes", 1.5, True])
def test_small_things_are_not_noted(value: Any) -> None:
    Freeing.note(value)

    assert Freeing.free() is False


def test_few_objects_are_freed_between_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads switch between steps, and never within one."""
    freed: list[int] = []
    steps = [0]
    value = large(3000)
    alive = [weakref.ref(member, lambda _: freed.append(1)) for member in value.members]

    def referents(node: Any) -> list[Any]:
        steps.append(len(freed))
        return gc.get_referents(node)

    monkeypatch.setattr(freeing, "gc", SimpleNamespace(get_referents=referents))
    Freeing.note(value)
    del value

    Freeing.free()

    assert len(freed) == len(alive)
    assert max(after - before for before, after in pairwise(steps)) <= 2
