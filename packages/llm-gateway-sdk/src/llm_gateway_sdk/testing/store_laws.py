"""The laws that every store keeps, as tests. Subclass `StoreLaws`, say how a store is made, and pytest runs them all.

    class TestMyStoreLaws(StoreLaws):
        def make(self):
            store = MyStore()
            store.configure("my://localhost", {})
            return store

Each call of `make` gives another client of the same empty store, which `fresh` prepares before each test. Stores that
several processes can use name themselves for another process by `recipe`. Laws about what a store can't do skip.
Times are real: the laws wait for leases of a fraction of a second.
"""

from __future__ import annotations

from .concurrency_laws import ConcurrencyLaws
from .counter_laws import CounterLaws
from .document_laws import DocumentLaws
from .rate_laws import RateLaws
from .store_clients import Recipe, open_store

__all__ = ["Recipe", "StoreLaws", "open_store"]


class StoreLaws(CounterLaws, RateLaws, ConcurrencyLaws, DocumentLaws):
    """Override `make`, and what else the store can do."""
