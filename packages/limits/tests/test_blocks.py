"""Blocks are no larger than their share, and give back what was not used."""

from __future__ import annotations

from collections import deque

from llm_gateway_limits.blocks import Block, BlockSettings, Demand

from llm_gateway_sdk import CounterState, Entry


def test_a_block_gives_what_is_in_it_and_adds_up_what_was_used() -> None:
    block = Block("lease", ("a",), (100,), [100], until=10)
    assert block.take([60], now=1)
    assert not block.take([60], now=1)
    block.finish([60], [20])
    assert block.used == [20]
    assert block.take([60], now=1)
    assert block.used == [80], "what is open is counted as it was reserved"
    block.finish([60], [90])
    assert (block.used, block.open) == ([110], 0)
    assert not block.take([1], now=11)


def test_a_block_keeps_how_much_of_it_is_not_exact() -> None:
    block = Block("lease", ("a", "b", "c"), (100, 100, 100), [100, 100, 100], until=10, released=(False, False, True))
    for _ in range(3):
        assert block.take([10, 10, 10], now=1)
    block.finish([10, 10, 10], [8, 8, 8])
    block.finish([10, 10, 10], [9, 4, 3], [(2, 7), (0, 0), (1, 0)])

    assert block.charged == [(27, (2, 17)), (22, (0, 10)), (11, (1, 0))], "what is open is an estimate, or given back"


def test_blocks_shrink_to_nothing_near_a_limit() -> None:
    settings, entries = BlockSettings(share=0.1, seconds=2, requests=50), [Entry("a", 10, 1000)]
    demand = Demand()
    demand.times = deque([1.0] * 40)

    def size(settled: int) -> int:
        demand.states = (CounterState("a", settled, 0, 1000),)
        return demand.requests(entries, settings, now=1.5)

    assert [size(settled) for settled in (0, 500, 800, 850, 950)] == [10, 5, 2, 1, 1]


def test_a_combination_that_is_rarely_asked_for_gets_no_block() -> None:
    demand = Demand(states=(CounterState("a", 0, 0, None),))
    for when in (1.0, 9.0, 17.0):
        demand.asked(when, BlockSettings())
        assert demand.requests([Entry("a", 1)], BlockSettings(), now=when) == 1
    demand.asked(17.5, BlockSettings())
    assert demand.requests([Entry("a", 1)], BlockSettings(), now=17.5) == 2
