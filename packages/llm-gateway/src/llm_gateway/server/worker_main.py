"""One of several worker processes.

    python -m llm_gateway.server.worker_main LISTENERS CONTROL WORKERS [CONFIG] [LOG_LEVEL]

Started by the supervisor alone; the first two arguments are inherited descriptors, those of the listeners with commas
between them.
"""

# ruff: noqa: E402
from __future__ import annotations

import gc

gc.disable()  # while modules are loaded; see `spare_the_collector` in worker.py

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from llm_gateway_sdk import ConfigError

from ..loading import load
from .control import Control
from .logs import configure_logging, mask_secrets_of
from .stopping import end_process
from .worker import Worker, run_loop

__all__ = ["main"]

log = logging.getLogger("llm_gateway.server")

_MAX_LINE = 64 * 1024 * 1024
"""Bytes of one message: the figures of all workers come in one."""


class _Pipe:
    """The worker's end of the control pipe."""

    def __init__(self, control: Control, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._control = control
        self._reader = reader
        self._writer = writer
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        control.peers = self.ask

    async def ask(self, what: str) -> dict[str, Any]:
        """The answers of all workers by process id. Raises TimeoutError after 5 s."""
        self._number += 1
        number = self._number
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        self.tell({"ask": what, "number": number})
        try:
            async with asyncio.timeout(30.0 if what == "reload" else 5.0):
                answers: dict[str, Any] = await future
                return answers
        finally:
            self._asked.pop(number, None)

    def tell(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def listen(self) -> None:
        """Until the supervisor has died: nothing would restart or stop this worker then."""
        try:
            await self._read()
        except ConnectionError:
            pass  # it had not read all that was sent to it
        except Exception:
            log.exception("the worker can't read what its supervisor sends, and ends")
        os.kill(os.getpid(), signal.SIGTERM)

    async def _read(self) -> None:
        while line := await self._reader.readline():
            message = json.loads(line)
            if "beat" in message:
                self.tell({"beat": True})
            elif "question" in message:
                task = asyncio.get_running_loop().create_task(self._answer(message["question"], message["number"]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif "answers" in message:
                future = self._asked.get(message["number"])
                if future is not None and not future.done():
                    future.set_result(message["answers"])

    async def _answer(self, what: str, number: int) -> None:
        try:
            answer = await self._control.answer(what)
        except ValueError as error:
            answer = {"error": str(error)}
        except Exception as error:  # the other workers' answers do not wait for this one
            log.exception("the supervisor's question '%s' could not be answered", what)
            answer = None if what == "metrics" else {"error": f"{type(error).__name__}: {error}"}
        self.tell({"answer": answer, "number": number})


def main(arguments: list[str]) -> int:
    listeners = [socket.socket(fileno=int(number)) for number in arguments[0].split(",")]
    control_pipe = socket.socket(fileno=int(arguments[1]))
    source = Path(arguments[3]) if len(arguments) > 3 and arguments[3] else None
    level = arguments[4] if len(arguments) > 4 and arguments[4] else None
    try:
        result = load(source)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    mask_secrets_of(result.config)
    configure_logging(result.config.logging, level)
    worker = Worker(result, workers=int(arguments[2]))
    pipes: list[_Pipe] = []
    listening: list[asyncio.Task[None]] = []

    async def run() -> int:
        reader, writer = await asyncio.open_connection(sock=control_pipe, limit=_MAX_LINE)

        def customise(control: Control) -> None:
            pipe = _Pipe(control, reader, writer)
            pipes.append(pipe)
            listening.append(asyncio.get_running_loop().create_task(pipe.listen()))

        def ready(_: Control) -> None:
            pipes[0].tell({"ready": True})

        try:
            return await worker.run(sockets=listeners, customise=customise, ready=ready)
        finally:
            for task in listening:
                task.cancel()

    try:
        return run_loop(end_process(run()))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
