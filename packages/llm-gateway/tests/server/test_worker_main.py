"""The worker's end of the control pipe: questions in both directions, signs of life, and a supervisor that has died."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from llm_gateway.server.worker_main import _Pipe


class Supervisor:
    """The other end, with the worker's pipe."""

    def __init__(self, pipe: _Pipe, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pipe, self._reader, self._writer = pipe, reader, writer

    def send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def receive(self) -> Any:
        return json.loads(await asyncio.wait_for(self._reader.readline(), 60))

    def leave(self) -> None:
        self._writer.close()

    async def die_without_reading(self) -> None:
        """What it was sent is lost with it, so that the system breaks the connection off."""
        transport: Any = self._writer.transport
        transport.pause_reading()
        self.pipe.tell({"ready": True})
        await asyncio.sleep(0.05)
        transport.abort()

    def talk_nonsense(self) -> None:
        self._writer.write(b"not JSON\n")


def supervised(
    scenario: Callable[[Supervisor], Awaitable[None]], answer: Callable[[str], Any] = lambda what: what
) -> None:
    async def answered(what: str) -> Any:
        return answer(what)

    async def run() -> None:
        ours, theirs = socket.socketpair()
        control: Any = SimpleNamespace(answer=answered, peers=None)
        worker_reader, worker_writer = await asyncio.open_connection(sock=theirs)
        pipe = _Pipe(control, worker_reader, worker_writer)
        listening = asyncio.ensure_future(pipe.listen())
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            await scenario(Supervisor(pipe, reader, writer))
        finally:
            listening.cancel()
            for each in (writer, worker_writer):
                each.close()
                with contextlib.suppress(ConnectionError):
                    await each.wait_closed()

    asyncio.run(run())


def test_a_beat_is_answered_while_a_question_is_open() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        asked = asyncio.ensure_future(supervisor.pipe.ask("version"))
        assert await supervisor.receive() == {"ask": "version", "number": 1}
        supervisor.send({"beat": 1})
        assert await supervisor.receive() == {"beat": True}
        supervisor.send({"answers": {"1": "a", "2": "b"}, "number": 1})
        assert await asked == {"1": "a", "2": "b"}

    supervised(scenario)


def test_answers_find_the_question_that_they_belong_to_in_any_order() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        first = asyncio.ensure_future(supervisor.pipe.ask("health"))
        second = asyncio.ensure_future(supervisor.pipe.ask("breakers"))
        numbers = {(await supervisor.receive())["ask"]: number for number in (1, 2)}
        supervisor.send({"answers": {"of": "breakers"}, "number": numbers["breakers"]})
        supervisor.send({"answers": {"of": "nothing"}, "number": 99})
        supervisor.send({"answers": {"of": "health"}, "number": numbers["health"]})
        assert (await first, await second) == ({"of": "health"}, {"of": "breakers"})

    supervised(scenario)


def test_a_question_of_the_supervisor_is_answered_with_its_number() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        supervisor.send({"question": "version", "number": 7})
        assert await supervisor.receive() == {"answer": {"of": "version"}, "number": 7}

    supervised(scenario, lambda what: {"of": what})


def test_a_question_that_is_not_known_is_an_error_and_the_pipe_goes_on() -> None:
    def answer(what: str) -> Any:
        if what == "odd":
            raise ValueError("unknown question")
        return what

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.send({"question": "odd", "number": 1})
        assert await supervisor.receive() == {"answer": {"error": "unknown question"}, "number": 1}
        supervisor.send({"question": "version", "number": 2})
        assert await supervisor.receive() == {"answer": "version", "number": 2}

    supervised(scenario, answer)


@pytest.mark.parametrize(("what", "answer"), [("reload", {"error": "OSError: disk"}), ("metrics", None)])
def test_a_fault_is_an_answer_too_so_that_no_one_waits_for_it(what: str, answer: Any) -> None:
    def broken(what: str) -> Any:
        raise OSError("disk")

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.send({"question": what, "number": 1})
        assert await supervisor.receive() == {"answer": answer, "number": 1}

    supervised(scenario, broken)


def test_a_question_that_was_given_up_takes_no_later_answer() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        asked = asyncio.ensure_future(supervisor.pipe.ask("health"))
        await supervisor.receive()
        asked.cancel()
        await asyncio.sleep(0)
        supervisor.send({"answers": {}, "number": 1})
        supervisor.send({"beat": 1})
        assert await supervisor.receive() == {"beat": True}

    supervised(scenario)


@pytest.mark.parametrize("end", [Supervisor.leave, Supervisor.die_without_reading, Supervisor.talk_nonsense])
def test_without_its_supervisor_a_worker_ends_in_order(
    monkeypatch: pytest.MonkeyPatch, end: Callable[[Supervisor], Awaitable[None] | None]
) -> None:
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda process, number: signals.append((process, number)))

    async def scenario(supervisor: Supervisor) -> None:
        if (ending := end(supervisor)) is not None:
            await ending
        for _ in range(1000):
            if signals:
                return
            await asyncio.sleep(0.01)

    supervised(scenario)

    assert signals == [(os.getpid(), signal.SIGTERM)]
