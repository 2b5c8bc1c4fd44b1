"""The store in memory keeps the laws of stores."""

from __future__ import annotations

import time
from typing import Any

import pytest

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk.store import Store
from llm_gateway_sdk.testing.store_laws import StoreLaws


class TestMemoryStoreLaws(StoreLaws):
    offset: float
    store: MemoryStore

    @pytest.fixture(autouse=True)
    def fresh(self) -> Any:
        self.offset = 0.0
        self.store = MemoryStore(lambda: time.time() + self.offset)

    def make(self) -> Store:
        return self.store

    def step_clock(self, seconds: float) -> bool:
        self.offset += seconds
        return True


@pytest.mark.parametrize("url", ["memory://host", "memory:x"])
def test_an_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        MemoryStore().configure(url, {})
