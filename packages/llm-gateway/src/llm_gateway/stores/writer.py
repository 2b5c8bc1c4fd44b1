"""One thread that owns a SQLite connection and groups the steps that wait into one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from llm_gateway_sdk.store import StoreUnavailable

__all__ = ["Writer"]

T = TypeVar("T")
_BATCH = 256
"""Most steps in one transaction."""
_ATTEMPTS = 4
"""How often a transaction is tried while another process holds the file; each waits for SQLite's busy timeout."""


@dataclass(slots=True)
class _Step:
    work: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Runs steps in the order in which they came. A step that fails is undone alone; the others of its transaction are
    kept. A transaction that can't begin or be committed fails all of its steps with StoreUnavailable.

    Whoever stops waiting does not undo a step: it may still be done.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], *, name: str) -> None:
        self._connect = connect
        self._steps: queue.SimpleQueue[_Step | None] = queue.SimpleQueue()
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
        step = _Step(work, loop, loop.create_future())
        self._steps.put(step)
        try:
            async with asyncio.timeout(deadline):
                result: T = await step.future
                return result
        except TimeoutError:
            raise StoreUnavailable(f"the SQLite file was busy for more than {deadline:g} s") from None

    async def aclose(self) -> None:
        """Ends the thread after the steps that wait."""
        self._closed = True
        if self._started:
            self._steps.put(None)
            await asyncio.to_thread(self._thread.join, 5.0)

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        ending = False
        while not ending:
            first = self._steps.get()
            if first is None:
                break
            steps = [first]
            while len(steps) < _BATCH:
                try:
                    following = self._steps.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    ending = True
                    break
                steps.append(following)
            connection = self._attempt(connection, steps)
            _answer(steps)
        if connection is not None:
            connection.close()

    def _attempt(self, connection: sqlite3.Connection | None, steps: list[_Step]) -> sqlite3.Connection | None:
        """Runs the steps, again while another process holds the file. Returns the connection if it is good."""
        for attempt in range(_ATTEMPTS):
            try:
                connection = connection or self._connect()
                _transact(connection, steps)
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


def _transact(connection: sqlite3.Connection, steps: list[_Step]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        alone = len(steps) == 1
        for step in steps:
            step.error = None
            if step.future.done():
                continue  # given up before it began
            if not alone:
                connection.execute("SAVEPOINT step")
            try:
                step.result = step.work(connection)
            except (sqlite3.OperationalError, sqlite3.DatabaseError):
                raise
            except Exception as error:
                step.error = error
                connection.execute("ROLLBACK" if alone else "ROLLBACK TO step")
            if not alone:
                connection.execute("RELEASE step")
        if connection.in_transaction:
            connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def _answer(steps: list[_Step]) -> None:
    """Hands the results to the event loops that wait for them, one call per loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Step]] = {}
    for step in steps:
        by_loop.setdefault(step.loop, []).append(step)
    for loop, group in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            loop.call_soon_threadsafe(_deliver, group)


def _deliver(steps: list[_Step]) -> None:
    for step in steps:
        if step.future.done():
            continue
        if step.error is not None:
            step.future.set_exception(step.error)
        else:
            step.future.set_result(step.result)
