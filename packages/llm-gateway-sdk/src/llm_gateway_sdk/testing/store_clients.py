"""Clients of a store in processes of their own, which the laws of stores kill and stop, and what they have spent.

Each writes down before a step what it is about to do. So what a killed one can have spent lies between two bounds,
whatever its last step did.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..store import Amount, CounterState, Entry, Lease, Refused, Store, StoreError, new_lease_id

__all__ = [
    "BUDGET",
    "Recipe",
    "bounds",
    "budget",
    "open_store",
    "spawn",
    "spend",
    "wait_for_lines",
    "wait_for_settlements",
]

Recipe = tuple[str, str, dict[str, Any]]
"""`module:Class`, URL and settings of a store."""


def open_store(recipe: Sequence[Any]) -> Store:
    """A store as a recipe describes it."""
    path, url, config = recipe
    module, _, name = path.partition(":")
    store: Store = getattr(importlib.import_module(module), name)()
    store.configure(url, config)
    return store


BUDGET = 1_000_000_000
"""What all clients together may spend, of the counter `budget`."""


def spawn(recipe: Recipe, file: Path, lease_seconds: float) -> subprocess.Popen[bytes]:
    """A process that spends from a budget until it is killed, and writes its steps into the file."""
    script = "from llm_gateway_sdk.testing.store_clients import spend; spend()"
    return subprocess.Popen([sys.executable, "-c", script, json.dumps(recipe), str(file), str(lease_seconds)])


def wait_for_lines(files: Sequence[Path]) -> None:
    """Until every process has begun: starting Python takes longer than the test."""
    until = time.monotonic() + 60
    while not all(file.exists() and file.stat().st_size > 5000 for file in files):
        assert time.monotonic() < until, "the processes of the test do not start"
        time.sleep(0.02)


def wait_for_settlements(files: Sequence[Path]) -> None:
    """Until every process has settled something more than it had."""
    had = [file.read_text().count('"settled"') for file in files]
    until = time.monotonic() + 60
    while any(file.read_text().count('"settled"') <= before for file, before in zip(files, had, strict=True)):
        assert time.monotonic() < until, "the processes of the test do not go on"
        time.sleep(0.05)


async def budget(store: Store) -> CounterState:
    """What is spent. A busy machine may keep a server from its answer for a while."""
    until = time.monotonic() + 30
    while True:
        try:
            (state,) = await store.read([Entry("budget", 0, BUDGET)])
            return state
        except StoreError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)


async def _until_it_is_back(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
            return
        except StoreError:
            await asyncio.sleep(0.05)


def spend() -> None:
    """Reserves and settles until it is killed, and writes down before each step what it is about to do. Where the store
    is away, what may have been reserved is taken back, and settled is what has to be."""
    recipe, file, lease_seconds = json.loads(sys.argv[1]), sys.argv[2], float(sys.argv[3])

    async def client(store: Store, log: int, source: random.Random) -> None:
        while True:
            held = Lease(new_lease_id(), lease_seconds, "spend")
            amount = source.randrange(1, 300_000)
            os.write(log, f"{json.dumps(['reserve', held.id, amount])}\n".encode())
            try:
                answer = await store.reserve([Entry("budget", amount, BUDGET), Entry("calls", 1)], held)
            except StoreError:
                await _until_it_is_back(partial(store.settle, held.id, []))
                continue
            if isinstance(answer, Refused):
                os.write(log, f"{json.dumps(['refused', held.id, 0])}\n".encode())
                await asyncio.sleep(0.01)
                continue
            os.write(log, f"{json.dumps(['granted', held.id, amount])}\n".encode())
            await asyncio.sleep(source.random() / 100)
            used = source.randrange(0, amount + 1)
            os.write(log, f"{json.dumps(['settle', held.id, used])}\n".encode())
            amounts = [Amount("budget", used), Amount("calls", 1)]
            await _until_it_is_back(partial(store.settle, held.id, amounts, note="spend"))
            os.write(log, f"{json.dumps(['settled', held.id, used])}\n".encode())

    async def main() -> None:
        store = open_store(recipe)
        log = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        source = random.Random()
        await asyncio.gather(*(client(store, log, source) for _ in range(8)))

    asyncio.run(main())


def bounds(files: Sequence[Path]) -> tuple[int, int]:
    """The least and the most that the killed clients can have spent."""
    least = most = 0
    for file in files:
        steps: dict[str, dict[str, int]] = {}
        # What was cut by the end of its process was not done: each step is written down before.
        for line in file.read_text().split("\n")[:-1] if file.exists() else ():
            step, lease_id, amount = json.loads(line)
            steps.setdefault(lease_id, {})[step] = amount
        for each in steps.values():
            if "settled" in each:
                low = high = each["settled"]
            elif "refused" in each:
                low = high = 0
            elif "settle" in each:  # settled, or expired and charged in full
                low, high = each["settle"], each["reserve"]
            else:
                low, high = (each["reserve"] if "granted" in each else 0), each["reserve"]
            least, most = least + low, most + high
    return least, most
