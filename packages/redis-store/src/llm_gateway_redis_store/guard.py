"""Every call has a deadline, and a server that keeps failing is left alone for a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisClusterException, RedisError

from llm_gateway_sdk.store import StoreUnavailable

__all__ = ["Guard"]

T = TypeVar("T")
_FAILURES = 5
_PAUSE_SECONDS = 1.0


class Guard:
    """A slow server is worse than one that is gone: each request would wait for it. After some failures in a row calls
    fail at once for a second; then one call tries whether the server is back."""

    def __init__(self, deadline: float, *, at_once: int = 64, clock: Callable[[], float] = time.monotonic) -> None:
        self.deadline = deadline
        self._places = asyncio.Semaphore(at_once)
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._probing = False

    async def call(self, work: Callable[[], Awaitable[T]], *, deadline: float | None = None) -> T:
        """The result of `work`. Raises StoreUnavailable for every failure of the server or the way to it."""
        probing = False
        if self._failures >= _FAILURES:
            if self._clock() < self._open_until or self._probing:
                raise StoreUnavailable("the Redis store has failed several times and is tried again in a moment")
            self._probing = probing = True
        seconds = self.deadline if deadline is None else deadline
        try:
            async with asyncio.timeout(seconds), self._places:
                result = await work()
        except TimeoutError:
            self._failed()
            raise StoreUnavailable(f"the Redis store did not answer within {seconds * 1000:g} ms") from None
        except (RedisError, RedisClusterException, OSError, AttributeError) as error:
            # Of a cluster without a node that answers the exception is not a RedisError. The cluster client also
            # raises AttributeError where another task closed the connection under a call.
            self._failed()
            raise StoreUnavailable(f"the Redis store failed: {type(error).__name__}: {error}") from error
        finally:
            if probing:
                self._probing = False
        self._failures = 0
        return result

    def _failed(self) -> None:
        self._failures += 1
        self._open_until = self._clock() + _PAUSE_SECONDS
