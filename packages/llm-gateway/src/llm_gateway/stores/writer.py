"""One thread that owns a SQLite connection and groups the steps that wait into one transaction.

Steps of one turn of the event loop are handed to the thread together: waking it costs more than a step.

A transaction takes all its steps to work, as nearly all do. Where one fails it is undone, and its steps are run again,
each so that it can be undone alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from llm_gateway_sdk.store import StoreUnavailable

__all__ = ["Memory", "Writer"]

T = TypeVar("T")
_BATCH = 256
"""A transaction takes no further turns when it has so many steps."""
_ATTEMPTS = 4
"""How often a transaction is tried while another process holds the file; each waits for SQLite's busy timeout."""


class Memory(Protocol):
    """What steps remember of the file, from one to the next."""

    def begin(self, connection: sqlite3.Connection) -> None:
        """A transaction has begun."""
        ...

    def flush(self) -> None:
        """Writes what is remembered only."""
        ...

    def forget(self) -> None:
        """A transaction, or a part of it, was undone."""
        ...


@dataclass(slots=True)
class _Step:
    work: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Turn:
    """The steps of one turn of an event loop, with one deadline."""

    loop: asyncio.AbstractEventLoop
    deadline: float
    """Seconds."""
    steps: list[_Step] = field(default_factory=list)
    alarm: asyncio.TimerHandle | None = None


class Writer:
    """Runs steps in the order in which they came. A step that fails is undone alone; the others of its transaction are
    kept. A transaction that can't begin or be committed fails all of its steps with StoreUnavailable.

    A caller that stops waiting does not undo a step: it may still be done.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], memory: Memory, *, name: str) -> None:
        self._connect = connect
        self._memory = memory
        self._gathered: dict[tuple[asyncio.AbstractEventLoop, float], _Turn] = {}
        """What is not handed over yet."""
        self._turns: queue.SimpleQueue[_Turn | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started = False
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], T], *, deadline: float) -> T:
        """The result of `work`, called in the thread within a transaction. Raises StoreUnavailable after `deadline`
        seconds."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if not self._started:
            self._started = True
            self._thread.start()
        loop = asyncio.get_running_loop()
        turn = self._gathered.get((loop, deadline))
        if turn is None:
            turn = self._gathered[loop, deadline] = _Turn(loop, deadline)
            loop.call_soon(self._hand_over, turn)
        future: asyncio.Future[T] = loop.create_future()
        turn.steps.append(_Step(work, future))
        return await future

    def _hand_over(self, turn: _Turn) -> None:
        # Where the writer was closed meanwhile, that has handed it over.
        if self._gathered.pop((turn.loop, turn.deadline), None) is turn:
            turn.alarm = turn.loop.call_later(turn.deadline, _give_up, turn)
            self._turns.put(turn)

    async def aclose(self) -> None:
        """Ends the thread after the steps that wait."""
        self._closed = True
        if self._started:
            for turn in list(self._gathered.values()):
                self._hand_over(turn)
            self._turns.put(None)
            await asyncio.to_thread(self._thread.join, 5.0)

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        ending = False
        while not ending:
            first = self._turns.get()
            if first is None:
                break
            turns, number = [first], len(first.steps)
            while number < _BATCH:
                try:
                    following = self._turns.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    ending = True
                    break
                turns.append(following)
                number += len(following.steps)
            connection = self._attempt(connection, [step for turn in turns for step in turn.steps])
            _answer(turns)
        if connection is not None:
            connection.close()

    def _attempt(self, connection: sqlite3.Connection | None, steps: list[_Step]) -> sqlite3.Connection | None:
        """Runs the steps, again while another process holds the file. Returns the connection if it is good."""
        for attempt in range(_ATTEMPTS):
            try:
                connection = connection or self._connect()
                self._transact(connection, steps)
                return connection
            except (sqlite3.Error, OSError) as error:
                if connection is not None:
                    with contextlib.suppress(sqlite3.Error):
                        connection.close()
                connection = None
                busy = "locked" in str(error) or "busy" in str(error)
                if not busy or attempt + 1 == _ATTEMPTS:
                    for step in steps:
                        step.error = StoreUnavailable(f"the SQLite store failed: {error}")
                    break
        return None

    def _transact(self, connection: sqlite3.Connection, steps: list[_Step]) -> None:
        memory = self._memory
        try:
            connection.execute("BEGIN IMMEDIATE")
            memory.begin(connection)
            if not _run_all(connection, steps):
                connection.execute("ROLLBACK")
                memory.forget()
                if len(steps) == 1:
                    return
                connection.execute("BEGIN IMMEDIATE")
                memory.begin(connection)
                self._run_each(connection, steps)
            memory.flush()
            connection.execute("COMMIT")
        except BaseException:
            memory.forget()
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise

    def _run_each(self, connection: sqlite3.Connection, steps: list[_Step]) -> None:
        """Runs each step so that one that fails is undone alone."""
        for step in steps:
            connection.execute("SAVEPOINT step")
            if _run_all(connection, [step]):
                self._memory.flush()
            else:
                connection.execute("ROLLBACK TO step")
                self._memory.forget()
            connection.execute("RELEASE step")


def _give_up(turn: _Turn) -> None:
    for step in turn.steps:
        if not step.future.done():
            step.future.set_exception(StoreUnavailable(f"the SQLite file was busy for more than {turn.deadline:g} s"))


def _run_all(connection: sqlite3.Connection, steps: list[_Step]) -> bool:
    """Whether all have worked; where one has not, no further one is run."""
    for step in steps:
        step.error = None
        if step.future.done():
            continue  # given up before it began
        try:
            step.result = step.work(connection)
        except sqlite3.DatabaseError:
            raise
        except Exception as error:
            step.error = error
            return False
    return True


def _answer(turns: list[_Turn]) -> None:
    """Hands the results to the event loops that wait for them, one call per loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Turn]] = {}
    for turn in turns:
        by_loop.setdefault(turn.loop, []).append(turn)
    for loop, group in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it the waiting caller
            loop.call_soon_threadsafe(_deliver, group)


def _deliver(turns: list[_Turn]) -> None:
    for turn in turns:
        if turn.alarm is not None:
            turn.alarm.cancel()
        for step in turn.steps:
            if step.future.done():
                continue
            if step.error is not None:
                step.future.set_exception(step.error)
            else:
                step.future.set_result(step.result)
