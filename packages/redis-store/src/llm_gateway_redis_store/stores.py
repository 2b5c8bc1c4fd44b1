"""The store on Redis: each step is one script, in one round trip."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from msgspec import msgpack
from redis.exceptions import NoScriptError, RedisError

from llm_gateway_sdk.background import end_tasks
from llm_gateway_sdk.gathering import Gathered
from llm_gateway_sdk.store import (
    MAX_AMOUNT,
    Amount,
    Change,
    Conflict,
    CounterState,
    Document,
    Entry,
    Granted,
    Lease,
    LogEvent,
    Refused,
    Store,
    StoreError,
    StoreUnavailable,
    new_lease_id,
)

from .connections import Address, close_client, decode_url, make_client, make_subscriber
from .gathering import Gathering
from .guard import Guard
from .scripts import APPEND, EXTEND, NEVER, RESERVE, SETTLE, WRITE, Script

__all__ = ["ClusterRedisStore", "RedisStore", "SecureRedisStore", "SentinelRedisStore"]

_POLL_SECONDS = 2.0
_SLOW_SECONDS = 5.0
"""Deadline of what is not on the path of a request."""
_LARGE_SECONDS = 0.5
"""The least deadline of what may be large and for which a request may wait: a list of documents, a record."""
_BYTES_PER_SECOND = 10_000_000
"""What any server and network carry: the deadline of a record is longer by its size over this."""


class RedisStore(Store):
    """Counts on a server of Redis 7 or Valkey, for gateways on any number of machines."""

    name = "redis"
    example = "redis://localhost:6379/0"
    configuration_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "deadline": {
                "type": "number",
                "exclusiveMinimum": 0,
                "x-duration": True,
                "default": 50,
                "description": "How long a request waits for the server.",
            },
            "prefix": {
                "type": "string",
                "pattern": "^[^{}\\s]+$",
                "default": "llmgw",
                "description": "Beginning of all keys.",
            },
            "connections": {
                "type": "integer",
                "minimum": 1,
                "default": 64,
                "description": "Maximum number of connections per worker.",
            },
            "tls": {"type": "boolean", "default": False, "description": "For sentinels and clusters; `rediss` has it."},
            "caFile": {"type": "string", "description": "Authorities that the server's certificate may come from."},
            "certFile": {"type": "string", "description": "The client's certificate."},
            "keyFile": {"type": "string", "description": "The key of that certificate."},
        },
    }

    def __init__(self) -> None:
        self._address: Address | None = None
        self._client: Any = None
        self._guard = Guard(0.05)
        self._gathering = Gathering(lambda: self._redis, _SLOW_SECONDS)
        self._prefix = "llmgw"
        self._connections = 64
        self._calls: dict[tuple[str, str], Gathered[Any, Any]] = {}
        """What gathers calls, by their kind and domain."""
        self._spread = False
        """Over the nodes of a cluster."""
        self._starting: asyncio.Task[None] | None = None
        self._ready = False

    def configure(self, url: str, config: Mapping[str, Any], *, directory: str | os.PathLike[str] = ".") -> None:
        files = {
            key: os.path.join(directory, config[key]) for key in ("caFile", "certFile", "keyFile") if key in config
        }
        for key, file in files.items():
            if not os.path.isfile(file):
                raise ValueError(f"{key}: there is no file {file}")
        self._address = decode_url(url, {**config, **files})
        self._guard = Guard(float(config.get("deadline", 50)) / 1000, at_once=int(config.get("connections", 64)))
        self._spread = self._address.scheme == "redis+cluster"
        self._gathering = Gathering(lambda: self._redis, _SLOW_SECONDS, together=not self._spread)
        self._prefix = str(config.get("prefix", "llmgw"))
        self._connections = int(config.get("connections", 64))

    async def aclose(self) -> None:
        for gathered in list(self._calls.values()):
            await gathered.aclose()
        await self._gathering.aclose()
        if self._starting is not None:
            await end_tasks(self._starting)
        client, self._client = self._client, None
        if client is not None:
            await close_client(client)

    async def check(self) -> list[str]:
        async def ask() -> dict[str, Any]:
            found: dict[str, Any] = {}
            for section in ("server", "memory", "persistence"):
                answer = await self._redis.info(section)
                first = next(iter(answer.values()), None)
                found.update(first if isinstance(first, dict) else answer)  # a cluster answers by node
            return found

        info = await self._guard.call(ask, deadline=_SLOW_SECONDS)
        notes = []
        if int(info.get("maxmemory", 0)) > 0 and info.get("maxmemory_policy") != "noeviction":
            notes.append(
                f"its maxmemory-policy is {info.get('maxmemory_policy')}: counters may be evicted and limits start "
                "again at 0; set it to noeviction"
            )
        if not int(info.get("aof_enabled", 0)):
            notes.append("it does not append to a file (appendonly no): a restart loses what was counted since then")
        if int(str(info.get("redis_version", "7")).partition(".")[0]) < 7:
            notes.append(f"it is Redis {info.get('redis_version')}; 7 or newer is needed")
        return notes

    # Counters.

    async def reserve(self, entries: Sequence[Entry], lease: Lease, *, domain: str = "") -> Granted | Refused:
        _check(entries)
        answer: Granted | Refused = await self._gathered("reserve", domain, self._reserve_all).ask((entries, lease))
        return answer

    async def settle(
        self, lease_id: str, actual: Sequence[Amount], *, domain: str = "", reserved: bool = True, note: str = ""
    ) -> None:
        _check(actual)
        amounts = [(each.key, each.amount, round(each.ends * 1000), each.partial, each.estimated) for each in actual]
        await self._gathered("settle", domain, self._settle_all).ask((lease_id, reserved, note, amounts))

    async def extend(self, lease_ids: Sequence[str], seconds: float, *, domain: str = "") -> frozenset[str]:
        if not lease_ids:
            return frozenset()
        still_open = await self._counting(EXTEND, domain, [round(seconds * 1000), *lease_ids])
        return frozenset(each.decode() for each in still_open)

    async def read(self, entries: Sequence[Entry], *, domain: str = "") -> tuple[CounterState, ...]:
        if not entries:
            return ()
        [(_, _, *numbers)] = await self._reserving("read", domain, [("", 0, "", _written(entries))])
        return _states(entries, numbers)

    async def _reserve_all(
        self, domain: str, asked: Sequence[tuple[Sequence[Entry], Lease]]
    ) -> list[Granted | Refused | Exception]:
        written = [(lease.id, round(lease.seconds * 1000), lease.note, _written(entries)) for entries, lease in asked]
        answers: list[Granted | Refused | Exception] = []
        for (entries, lease), answer in zip(asked, await self._reserving("reserve", domain, written), strict=True):
            if answer[0] == "ended":
                answers.append(StoreError(f"the lease {lease.id} has ended"))
                continue
            word, expires, *numbers = answer
            states = _states(entries, numbers)
            answers.append(Refused(states) if word == "refused" else Granted(lease.id, expires / 1000, states))
        return answers

    async def _reserving(self, what: str, domain: str, asked: Sequence[tuple[Any, ...]]) -> list[Any]:
        answer = await self._counting(RESERVE, domain, [what, msgpack.encode(asked)])
        found: list[Any] = msgpack.decode(answer)
        return found

    async def _settle_all(self, domain: str, asked: Sequence[tuple[Any, ...]]) -> list[None]:
        await self._counting(SETTLE, domain, [msgpack.encode(asked)])
        return [None] * len(asked)

    def _gathered(self, what: str, domain: str, carry_out: Callable[..., Any]) -> Gathered[Any, Any]:
        """Collects the calls of one kind for one domain: its counters are on one node."""
        gathered = self._calls.get((what, domain))
        if gathered is None:
            gathered = self._calls[what, domain] = Gathered(partial(carry_out, domain))
        return gathered

    # Documents.

    async def get(self, key: str) -> Document | None:
        found: Document | None = await self._gathered("get", "", self._get_all).ask(key)
        return found

    async def _get_all(self, domain: str, keys: Sequence[str]) -> list[Document | None]:
        values = await self._guard.call(lambda: self._run("HMGET", self._documents("values"), *keys))
        return [None if value is None else _document(key, value) for key, value in zip(keys, values, strict=True)]

    async def put(self, key: str, value: bytes, *, expected: int | None = None) -> int:
        return await self._write(key, "put", bytes(value), expected)

    async def delete(self, key: str, *, expected: int | None = None) -> bool:
        return await self._write(key, "delete", b"", expected) > 0

    async def scan(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[Document]:
        async def look() -> list[Document]:
            start = b"(" + after.encode() if after and after >= prefix else b"[" + prefix.encode() if prefix else b"-"
            end = b"(" + prefix.encode() + b"\xff" if prefix else b"+"
            keys = await self._redis.zrangebylex(self._documents("order"), start, end, start=0, num=limit)
            values = await self._redis.hmget(self._documents("values"), keys) if keys else []
            return [
                _document(key.decode(), value) for key, value in zip(keys, values, strict=True) if value is not None
            ]

        # Two steps, and each may find many documents.
        return await self._guard.call(look, deadline=self._deadline_of(0))

    async def epoch(self) -> int:
        return int(await self._guard.call(lambda: self._redis.get(self._documents("epoch"))) or 0)

    async def changes(self) -> AsyncIterator[Change]:
        """Pushed by the server; where the connection is lost, or a message was, the epoch shows it."""
        assert self._address is not None
        await self.epoch()
        client = make_subscriber(self._address, self._redis)
        try:
            async for change in self._subscribe(client):
                yield change
        finally:
            if client is not self._client:
                await client.aclose()

    async def _subscribe(self, client: Any) -> AsyncIterator[Change]:
        while True:
            try:
                async with client.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(self._channel)
                    seen = await self.epoch()
                    yield Change(seen, None)
                    while True:
                        message = await subscription.get_message(timeout=_POLL_SECONDS)
                        change = _pushed(message) if message is not None else None
                        if change is None:
                            present = await self.epoch()
                            if present != seen:
                                seen = present
                                yield Change(present, None)
                        elif change.epoch > seen:
                            skipped = change.epoch > seen + 1
                            seen = change.epoch
                            yield Change(seen, None) if skipped else change
            except (RedisError, OSError, StoreUnavailable):
                await asyncio.sleep(0.5)

    # Records. Each key is a key of the server's, so that it ends them itself and a cluster spreads them.

    async def keep(self, records: Mapping[str, bytes], seconds: float) -> None:
        async def write() -> None:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key, value in records.items():
                    pipeline.set(self._record(key), bytes(value), px=max(1, round(seconds * 1000)))
                await pipeline.execute()

        if records:
            await self._guard.call(write, deadline=self._deadline_of(sum(map(len, records.values()))))

    async def recall(self, keys: Sequence[str]) -> dict[str, bytes]:
        if not keys:
            return {}
        # The deadline of the records is known only with their sizes.
        sizes = await self._each_record("STRLEN", keys, 0)
        values = await self._each_record("GET", keys, sum(sizes))
        return {key: bytes(value) for key, value in zip(keys, values, strict=True) if value is not None}

    async def forget(self, keys: Sequence[str]) -> int:
        return sum(await self._each_record("DEL", keys, 0)) if keys else 0

    async def _each_record(self, command: str, keys: Sequence[str], size: int) -> list[Any]:
        """The answers to a command for each of the records, which have `size` bytes together."""

        async def ask() -> list[Any]:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.execute_command(command, self._record(key))
                found: list[Any] = await pipeline.execute()
                return found

        return await self._guard.call(ask, deadline=self._deadline_of(size))

    def _deadline_of(self, size: int) -> float:
        """Seconds for what may be large, and has `size` bytes as far as that is known."""
        return max(_LARGE_SECONDS, 4 * self._guard.deadline) + size / _BYTES_PER_SECOND

    # Logs.

    async def append(
        self, log: str, events: Sequence[Mapping[str, Any]], *, keep: int = 100_000, domain: str = ""
    ) -> None:
        if events:
            texts = [json.dumps(event, separators=(",", ":"), ensure_ascii=False) for event in events]
            arguments = [new_lease_id(), keep, *texts]
            await self._eval(APPEND, [f"{self._base(domain)}g:{log}"], arguments, deadline=_SLOW_SECONDS)

    async def read_since(self, log: str, cursor: str = "", *, limit: int = 1000, domain: str = "") -> list[LogEvent]:
        name, start = f"{self._base(domain)}g:{log}", f"({cursor}" if cursor else "-"
        rows = await self._guard.call(lambda: self._redis.xrange(name, start, "+", count=limit), deadline=_SLOW_SECONDS)
        return [
            LogEvent(number.decode(), int(number.partition(b"-")[0]) / 1000, json.loads(fields[b"e"]))
            for number, fields in rows
        ]

    # The server.

    async def _initialize(self) -> None:
        """Lets the client of a cluster find its nodes once, before many calls want to do so at the same time. A call
        that gives up does not end it, for the next one would have to start again at 0."""
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._find_nodes())
        await asyncio.shield(self._starting)

    async def _find_nodes(self) -> None:
        async with asyncio.timeout(_SLOW_SECONDS):
            await self._redis.initialize()
        self._ready = True

    @property
    def _redis(self) -> Any:
        if self._client is None:
            assert self._address is not None, "the store is not configured"
            self._client = make_client(self._address, deadline=self._guard.deadline, connections=self._connections)
        return self._client

    def _base(self, domain: str) -> str:
        """Beginning of a domain's keys; what is in braces decides on which node of a cluster they are."""
        return f"{{{self._prefix}:d:{domain}}}:"

    def _documents(self, part: str) -> str:
        return f"{{{self._prefix}:documents}}:{part}"

    def _record(self, key: str) -> str:
        return f"{self._prefix}:record:{key}"

    @property
    def _channel(self) -> str:
        return f"{self._prefix}:changes"

    async def _counting(self, script: Script, domain: str, arguments: Sequence[Any]) -> Any:
        base = self._base(domain)
        keys = [f"{base}x", f"{base}{NEVER}"] if self._spread else [f"{base}x"]
        return await self._eval(script, keys, [base, 0, *arguments])

    async def _write(self, key: str, what: str, value: bytes, expected: int | None) -> int:
        keys = [self._documents(part) for part in ("values", "order", "epoch")]
        arguments = [new_lease_id(), key, "" if expected is None else expected, what, value, self._channel]
        word, number = await self._eval(WRITE, keys, arguments)
        if word == b"conflict":
            raise Conflict(f"{key} has version {number}, not {expected}")
        return int(number)

    async def _run(self, *command: Any) -> Any:
        """A command on the path of a request."""
        return await self._gathering.run(*command)

    async def _eval(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Any], *, deadline: float | None = None
    ) -> Any:
        async def call() -> Any:
            if not self._ready:
                await self._initialize()
            try:
                if deadline is not None:
                    return await self._redis.evalsha(script.sha, len(keys), *keys, *arguments)
                return await self._run("EVALSHA", script.sha, len(keys), *keys, *arguments)
            except NoScriptError:  # the server is new, or was restarted
                return await self._run("EVAL", script.text, len(keys), *keys, *arguments)

        return await self._guard.call(call, deadline=deadline)


