"""How much of a charge is not exact never passes the charge, however it is divided and rounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_limits.marks import Marks
from llm_gateway_limits.rules import Rule
from llm_gateway_limits.windows import Window

amounts = st.integers(0, 10**7)


def test_what_is_exact_or_unknown_leaves_no_mark() -> None:
    marks = Marks()
    for precision, amount in (("exact", 5), (None, 5), ("partial", 2), ("estimated", 1), ("estimated", 3)):
        marks.add(precision, amount)  # type: ignore[arg-type]

    assert (marks.partial, marks.estimated) == (2, 4)


@given(exact=amounts, partial=amounts, estimated=amounts, sizes=st.lists(amounts, max_size=4))
def test_the_parts_of_a_charge_have_its_marks(exact: int, partial: int, estimated: int, sizes: list[int]) -> None:
    left, rest = exact + partial + estimated, Marks(partial, estimated)
    taken = Marks()
    for size in [*sizes, left]:
        size = min(size, left)
        first, rest = rest.split(size)
        assert first.partial + first.estimated <= size
        left -= size
        taken.add("partial", first.partial)
        taken.add("estimated", first.estimated)
    assert left == 0 or (rest.partial + rest.estimated <= left)
    if left == 0:
        assert (taken, rest) == (Marks(partial, estimated), Marks())


@given(exact=amounts, partial=amounts, estimated=amounts, scale=st.sampled_from([1, 1000]))
def test_in_a_counters_units_they_are_no_more_than_its_charge(
    exact: int, partial: int, estimated: int, scale: int
) -> None:
    rule = Rule("l", "cost", 1, Window(), scale=scale)
    charged = rule.scaled(exact + partial + estimated)
    known = Marks(partial, estimated).within(rule, charged)

    assert known[0] >= 0
    assert sum(known) <= charged
    assert abs(known[1] * scale - estimated) < scale
