"""What the body of one request holds of the memory for bodies: from when it is whole to the end of the request,
and of the detached hooks that may look at it then.

All requests of a process together are bounded by `server.limits.maxInFlightBytes`. A body is in memory several times
while it is worked on, and stays there for as long as its provider takes to answer.
"""

from __future__ import annotations

from ..admission import Admission

__all__ = ["HeldBody", "body_memory"]


def body_memory() -> Admission:
    """For all requests of a process; how much it is follows from the configuration."""
    return Admission(concurrent=_DEFAULT_BYTES, queued=_DEFAULT_BYTES, timeout=30.0, what="memory for request bodies")


_DEFAULT_BYTES = 1 << 30


class HeldBody:
    """Belongs to the request, and after it to its detached hooks; the last of them gives it back."""

    __slots__ = ("_memory", "size")

    def __init__(self, memory: Admission, size: int = 0) -> None:
        """Of `memory`, which counts bytes, `size` have been acquired."""
        self._memory = memory
        self.size = size

    @classmethod
    async def of(cls, size: int, memory: Admission) -> HeldBody:
        """Waits like `hold`."""
        if not memory.try_acquire(size):
            await memory.acquire(size)
        return cls(memory, size)

    async def hold(self, size: int) -> None:
        """Waits until there is memory for so many bytes in all. Raises Overloaded where there is none in time; nothing
        is held then."""
        if size <= self.size:
            return
        # Requests that hold some and wait for more would wait for one another.
        self.give_back()
        await self._memory.acquire(size)
        self.size = size

    def give_back(self) -> None:
        size, self.size = self.size, 0
        if size:
            self._memory.release(size)
