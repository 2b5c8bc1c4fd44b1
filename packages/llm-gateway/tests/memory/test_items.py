import time

import pytest

from llm_gateway.memory.items import (
    as_items,
    edited_items,
    expanded,
    may_refer,
    named,
    page_of,
    references_of,
    replayed,
)


def user(text, **more):
    return {"type": "message", "role": "user", "content": text, **more}


@pytest.mark.parametrize(
    ("body", "refers"),
    [
        (b'{"input": "hi"}', False),
        (b'{"previous_response_id": "resp_1"}', True),
        (b'{"conversation": {"id": "conv_1"}}', True),
        (b'{"input": [{"type": "item_reference", "id": "msg_1"}]}', True),
        (b'{"input": [{ "id" : "msg_1" }]}', True),
        (b'{"input": [{"id": "msg_1", "role": "user"}]}', False),
        (b'{"input": "a \\"previous_response_id\\" in a text"}', False),
    ],
)
def test_only_a_body_that_may_refer_to_something_is_read(body, refers):
    assert may_refer(body) is refers


def test_references_are_found_in_each_form():
    body = {"conversation": {"id": "conv_1"}, "input": [{"id": "a"}, {"type": "item_reference", "id": "b"}, user("x")]}

    found = references_of(body)

    assert (found.previous, found.conversation, found.items) == (None, "conv_1", ["a", "b"])
    assert references_of({"conversation": "conv_2", "previous_response_id": "resp_1"}).previous == "resp_1"
    assert not references_of({"conversation": 5, "previous_response_id": None, "input": 7})


def test_history_comes_first_and_known_references_are_replaced():
    body = {"model": "m", "previous_response_id": "r", "input": [{"id": "a"}, {"type": "item_reference", "id": "?"}]}

    whole, own = expanded(
        body, [user("before", id="msg_0")], {"a": user("A", id="a")}, dropped=["previous_response_id"]
    )

    assert whole == {
        "model": "m",
        "input": [user("before"), user("A"), {"type": "item_reference", "id": "?"}],
    }
    assert own == [user("A", id="a"), {"type": "item_reference", "id": "?"}]


def test_only_reasoning_keeps_its_id():
    assert replayed({"type": "reasoning", "id": "rs_1", "summary": []})["id"] == "rs_1"
    assert "id" not in replayed({"type": "function_call", "id": "fc_1", "call_id": "c"})
    assert replayed("text") == "text"


def test_items_get_ids_and_their_whole_form():
    numbers = iter(range(9))

    items = named(
        [
            {"role": "user", "content": "hi"},
            {"type": "function_call_output", "id": None, "call_id": "c"},
            {"id": "x"},
            3,
        ],
        lambda prefix: f"{prefix}{next(numbers)}",
    )

    assert [(item["type"], item["id"][:4]) for item in items] == [("message", "msg_"), ("function_call_output", "fco_")]
    assert items[0]["content"] == [{"type": "input_text", "text": "hi"}]
    assert as_items("hi")[0]["content"] == [{"type": "input_text", "text": "hi"}]
    assert as_items(None) == []


@pytest.mark.parametrize(
    ("after", "own", "kept"),
    [
        ([user("a*"), user("b*"), user("c*")], 2, ["b*", "c*"]),
        ([{"role": "system", "content": "added"}, user("a*"), user("b*"), user("c*")], 1, ["c*"]),
        ([user("a*"), user("b*"), user("c*"), {"role": "system", "content": "added"}], 1, ["c*"]),
        ([user("a*"), user("b*"), user("c*")], 0, []),
        ([], 2, []),
    ],
)
def test_the_own_items_are_kept_as_plugins_left_them(after, own, kept):
    before = [user("a"), user("b"), user("c")]

    assert [item["content"] for item in edited_items(before, after, own)] == kept


def test_the_own_items_of_many_equal_ones_are_found_at_once():
    before = [user("same") for _ in range(100_000)]
    began = time.process_time()

    kept = edited_items(before, [{"role": "system", "content": "added"}, *before[:-1], user("hidden")], 3)

    assert [item["content"] for item in kept] == ["same", "same", "hidden"]
    assert time.process_time() - began < 2


def test_pages():
    items = [{"id": str(number)} for number in range(5)]

    first = page_of(items, {"limit": "2"})
    assert ([item["id"] for item in first["data"]], first["has_more"], first["last_id"]) == (["4", "3"], True, "3")
    last = page_of(items, {"limit": "9", "after": "3", "order": "asc"})
    assert ([item["id"] for item in last["data"]], last["has_more"]) == (["4"], False)
    assert page_of([], {})["first_id"] is None
    for wrong in ({"limit": "0"}, {"limit": "x"}, {"order": "up"}, {"after": "none"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            page_of(items, wrong)
