"""Why a request was cancelled."""

from __future__ import annotations

import asyncio

import pytest

from llm_gateway.exchange.ending import EndReason, end_reason, error_of


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), EndReason.CLIENT_LEFT),
        (("a text",), EndReason.CLIENT_LEFT),
        ((EndReason.CLIENT_LEFT,), EndReason.CLIENT_LEFT),
        ((EndReason.SHUTDOWN,), EndReason.SHUTDOWN),
    ],
    ids=["none", "text", "left", "shutdown"],
)
def test_a_cancellation_carries_its_reason_to_the_task(arguments: tuple[object, ...], reason: EndReason) -> None:
    async def run() -> EndReason:
        async def work() -> EndReason:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError as error:
                return end_reason(error)
            raise AssertionError

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel(*arguments)
        return await task

    assert asyncio.run(run()) is reason


def test_a_client_may_ask_again_after_a_shutdown_and_learns_when() -> None:
    error = error_of(EndReason.SHUTDOWN)

    assert (error.status, error.info().code, error.retry_after) == (503, "shutting_down", 1.0)


def test_a_client_that_left_is_recorded_apart_from_failures() -> None:
    info = error_of(EndReason.CLIENT_LEFT).info()

    assert (info.status, info.code, info.kind) == (499, "client_disconnected", "client_disconnected")
