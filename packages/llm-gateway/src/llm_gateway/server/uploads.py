"""Memory for request bodies that are still arriving: a bound for all, and a share for each address.

Clients that are not authenticated yet can send bodies that never end. One address can take half of the memory while
others need none, and no more than its share when it grows scarce, so that the others always find some.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["UploadPool", "in_flight_bytes", "pool_bytes", "slow_reader_bytes"]

_BODIES = 16
"""Bodies of the largest size that the pool holds where there is memory for them."""
_PART_OF_MEMORY = 4
_SHARES = 8
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class UploadPool:
    """Counts bytes by address. `limit` and the largest body may change while it is in use."""

    def __init__(self, limit: int, max_body_bytes: int) -> None:
        self.configure(limit, max_body_bytes)
        self.used = 0
        self._by_address: dict[str, int] = {}

    def configure(self, limit: int, max_body_bytes: int) -> None:
        self.limit = max(limit, max_body_bytes)
        self.share = min(self.limit, max(max_body_bytes, self.limit // _SHARES))

    def take(self, address: str, size: int) -> None:
        self.used += size
        self._by_address[address] = self._by_address.get(address, 0) + size

    def give_back(self, address: str, size: int) -> None:
        self.used -= size
        left = self._by_address.get(address, 0) - size
        if left > 0:
            self._by_address[address] = left
        else:
            self._by_address.pop(address, None)

    def is_full(self, address: str) -> bool:
        """Whether an upload from this address must end, for there is too much of all or too much of this address."""
        used = self.used
        if used <= self.limit // 2:
            return False
        return used > self.limit or self._by_address.get(address, 0) > self.share


def pool_bytes(max_body_bytes: int, workers: int) -> int:
    """A pool for `_BODIES` of the largest bodies, as long as that is not more than a quarter of the memory that the
    worker has."""
    wanted = _BODIES * max_body_bytes
    memory = _memory()
    if memory is None:
        return wanted
    return max(2 * max_body_bytes, min(wanted, memory // _PART_OF_MEMORY // max(1, workers)))


def in_flight_bytes(workers: int) -> int:
    """For the bodies of requests in flight, each of which is in memory up to four times while it is worked on."""
    return (_memory() or 8 << 30) // 8 // max(1, workers)


def slow_reader_bytes(workers: int) -> int:
    """What replies may hold that their clients do not read."""
    memory = _memory()
    return max(64 << 20, (memory or 2 << 30) // 8 // max(1, workers))


def _memory() -> int | None:
    """Bytes that the container may use, else those of the machine; None where neither is known."""
    for file in _LIMITS:
        try:
            text = Path(file).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if text.isdigit() and int(text) < 1 << 60:
            return int(text)
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None
