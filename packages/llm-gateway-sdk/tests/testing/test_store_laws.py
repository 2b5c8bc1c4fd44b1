"""The laws of stores find stores that break them: each fault here is one that a store has had or could have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

memory = pytest.importorskip("llm_gateway.stores.memory", reason="the gateway's stores are not installed")

from llm_gateway_sdk.store import Amount, Document, Entry, Lease, LogEvent, Store  # noqa: E402
from llm_gateway_sdk.testing.store_laws import StoreLaws  # noqa: E402


class Generous(memory.MemoryStore):  # type: ignore[misc, name-defined]
    """Grants whatever is asked."""

    async def reserve(self, entries: Sequence[Entry], lease: Lease, *, domain: str = "") -> Any:
        return await super().reserve([Entry(entry.key, entry.amount) for entry in entries], lease, domain=domain)


class Forgetful(memory.MemoryStore):  # type: ignore[misc, name-defined]
    """Charges nothing when a lease is settled."""

    async def settle(self, lease_id: str, actual: Sequence[Amount], **more: Any) -> None:
        await super().settle(lease_id, [], **more)


class Repeating(memory.MemoryStore):  # type: ignore[misc, name-defined]
    """Charges a settlement that comes twice twice."""

    async def settle(self, lease_id: str, actual: Sequence[Amount], **more: Any) -> None:
        await super().settle(lease_id, actual, **more)
        more["reserved"] = False
        await super().settle(f"{lease_id}-again", actual, **more)


class Careless(memory.MemoryStore):  # type: ignore[misc, name-defined]
    """Writes documents whatever version is expected."""

    async def put(self, key: str, value: bytes, *, expected: int | None = None) -> int:
        return int(await super().put(key, value))


class Unordered(memory.MemoryStore):  # type: ignore[misc, name-defined]
    """Gives documents in the reverse order, and the newest events first."""

    async def scan(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[Document]:
        return list(reversed(await super().scan(prefix, after=after, limit=limit)))

    async def read_since(self, log: str, cursor: str = "", *, limit: int = 1000, domain: str = "") -> list[LogEvent]:
        return list(reversed(await super().read_since(log, cursor, limit=limit, domain=domain)))


def laws_of(kind: Callable[[], Store]) -> StoreLaws:
    class Laws(StoreLaws):
        def make(self) -> Store:
            return kind()

    return Laws()


def broken_laws(kind: Callable[[], Store]) -> set[str]:
    """Names of the laws without parameters that the store breaks."""
    broken = set()
    for name in dir(StoreLaws):
        law = getattr(laws_of(kind), name)
        if not name.startswith("test_") or law.__code__.co_argcount > 1 or "expir" in name or "process" in name:
            continue
        try:
            law()
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception):
            broken.add(name)
    return broken


@pytest.mark.parametrize("kind", [Generous, Forgetful, Repeating, Careless, Unordered])
def test_a_store_with_a_fault_breaks_a_law(kind: Callable[[], Store]) -> None:
    assert broken_laws(kind) != set()
