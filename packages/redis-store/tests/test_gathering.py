"""Commands of one turn go together, and each gets its own answer or its own error."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llm_gateway_redis_store.gathering import Gathering
from redis.exceptions import ResponseError

from llm_gateway_sdk import StoreUnavailable


class Pipeline:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.commands: list[tuple[Any, ...]] = []

    async def __aenter__(self) -> Pipeline:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def execute_command(self, *command: Any) -> None:
        self.commands.append(command)

    async def execute(self, *, raise_on_error: bool) -> list[Any]:
        assert not raise_on_error
        self.client.sent.append(len(self.commands))
        await asyncio.sleep(self.client.seconds)
        if self.client.failure is not None:
            raise self.client.failure
        return [self.client.answer(command) for command in self.commands]


class Client:
    """A server that answers with the command's second word, and knows no command BAD."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.seconds = 0.0
        self.failure: Exception | None = None

    def answer(self, command: tuple[Any, ...]) -> Any:
        return ResponseError("unknown") if command[0] == "BAD" else command[1]

    async def execute_command(self, *command: Any) -> Any:
        self.sent.append(1)
        await asyncio.sleep(self.seconds)
        answer = self.answer(command)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pipeline(self, *, transaction: bool) -> Pipeline:
        assert not transaction
        return Pipeline(self)


async def together(gathering: Gathering, *commands: tuple[Any, ...]) -> list[Any]:
    return await asyncio.gather(*(gathering.run(*command) for command in commands), return_exceptions=True)


def test_commands_of_one_turn_are_one_pipeline() -> None:
    client = Client()
    answers = asyncio.run(together(Gathering(lambda: client, 1), *(("GET", number) for number in range(100))))

    assert answers == list(range(100))
    assert client.sent == [64, 36]


def test_a_command_by_itself_needs_no_pipeline() -> None:
    client = Client()
    assert asyncio.run(together(Gathering(lambda: client, 1), ("GET", 1))) == [1]
    assert client.sent == [1]


@pytest.mark.parametrize("others", [0, 3])
def test_an_error_is_that_of_its_command(others: int) -> None:
    client = Client()
    commands = [("BAD", 0), *(("GET", number) for number in range(others))]
    first, *rest = asyncio.run(together(Gathering(lambda: client, 1), *commands))

    assert isinstance(first, ResponseError)
    assert rest == list(range(others))


def test_a_connection_that_fails_fails_all() -> None:
    client = Client()
    client.failure = ConnectionResetError()
    answers = asyncio.run(together(Gathering(lambda: client, 1), ("GET", 1), ("GET", 2)))

    assert [type(answer) for answer in answers] == [ConnectionResetError] * 2


def test_a_server_that_is_silent_is_given_up() -> None:
    async def main() -> None:
        client = Client()
        client.seconds = 60
        gathering = Gathering(lambda: client, 0.05)
        answers = await together(gathering, ("GET", 1), ("GET", 2))
        assert [type(answer) for answer in answers] == [TimeoutError] * 2
        assert not gathering._commands._running

    asyncio.run(main())


def test_a_command_that_is_given_up_leaves_its_connection_to_the_next_ones() -> None:
    """It is answered, and not broken off: to make another connection may take longer than a caller waits."""

    async def main() -> None:
        client = Client()
        client.seconds = 0.1
        gathering = Gathering(lambda: client, 10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(gathering.run("GET", 1), 0.01)
        (sending,) = gathering._commands._running
        await asyncio.wait_for(sending, 5)
        assert not sending.cancelled()

    asyncio.run(main())


def test_closing_ends_what_is_on_its_way() -> None:
    async def main() -> None:
        client = Client()
        client.seconds = 60
        gathering = Gathering(lambda: client, 60)
        asked = asyncio.ensure_future(gathering.run("GET", 1))
        await asyncio.sleep(0.01)
        waits = asyncio.ensure_future(gathering.run("GET", 2))
        await asyncio.sleep(0)
        await gathering.aclose()
        for each in (asked, waits):
            with pytest.raises(StoreUnavailable):
                await each
        assert not gathering._commands._running

    asyncio.run(main())


def test_commands_for_a_cluster_go_one_by_one() -> None:
    client = Client()
    gathering = Gathering(lambda: client, 1, together=False)

    assert asyncio.run(together(gathering, ("GET", 1), ("GET", 2))) == [1, 2]
    assert client.sent == [1, 1]


def test_who_gives_up_disturbs_nothing() -> None:
    async def main() -> None:
        client = Client()
        client.seconds = 0.05
        gathering = Gathering(lambda: client, 1)
        gone, stays = (asyncio.ensure_future(gathering.run("GET", number)) for number in (1, 2))
        await asyncio.sleep(0.01)
        gone.cancel()
        assert await stays == 2
        assert gone.cancelled()

    asyncio.run(main())
