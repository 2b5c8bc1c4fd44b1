from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_model_router.balance import least_in_flight, rotated, sticky, weighted

WEIGHTS = st.dictionaries(st.text(min_size=1, max_size=5), st.floats(0, 100), min_size=1, max_size=6).filter(
    lambda weights: any(weight > 0 for weight in weights.values())
)


@given(WEIGHTS, st.floats(0, 1, exclude_max=True))
def test_what_weighs_nothing_is_not_drawn(weights, draw):
    total = sum(weights.values())
    chosen = weighted(weights, draw=draw)

    assert weights[chosen] > 0 or draw * total >= sum(weights.values()) * (1 - 1e-9)


def test_a_draw_falls_where_the_weights_say():
    weights = {"a": 1.0, "b": 3.0}

    assert [weighted(weights, draw=draw) for draw in (0.0, 0.24, 0.26, 0.99)] == ["a", "a", "b", "b"]


@given(WEIGHTS, st.text())
def test_a_key_always_finds_the_same(weights, key):
    assert sticky(weights, key) == sticky(dict(reversed(weights.items())), key)
    assert weights[sticky(weights, key)] > 0


def test_only_the_share_of_a_removed_model_moves():
    three = {"a": 1.0, "b": 1.0, "c": 1.0}
    before = {key: sticky(three, key) for key in map(str, range(300))}
    after = {key: sticky({"a": 1.0, "b": 1.0}, key) for key in before}

    assert all(after[key] == before[key] for key in before if before[key] != "c")
    assert min(Counter(before.values()).values()) > 60


def test_the_least_running_for_its_weight_is_chosen():
    assert least_in_flight({"a": 1.0, "b": 4.0}, Counter(a=1, b=3)) == "b"
    assert least_in_flight({"a": 0.0, "b": 1.0}, Counter(b=9)) == "b"


def test_the_chosen_comes_first_and_the_others_keep_their_order():
    assert rotated(["a", "b", "c"], "b") == ["b", "a", "c"]
