"""Commands of one turn of the event loop, sent together in a pipeline.

A command by itself costs the client some 100 µs of Python: a connection out of the pool and back, a write, a read. In a
pipeline all share these. Commands that have nothing to share them with are sent by themselves.

A caller that gives a command up does not end the pipeline: to make a connection takes several round trips, more than
the deadline of a call may allow, and one that is broken off begins anew with the next call, without end. So the
pipeline goes on for a while, and leaves its connection to the next ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["Gathering"]

_MOST = 64
"""Commands in one pipeline: a connection answers them one after the other."""

Command = tuple[Any, ...]


class Gathering:
    """`client` gives the client. A pipeline ends after `patience` seconds, and its connection is closed. `together`
    False sends each command by itself, for a cluster, whose client spreads them over its nodes."""

    def __init__(self, client: Callable[[], Any], patience: float, *, together: bool = True) -> None:
        self._client = client
        self._patience = patience
        self._most = _MOST if together else 1
        self._waiting: list[tuple[Command, asyncio.Future[Any]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop that will send what waits."""
        self._sending: set[asyncio.Task[None]] = set()

    async def run(self, *command: Any) -> Any:
        """The server's answer. Raises RedisError, OSError and TimeoutError."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((command, answer))
        if self._loop is not loop:
            self._loop = loop
            loop.call_soon(self._send, loop)
        return await answer

    async def aclose(self) -> None:
        """Ends what is on its way."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = None
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), self._most):
            task = loop.create_task(self._send_some(waiting[start : start + self._most]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send_some(self, commands: list[tuple[Command, asyncio.Future[Any]]]) -> None:
        commands = [each for each in commands if not each[1].done()]
        try:
            async with asyncio.timeout(self._patience):
                found = await self._ask([command for command, _ in commands])
        except BaseException as error:
            for _, answer in commands:
                if not answer.done():
                    answer.set_exception(error if isinstance(error, Exception) else ConnectionAbortedError())
            if not isinstance(error, Exception):
                raise
            return
        for (_, answer), value in zip(commands, found, strict=True):
            if answer.done():
                continue
            if isinstance(value, Exception):
                answer.set_exception(value)
            else:
                answer.set_result(value)

    async def _ask(self, commands: list[Command]) -> list[Any]:
        """The answers, each of which may be the error of its command."""
        client = self._client()
        if len(commands) == 1:
            return [await client.execute_command(*commands[0])]
        if not commands:
            return []
        async with client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
            return answers
