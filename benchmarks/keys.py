"""Stores with many virtual keys, for the scenarios of keys and limits, made once and used again."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from llm_gateway_redis_store import RedisStore
from llm_gateway_virtual_keys.keyring import PREFIX
from llm_gateway_virtual_keys.keys import KeyRecord, digest_of, new_key

from llm_gateway.stores.sqlite import SQLiteStore
from llm_gateway_sdk import Store

from .scenarios import KEYS

__all__ = ["LIMITS", "by_rank", "key_file", "ranked_key_file", "redis_running", "redis_with_keys", "sqlite_with_keys"]

LIMITS = """
plugins:
  - {name: keys, type: virtual-keys, priority: 1}
  - name: limits
    type: limits
    priority: 2
    config:
      limits:
        - {name: rate, per: [key], requests: 100k, window: 1m}
        - {name: tokens, per: [key], tokens: 100M, window: 1m}
        - {name: month, per: [key], cost: 10000 USD, window: {calendar: month}}
"""
"""Three limits per key, as those that are in force for each request of a company's gateway."""
_AT_ONCE = 256
_EXPONENT = 1.1


def key_file(folder: Path) -> Path:
    """A file with one key per line."""
    file = folder / "keys.txt"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(new_key()[1] + "\n" for _ in range(KEYS)))
    return file


def by_rank(keys: Sequence[str], count: int) -> list[str]:
    """The keys of `count` requests, each chosen by its rank, as the keys of a company are used: of 100,000 the first
    asks for an eighth of all, the first hundred for half, and most for one request or none. The same each time."""
    weights = list(itertools.accumulate((rank + 1) ** -_EXPONENT for rank in range(len(keys))))
    return random.Random(1).choices(keys, cum_weights=weights, k=count)


def ranked_key_file(folder: Path) -> Path:
    """The keys of requests one after the other, chosen by rank."""
    file = folder / "ranked-keys.txt"
    if not file.exists():
        chosen = by_rank(key_file(folder).read_text().split(), KEYS)
        file.write_text("".join(key + "\n" for key in chosen))
    return file


def sqlite_with_keys(folder: Path, target: Path) -> str:
    """A fresh store whose file is `target`, with all keys of `folder` in it. Returns its URL."""
    made = folder / "keys.db"
    if not made.exists():
        unfinished = folder / "unfinished.db"
        unfinished.unlink(missing_ok=True)
        store = SQLiteStore()
        store.configure(f"sqlite:{unfinished}", {"deadline": 60_000})
        asyncio.run(_fill(store, key_file(folder).read_text().split()))
        unfinished.rename(made)
    for leftover in target.parent.glob(target.name + "*"):
        leftover.unlink()
    shutil.copy(made, target)
    return f"sqlite:{target}"


@contextmanager
def redis_running(folder: Path) -> Iterator[int]:
    """A server of our own that keeps everything in memory. Gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until = time.monotonic() + 10
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError("redis-server does not start")
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()


def redis_with_keys(folder: Path, port: int) -> str:
    """The server's store, with all keys of `folder` in it. Returns its URL."""
    url = f"redis://127.0.0.1:{port}/0"
    store = RedisStore()
    store.configure(url, {"deadline": 60_000})
    asyncio.run(_fill(store, key_file(folder).read_text().split()))
    return url


async def _fill(store: Store, keys: Sequence[str]) -> None:
    """Writes the keys' records. The audit log is left out: it is not read by requests."""
    for start in range(0, len(keys), _AT_ONCE):
        await asyncio.gather(*(_put(store, key) for key in keys[start : start + _AT_ONCE]))
    await store.aclose()


async def _put(store: Store, key: str) -> None:
    key_id = key.split("_")[1]
    record = KeyRecord(id=key_id, name=f"key {key_id}", digest=digest_of(key), team="benchmark", created=time.time())
    await store.put(PREFIX + key_id, record.encode())
