"""What the command line asks of the plugin without a gateway."""

from __future__ import annotations

import asyncio

from llm_gateway_limits.plugin import Limits

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import Amount, new_lease_id

LIMITS = {"limits": [{"name": "few", "per": ["team"], "requests": 2, "window": "lifetime"}]}


def test_state_and_usage_are_read_from_a_store() -> None:
    async def main() -> None:
        store = MemoryStore()
        await store.put("limits/subjects/few|requests|lifetime|team=red|", b"")
        await store.settle(new_lease_id(), [Amount("few|requests|lifetime|team=red|", 1)], reserved=False)
        (row,) = await Limits.state_of(LIMITS, store)
        assert (row["subject"], row["settled"], row["remaining"]) == ({"team": "red"}, 1, 1)
        assert await Limits.usage_of({"by": ["team"]}, store) == []

    asyncio.run(main())


def test_recorded_requests_are_played_against_limits() -> None:
    (row,) = Limits.simulate(LIMITS, [{"time": number, "team": "red"} for number in range(3)])
    assert (row["seen"], row["refused"], row["bySubject"]) == (3, 1, [("red", 1)])
    assert Limits.show_amount("cost", 10**9) == "1.00 USD"
