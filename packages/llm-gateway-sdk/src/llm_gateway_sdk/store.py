"""The contract of a store: counters, documents, changes, records and logs that several workers and gateways share.

A store counts for all gateways at once. Before a request spends anything, `reserve` takes what it may cost at most out
of every counter that applies, all or nothing; when the request has ended, `settle` replaces that by what it did cost.
The *lease* of a gateway that is killed in between ends by itself.

The rules, which `testing/store_laws.py` tests on every store:

* `reserve` is atomic over all its entries and over all clients. For every enforced counter, settled + open
  reservations never passes the limit by a reservation.
* `reserve` is idempotent by lease id: sent again, it gives the lease that it gave. After the lease was settled it
  reserves nothing, so that a call that was given up can be cancelled by `settle` with nothing, in any order.
* `settle` is idempotent by lease id, and unconditional: it applies the actual amounts whatever the limit and whether or
  not the lease has expired. What passes a limit is debt, which the counter keeps.
* A lease that expires charges what was reserved, or releases it, by the word of each entry. A settlement that comes
  later replaces that by the actual amounts.
* Time is the store's. A step of the clock backwards never gives quota back.
"""

from __future__ import annotations

import os
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from .values import FrozenValue

__all__ = [
    "MAX_AMOUNT",
    "Amount",
    "Change",
    "Conflict",
    "CounterState",
    "Document",
    "Entry",
    "Granted",
    "Lease",
    "LogEvent",
    "Rate",
    "Refused",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "new_lease_id",
]

MAX_AMOUNT = 2**52
"""No amount, limit or sum may pass this: the scripts of some stores count in doubles, exact to 2**53."""


class StoreError(Exception):
    """The store could not do what it was asked for."""


class StoreUnavailable(StoreError):
    """The store did not answer within its deadline, or can't be reached. Whether it did what was asked is unknown."""


class Conflict(StoreError):
    """A document has another version than the expected one."""


