"""An exception of other people's code is distinguished from the end of the task that runs it."""

from __future__ import annotations

import asyncio

import pytest

from llm_gateway_sdk.failures import is_failure


@pytest.mark.parametrize("error", [ValueError(), SystemExit(3), KeyboardInterrupt(), BaseException()], ids=repr)
def test_what_code_raises_is_its_failure(error: BaseException) -> None:
    assert is_failure(error)


def test_a_closed_coroutine_is_not_a_failure() -> None:
    assert not is_failure(GeneratorExit())


def test_a_cancellation_is_a_failure_unless_the_task_was_cancelled() -> None:
    async def main() -> list[bool]:
        found = [is_failure(asyncio.CancelledError())]

        async def waits() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError as error:
                found.append(is_failure(error))

        task = asyncio.get_running_loop().create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        await task
        return found

    assert asyncio.run(main()) == [True, False]


def test_what_closes_a_coroutine_is_distinguished_from_what_a_running_task_raises() -> None:
    async def main() -> bool:
        return is_failure(GeneratorExit(), asyncio.current_task())

    assert asyncio.run(main())