class SecureRedisStore(RedisStore):
    """The same over TLS."""

    name = "rediss"
    example = "rediss://redis.internal:6379/0"


class SentinelRedisStore(RedisStore):
    """Asks sentinels which server is the master: `redis+sentinel://host:26379,host2:26379/mymaster`."""

    name = "redis+sentinel"
    example = "redis+sentinel://one.internal:26379,two.internal:26379/mymaster/0"


class ClusterRedisStore(RedisStore):
    """A cluster: `redis+cluster://host:6379,host2:6379`. The counters of a domain are on one of its nodes."""

    name = "redis+cluster"
    example = "redis+cluster://one.internal:7000,two.internal:7000"


def _check(entries: Sequence[Entry] | Sequence[Amount]) -> None:
    if len({entry.key for entry in entries}) != len(entries):
        raise ValueError("a counter is named twice in one call")
    for entry in entries:
        if not 0 <= entry.amount <= MAX_AMOUNT:
            raise ValueError(f"the amount {entry.amount} of {entry.key} is not between 0 and 2**52")


def _written(entries: Sequence[Entry]) -> list[tuple[Any, ...]]:
    """The entries as the script takes them."""
    written: list[tuple[Any, ...]] = []
    for entry in entries:
        limit = False if entry.limit is None else entry.limit
        charge, ends, rate = int(entry.on_expiry == "charge"), round(entry.ends * 1000), entry.rate
        if rate is None:
            written.append((entry.key, entry.amount, limit, entry.enforce, charge, ends))
        else:
            written.append(
                (
                    entry.key, entry.amount, limit, entry.enforce, charge, ends,
                    rate.limit, rate.ticks, rate.tick_ms, rate.burst,
                )
            )  # fmt: skip
    return written


def _states(entries: Sequence[Entry], found: Sequence[Sequence[int]]) -> tuple[CounterState, ...]:
    states = []
    for entry, (settled, still_open, exceeded, retry, resets) in zip(entries, found, strict=True):
        states.append(
            CounterState(
                entry.key,
                settled,
                still_open,
                entry.limit if entry.rate is None else entry.rate.burst,
                bool(exceeded),
                bool(exceeded) and entry.enforce,
                None if retry < 0 else retry / 1000,
                None if resets < 0 else resets / 1000,
            )
        )
    return tuple(states)


def _document(key: str, stored: bytes) -> Document:
    version, _, value = stored.partition(b":")
    return Document(key, value, int(version))


def _pushed(message: Mapping[str, Any]) -> Change | None:
    epoch, _, key = bytes(message.get("data") or b"").partition(b" ")
    return Change(int(epoch), frozenset([key.decode()])) if epoch.isdigit() else None
