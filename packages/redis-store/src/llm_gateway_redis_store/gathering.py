"""Commands of one turn of the event loop, sent together in a pipeline.

A command by itself costs the client some 100 µs of Python: a connection out of the pool and back, a write, a read. In a
pipeline all share these. Commands that have nothing to share them with are sent by themselves.

A caller that gives a command up does not end the pipeline: to make a connection takes several round trips, more than
the deadline of a call may allow, and one that is broken off begins anew with the next call, without end. So the
pipeline goes on for a while, and leaves its connection to the next ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from llm_gateway_sdk.gathering import Gathered

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
        # Commands are not sent again: a server that has carried some of them out would do so twice.
        self._commands = Gathered[Command, Any](self._send, _MOST if together else 1, repeats=False)

    async def run(self, *command: Any) -> Any:
        """The server's answer. Raises RedisError, OSError, TimeoutError, and StoreUnavailable after `aclose`."""
        return await self._commands.ask(command)

    async def aclose(self) -> None:
        """Ends what is on its way."""
        await self._commands.cancel()

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        """The answers, each of which may be the error of its command."""
        async with asyncio.timeout(self._patience):
            client = self._client()
            if len(commands) == 1:
                return [await client.execute_command(*commands[0])]
            async with client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[Any] = await pipeline.execute(raise_on_error=False)
                return answers