class Rate(FrozenValue, frozen=True, gc=False):
    """So many units per period, as a bucket that drains evenly (the generic cell rate algorithm).

    The bucket holds `burst` units and drains `limit` units per period. Levels are integers in units x ticks, so that
    nothing is rounded: exactly `burst` units fit into an empty bucket, and the time of the next fit is exact to a tick.
    """

    limit: int
    """Units per period."""
    ticks: int
    """Length of the period in ticks."""
    tick_ms: int
    """Length of a tick in milliseconds."""
    burst: int
    """Units that fit at once."""

    @staticmethod
    def per(limit: int, period_seconds: float, *, burst: int | None = None) -> Rate:
        """The rate of `limit` units per period, with the finest tick that a store can count exactly.

        Raises ValueError where the numbers are not positive or too large to count.
        """
        period_ms = round(period_seconds * 1000)
        if limit < 1 or period_ms < 1:
            raise ValueError("a rate needs a positive limit and a period of a millisecond or more")
        held = max(limit, burst or limit)
        for tick_ms in (1, 10, 100, 1000, 10_000, 60_000):
            if period_ms % tick_ms == 0 and held * (period_ms // tick_ms) <= MAX_AMOUNT:
                return Rate(limit, period_ms // tick_ms, tick_ms, burst or limit)
        raise ValueError(f"{held} in {period_seconds:g} s is more than a store can count exactly")


class Entry(FrozenValue, frozen=True, gc=False):
    """What one reservation takes from one counter."""

    key: str
    """Names the counter within its domain."""
    amount: int
    """0 or more."""
    limit: int | None = None
    """Most that settled and open reservations may be together; None only counts. Ignored where there is a rate."""
    rate: Rate | None = None
    """Counts by time instead of a sum."""
    enforce: bool = True
    """False counts, and reports what would be refused, but refuses nothing."""
    on_expiry: Literal["charge", "release"] = "charge"
    """What becomes of the amount where the lease ends without a settlement."""
    ends: float = 0.0
    """When the counter's window ends, in seconds since the epoch; some time later the counter is forgotten. 0 is never.
    Rates are forgotten once they are empty."""


class Lease(FrozenValue, frozen=True, gc=False):
    """A reservation's name and how long it lasts without being settled or extended."""

    id: str
    """From `new_lease_id`."""
    seconds: float
    """From the reservation or the last extension."""
    note: str = ""
    """Where it is not empty, each charge of this lease is written to the domain's log `ledger` in the same step."""


class Amount(FrozenValue, frozen=True, gc=False):
    """What was used of one counter of a lease."""

    key: str
    """Names the counter within its domain."""
    amount: int
    """In the counter's own unit, 0 to `MAX_AMOUNT`."""
    ends: float = 0.0
    """As in `Entry`, for a counter that does not exist yet."""
    partial: int = 0
    """How much of the amount is only known to be at least so much, for the ledger."""
    estimated: int = 0
    """How much of it was not reported by a provider, for the ledger. What is neither is exact."""


class CounterState(FrozenValue, frozen=True, gc=False):
    """One counter as the store saw it, after a reservation that was granted or before one that was not."""

    key: str
    """Names the counter within its domain."""
    settled: int
    """What was charged. Of a rate: the units in the bucket, rounded up."""
    open: int
    """The sum of open reservations. Of a rate 0: they are in the bucket."""
    limit: int | None
    """As in the entry; None only counts."""
    exceeded: bool = False
    """The entry did not fit, whether or not that was a reason to refuse."""
    refused: bool = False
    """The entry did not fit and is enforced."""
    retry_after: float | None = None
    """Of a rate: seconds until the amount fits; None where it never will, or where time alone does not help."""
    resets_after: float | None = None
    """Of a rate: seconds until the bucket is empty."""

    @property
    def remaining(self) -> int | None:
        """What is left, 0 or more; None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.settled - self.open)


class Granted(FrozenValue, frozen=True):
    """All entries fit and are reserved."""

    lease_id: str
    """As it was given in the lease."""
    expires: float
    """By the store's clock, in seconds since the epoch."""
    states: tuple[CounterState, ...]
    """In the order of the entries."""


class Refused(FrozenValue, frozen=True):
    """At least one entry that is enforced does not fit; nothing is reserved."""

    states: tuple[CounterState, ...]
    """In the order of the entries; those with `refused` are why."""


class Document(FrozenValue, frozen=True):
    """A value under a key, with a version by which changes are made safely."""

    key: str
    """Within the whole store."""
    value: bytes
    """As it was put."""
    version: int
    """1 for the first; grows with each change, and goes on growing when a deleted key is written again."""


class Change(FrozenValue, frozen=True):
    """Documents changed."""

    epoch: int
    """Grows with every change of any document."""
    keys: frozenset[str] | None
    """None: something may have changed that the reader did not see; it must look at all that it holds."""


class LogEvent(FrozenValue, frozen=True):
    """One line of a log."""

    cursor: str
    """Its place in the log, for `read_since`."""
    at: float
    """Seconds since the epoch, by the store's clock."""
    event: dict[str, Any]
    """What was appended; JSON."""


_ID_DIGITS = 20
_spare_digits: list[str] = []
"""Random digits for ids to come: many are drawn at once, for asking the system for them costs most."""
os.register_at_fork(after_in_child=_spare_digits.clear)


def new_lease_id() -> str:
    """A lease id that never comes again. It begins with the time, so that a store need not remember old ones. Threads
    may ask at once."""
    try:
        digits = _spare_digits.pop()
    except IndexError:
        drawn = secrets.token_hex(500 * _ID_DIGITS // 2)
        digits, *others = [drawn[at : at + _ID_DIGITS] for at in range(0, len(drawn), _ID_DIGITS)]
        _spare_digits.extend(others)
    return f"{int(time.time() * 1000):011x}-{digits}"


class Store(ABC):
    """One store. Instances are made for one URL, are used in one event loop, and connect when first used.

    Every method but `configure` raises StoreUnavailable where the store does not answer in time.

    `domain` groups counters that one call may touch at once; a store that is spread over machines keeps a domain in one
    place. Amounts are integers, 0 to `MAX_AMOUNT`.
    """

    name: ClassVar[str] = ""
    """The scheme of its URLs, which is the name of its entry point in the group `llm_gateway.stores`."""
    example: ClassVar[str] = ""
    """A URL of this kind, for the page that describes it."""
    configuration_schema: ClassVar[Mapping[str, Any]] = {"type": "object", "additionalProperties": False}
    """JSON Schema of the settings next to the URL."""
    shared: ClassVar[bool] = True
    """Whether several processes can use one; False for what lives in the memory of one process."""
    identity: str = ""
    """Differs between stores of different URLs, and shows nothing of the URL. Set by the gateway."""

    @abstractmethod
    def configure(self, url: str, config: Mapping[str, Any], *, directory: str | os.PathLike[str] = ".") -> None:
        """Takes the URL and the settings, relative paths below `directory`. Connects to nothing and writes nothing.

        Raises ValueError, whose message never contains a credential, where they can't be used.
        """

    async def aclose(self) -> None:  # noqa: B027, a store may have nothing to end
        """Ends connections and threads. What was answered before is kept."""

    def exists(self) -> bool:
        """Whether anything may be in it. False where it would be made by looking, as a file that is not there yet."""
        return True

    @abstractmethod
    async def check(self) -> list[str]:
        """Reaches for the store. Returns what about it may lose counts, such as an eviction policy."""

    # Counters.

    @abstractmethod
    async def reserve(self, entries: Sequence[Entry], lease: Lease, *, domain: str = "") -> Granted | Refused:
        """Takes all entries from their counters, or none."""

    @abstractmethod
    async def settle(
        self, lease_id: str, actual: Sequence[Amount], *, domain: str = "", reserved: bool = True, note: str = ""
    ) -> None:
        """Ends a lease: charges `actual`, and gives back the rest. Counters of the lease that are not named are charged
        nothing.

        A lease that the store has lost is charged all the same. `reserved=False` is for what was spent without a
        reservation, however long ago; `note` as in `Lease`, for leases that the store does not know.

        An event of the log `ledger` has `kind` (`settled`, `expired`, or `corrected` where a settlement came after the
        expiry), `lease`, `note`, and `charges` by counter. `partial` and `estimated` say by counter how much of the
        charges is so, as in `Amount`, where it is anything; what an expiry charges is `estimated`, and a correction
        takes that back.
        """

    @abstractmethod
    async def extend(self, lease_ids: Sequence[str], seconds: float, *, domain: str = "") -> frozenset[str]:
        """Lets leases last until `seconds` from now. Returns those that are still open."""

    @abstractmethod
    async def read(self, entries: Sequence[Entry], *, domain: str = "") -> tuple[CounterState, ...]:
        """Counters as they are; limits and rates are taken from the entries, nothing is reserved."""

    # Documents.

    @abstractmethod
    async def get(self, key: str) -> Document | None:
        """The document under this key; None where there is none."""

    @abstractmethod
    async def put(self, key: str, value: bytes, *, expected: int | None = None) -> int:
        """Writes a document and returns its version. `expected` is the version that it must have now, 0 for none;
        raises Conflict where it has another one. None writes in any case."""

    @abstractmethod
    async def delete(self, key: str, *, expected: int | None = None) -> bool:
        """Removes a document; False where there is none. Raises Conflict as `put`."""

    @abstractmethod
    async def scan(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[Document]:
        """Documents whose key begins with `prefix`, in the order of their keys' bytes, those after the key `after`."""

    @abstractmethod
    def changes(self) -> AsyncIterator[Change]:
        """Changes of documents, without end. The first one comes at once, with the present epoch and `keys=None`: what
        is read after it is not older. A store that can push gives others within a second, any other within five."""

    @abstractmethod
    async def epoch(self) -> int:
        """The present epoch: equal to an earlier one where no document has changed since."""

    # Records: values that end by themselves. Unlike documents they have no versions, and their changes are not
    # reported, so that writing one per request disturbs no reader of documents.

    async def keep(self, records: Mapping[str, bytes], seconds: float) -> None:
        """Writes records, each of which lasts for `seconds` from now, over those of the same keys."""
        raise StoreError(f"the store '{self.name}' keeps no records")

    async def recall(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The records of these keys that have not ended, by key."""
        raise StoreError(f"the store '{self.name}' keeps no records")

    async def forget(self, keys: Sequence[str]) -> int:
        """Removes records. Returns how many of them there were."""
        raise StoreError(f"the store '{self.name}' keeps no records")

    # Logs.

    @abstractmethod
    async def append(
        self, log: str, events: Sequence[Mapping[str, Any]], *, keep: int = 100_000, domain: str = ""
    ) -> None:
        """Adds events (JSON objects) to a log; about the newest `keep` are kept."""

    @abstractmethod
    async def read_since(self, log: str, cursor: str = "", *, limit: int = 1000, domain: str = "") -> list[LogEvent]:
        """The events after a cursor, oldest first; `""` is the beginning."""


def scheme_of(url: str) -> str:
    """The scheme of a store's URL: `redis` of `redis://…`. Raises ValueError where there is none."""
    scheme = urlsplit(url).scheme
    if not scheme:
        raise ValueError('expected a URL such as "sqlite:./state.db" or "redis://localhost:6379/0"')
    return scheme
