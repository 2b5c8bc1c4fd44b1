"""`python -m benchmarks.governance [--stores sqlite,redis]`: what a key and three limits cost per request.

CPU time more than P1 in the same process, without sockets. 64 requests are under way at once; the least of many short
runs counts. The CPU time of a Redis server is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import itertools
import pstats
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, cast

import uvloop

from llm_gateway.server.worker import spare_the_collector

from .inprocess import CHAT, InProcess, Transport, quiet, raw_request
from .keys import LIMITS, by_rank, key_file, redis_running, redis_with_keys, sqlite_with_keys
from .measure import work_folder
from .scenarios import SCENARIOS, request_body

AT_ONCE = 64


class _Client(Transport):
    """A connection that asks again as soon as it is answered, for as long as there is something to ask."""

    def __init__(self, clients: Clients, requests: Iterator[bytes]) -> None:
        super().__init__()
        self._requests = requests
        self._clients = clients
        self._loop = asyncio.get_running_loop()
        self.write = self._answered
        self.protocol = clients.gateway.connect(self)

    def ask(self) -> None:
        if self._clients.may_ask():
            self.protocol.data_received(next(self._requests))

    def _answered(self, reply: bytes) -> None:
        if not reply.startswith(b"HTTP/1.1 200"):
            raise SystemExit(reply[:1000].decode())
        self._clients.answered()
        self._loop.call_soon(self.ask)


class Clients:
    """Connections of one gateway."""

    def __init__(self, gateway: InProcess, requests: Sequence[Iterator[bytes]]) -> None:
        self.gateway = gateway
        self._left = self._open = 0
        self._all_answered: asyncio.Future[None] | None = None
        self._clients = [_Client(self, each) for each in requests]

    async def ask(self, count: int) -> None:
        self._left = self._open = count
        self._all_answered = asyncio.get_running_loop().create_future()
        for client in self._clients:
            client.ask()
        await self._all_answered

    def may_ask(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def answered(self) -> None:
        self._open -= 1
        if not self._open and self._all_answered is not None:
            self._all_answered.set_result(None)


def requests_of(keys: Sequence[str], choice: str) -> list[Iterator[bytes]]:
    """What each connection asks. `in use`: one key per connection; `in turn`: each request has the next one of all;
    `by rank`: few of them often and many seldom."""
    body = request_body(SCENARIOS["P1"], "gpt-4o-mini")

    def request(key: str) -> bytes:
        return raw_request(CHAT, body).replace(b"bench-key", key.encode())

    if choice == "in use":
        return [itertools.repeat(request(key)) for key in itertools.islice(itertools.cycle(keys), AT_ONCE)]
    chosen = keys if choice == "in turn" else by_rank(keys, len(keys))
    return [(request(key) for key in itertools.cycle(chosen))] * AT_ONCE


async def _measure(store: str, keys: Sequence[str], choices: Sequence[str], args: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        plain = Clients(await stack.enter_async_context(InProcess()), requests_of(["bench-key"], "in use"))
        written = f"store: {{url: '{store}', config: {{deadline: 60s}}}}\n{LIMITS}"
        limited = await stack.enter_async_context(InProcess(written))
        spare_the_collector()
        for choice in choices:
            clients = Clients(limited, requests_of(keys, choice))
            await plain.ask(500)
            await clients.ask(args.warm)
            best = [float("inf")] * 2
            for _ in range(args.runs):
                for position, each in enumerate((plain, clients)):
                    best[position] = min(best[position], await _cost(each, args.count))
            name = store.partition(":")[0]
            print(f"{name:7} {choice:8} P1 {best[0]:6.1f} µs, more than P1 {best[1] - best[0]:6.1f} µs", flush=True)
            if args.profile:
                profile = cProfile.Profile()
                with quiet(), profile:
                    await clients.ask(args.count)
                stats = cast(Any, pstats.Stats(profile))
                print(f"calls per request {stats.total_calls / args.count:.0f}")
                stats.sort_stats("tottime").print_stats(45)


async def _cost(clients: Clients, count: int) -> float:
    started = time.process_time()
    await clients.ask(count)
    return (time.process_time() - started) / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stores", default="sqlite,redis")
    parser.add_argument("--choices", default="in use,in turn,by rank")
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--warm", type=int, default=2000)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    folder = work_folder() / "keys"
    keys = key_file(folder).read_text().split()[: args.keys]
    with ExitStack() as stack:
        for kind in args.stores.split(","):
            if kind == "redis":
                url = redis_with_keys(folder, stack.enter_context(redis_running(folder)))
            else:
                target = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "state.db"
                url = sqlite_with_keys(folder, target)
            uvloop.run(_measure(url, keys, args.choices.split(","), args))


if __name__ == "__main__":
    main()
