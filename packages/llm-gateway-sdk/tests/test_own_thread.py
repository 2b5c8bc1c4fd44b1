import asyncio
import threading

import pytest

from llm_gateway_sdk.own_thread import OwnThread


def test_what_is_returned_or_raised_comes_back():
    async def scenario():
        own = OwnThread("test")
        assert await own.run(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await own.run(lambda: 1 // 0)
        assert await own.run(threading.current_thread) is not threading.current_thread()

    asyncio.run(scenario())


def test_a_call_that_hangs_takes_one_thread_however_often_it_is_waited_for():
    async def scenario():
        own, may_end, calls = OwnThread("test"), threading.Event(), []

        def hang():
            calls.append(threading.current_thread())
            may_end.wait(10)
            return len(calls)

        for _ in range(20):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await own.run(hang)
        assert len(calls) == 1
        assert calls[0].daemon, "it keeps no process alive"
        waiting = asyncio.ensure_future(own.run(hang))
        await asyncio.sleep(0)
        may_end.set()
        assert await waiting == 1, "who waits now gets the answer of the call that was under way"
        assert await own.run(hang) == 2

    asyncio.run(scenario())
