from __future__ import annotations

import pytest

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import Document, StoreUnavailable


class SwitchableStore(MemoryStore):
    """A store that can be away."""

    away = False
    reads = 0

    async def get(self, key: str) -> Document | None:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("away")
        return await super().get(key)


@pytest.fixture
def store() -> SwitchableStore:
    return SwitchableStore()
