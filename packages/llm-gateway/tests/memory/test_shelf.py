import asyncio
import random
import time

import pytest

from llm_gateway.memory.shelf import Bounds, Conversation, KeptResponse, Shelf, TooLarge
from llm_gateway.stores.memory import MemoryStore


def shelf(project="p", store=None, *, seconds=60.0, max_bytes=10_000, read=100_000, items=1000):
    bounds = Bounds(max_bytes, read, items)
    return Shelf(lambda: store or MemoryStore(), project, seconds=seconds, bounds=bounds)


def kept(id_="resp_1", text="hi", **more):
    output = [{"type": "message", "id": f"msg_{id_}", "content": [{"type": "output_text", "text": text}]}]
    return KeptResponse({"id": id_, "output": output}, [], **more)


def test_a_response_and_its_items_are_found_by_their_owner_in_their_project_alone():
    async def scenario():
        store = MemoryStore()
        here, there = shelf(store=store), shelf("q", store=store)
        await here.keep("ann", kept())
        assert (await here.response("ann", "resp_1")).output[0]["id"] == "msg_resp_1"
        assert (await here.items("ann", ["msg_resp_1", "msg_none"])).keys() == {"msg_resp_1"}
        for other, owner in ((here, "bob"), (there, "ann")):
            assert await other.response(owner, "resp_1") is None
            assert await other.items(owner, ["msg_resp_1"]) == {}
        assert await here.response("ann", "x" * 1000) is None

    asyncio.run(scenario())


def test_what_is_forgotten_is_gone_with_its_items():
    async def scenario():
        each = shelf()
        await each.keep("ann", kept())
        await each.forget_response("ann", kept())
        assert await each.response("ann", "resp_1") is None
        assert await each.items("ann", ["msg_resp_1"]) == {}

    asyncio.run(scenario())


def test_what_is_too_large_is_not_kept():
    async def scenario():
        each = shelf(max_bytes=500)
        with pytest.raises(TooLarge):
            await each.keep("ann", kept(text="x" * 1000))
        with pytest.raises(TooLarge):
            await each.keep_conversation("ann", Conversation("conv_1", 0, items=["x" * 1000]))
        assert await each.response("ann", "resp_1") is None

    asyncio.run(scenario())


def test_what_one_request_refers_to_is_bounded_together_and_not_read_beyond():
    class Counting(MemoryStore):
        asked = 0

        async def recall(self, keys):
            self.asked += len(keys)
            return await super().recall(keys)

    async def scenario():
        store = Counting()
        each = shelf(store=store, read=100_000)
        names = [f"resp_{number}" for number in range(100)]
        for name in names:
            await each.keep("ann", kept(name, text="x" * 9000))
        assert list(await each.responses("ann", names[:10])) == names[:10]
        store.asked = 0
        with pytest.raises(TooLarge):
            await each.responses("ann", names)
        assert store.asked < 50
        few = [f"few_{number}" for number in range(300)]
        for name in few:
            await each.keep("ann", kept(name))
        assert list(await each.responses("ann", few)) == few

    asyncio.run(scenario())


def test_values_of_a_conversation_are_bounded():
    async def scenario():
        each = shelf(items=1000)
        await each.keep_conversation("ann", Conversation("conv_1", 0, items=[[1] * 900]))
        with pytest.raises(TooLarge, match="1000 values"):
            await each.add_items("ann", "conv_1", [[1] * 900])
        assert (await each.conversation("ann", "conv_1")).items == [[1] * 900]

    asyncio.run(scenario())


def test_only_what_is_half_over_is_written_again():
    async def scenario():
        each = shelf(seconds=60)
        for id_ in ("old", "new"):
            await each.keep("ann", kept(id_))
        old, new, gone = (kept(id_, "again", at=time.time() - 40) for id_ in ("old", "new", "gone"))
        new.at = time.time()
        await each.refresh("ann", [old, new, gone])
        found = await each.responses("ann", ["old", "new", "gone"])
        texts = {id_: response.output[0]["content"][0]["text"] for id_, response in found.items()}
        assert texts == {"old": "again", "new": "hi"}

    asyncio.run(scenario())


def test_two_turns_of_one_conversation_at_once_are_both_kept():
    async def scenario():
        each = shelf()
        await each.keep_conversation("ann", Conversation("conv_1", 0))
        await asyncio.gather(*(each.add_items("ann", "conv_1", [number]) for number in range(20)))
        assert sorted((await each.conversation("ann", "conv_1")).items) == list(range(20))
        assert await each.add_items("ann", "conv_none", [1]) is None
        assert await each.forget_conversation("ann", "conv_1")
        assert not await each.forget_conversation("ann", "conv_1")

    asyncio.run(scenario())


class Slow(MemoryStore):
    """Others have their turn before each step, for a while that differs."""

    def __init__(self, seed):
        super().__init__()
        self._chance = random.Random(seed)

    async def _pause(self):
        for _ in range(self._chance.randrange(8)):
            await asyncio.sleep(0)

    async def keep(self, *args):
        await self._pause()
        await super().keep(*args)

    async def recall(self, *args):
        await self._pause()
        found = await super().recall(*args)
        await self._pause()
        return found

    async def forget(self, *args):
        await self._pause()
        return await super().forget(*args)


@pytest.mark.parametrize("seed", range(30))
def test_what_was_deleted_does_not_come_back_with_what_was_changed_at_the_same_time(seed):
    """Two gateways on one store: in each order a deletion that was answered is the end."""

    async def scenario():
        store = Slow(seed)
        here, there = shelf(store=store), shelf(store=store)
        old = kept("resp_old", at=0.0)
        await here.keep("ann", old)
        await here.keep_conversation("ann", Conversation("conv_1", 0))
        old.at = time.time() - 31
        await asyncio.gather(
            here.refresh("ann", [old]),
            there.forget_response("ann", old),
            here.add_items("ann", "conv_1", [{"id": "a"}]),
            there.forget_conversation("ann", "conv_1"),
            there.add_items("ann", "conv_1", [{"id": "b"}]),
        )
        assert await here.response("ann", "resp_old") is None
        assert await here.conversation("ann", "conv_1") is None

    asyncio.run(scenario())
