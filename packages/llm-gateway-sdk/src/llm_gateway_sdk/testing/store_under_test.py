"""A store under its laws: how clients of it are made, and what can be done to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ..store import (
    Entry,
    Lease,
    Store,
    new_lease_id,
)
from .store_clients import Recipe

__all__ = ["StoreUnderTest", "lease", "settled_and_open"]


def lease(seconds: float = 30.0, note: str = "") -> Lease:
    return Lease(new_lease_id(), seconds, note)


async def settled_and_open(store: Store, key: str) -> tuple[int, int]:
    (state,) = await store.read([Entry(key, 0)])
    return state.settled, state.open


class StoreUnderTest:
    """Override `make`, and what else the store can do."""

    lease_seconds = 0.3
    """The lease of the tests that let one expire."""
    keeps_every_answer = True
    """Whether a restart loses nothing that was answered; False where another server takes over that may lack the last
    moments."""

    @pytest.fixture(autouse=True)
    def fresh(self) -> Any:
        """Override with a fixture that empties the store."""
        return None

    def make(self) -> Store:
        raise NotImplementedError

    def recipe(self) -> Recipe | None:
        """How another process opens the store; None where none can."""
        return None

    def restart(self) -> bool:
        """Ends the store's server by force and starts it again; False where there is none."""
        return False

    def pause(self, seconds: float) -> bool:
        """Stops the store's server for so long, and lets it go on; False where there is none."""
        return False

    def impatient_recipe(self) -> Recipe | None:
        """`recipe` of a client that gives a call up while the server is paused. Override where that is a setting."""
        return self.recipe()

    def step_clock(self, seconds: float) -> bool:
        """Moves the store's clock; False where that can't be done."""
        return False

    def run(self, scenario: Callable[[Store], Awaitable[None]]) -> None:
        async def main() -> None:
            async with self.client() as store:
                await scenario(store)

        asyncio.run(main())

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Store]:
        store = self.make()
        try:
            yield store
        finally:
            await store.aclose()
