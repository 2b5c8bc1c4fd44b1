"""Counts what the gateway's own code does, where a clock would only measure the machine's mood.

A call is one Python function entered, or one C function called, by code of this project; what the event loop and
other libraries do among themselves is not counted. The same code on the same input makes the same number of calls.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from types import CodeType, FrameType
from typing import Any

from llm_gateway_virtual_keys import Keyring

from .gateways import PLUGINS
from .inprocess import CHAT, MESSAGES, InProcess, raw_request
from .keys import LIMITS
from .scenarios import SCENARIOS, request_body

__all__ = ["calls_of", "calls_per_chunk", "calls_per_request", "calls_with_limits", "circles_per_request"]

_WARM_UP = 3


async def calls_per_request(name: str, configuration: str = "") -> int:
    """Of a scenario that is not streamed, with more configuration where given."""
    request = _request(name)
    async with InProcess(_configuration(name) + configuration) as gateway:
        for _ in range(_WARM_UP):
            await gateway.ask(request)
        # On a busy machine what runs by a timer after an earlier request may fall into one of them.
        return min([await calls_of(lambda: gateway.ask(request)) for _ in range(3)])


async def calls_with_limits() -> int:
    """Of a request of P1 with a virtual key and three limits, which a block serves, as it does most requests of a key
    that is in use."""
    async with InProcess("store: {url: 'memory:'}" + LIMITS) as gateway:
        keys, limits = gateway.plugins()
        key = (await Keyring(keys.gateway.store).create("benchmark")).key
        request = _request("P1").replace(b"bench-key", key.encode())

        async def ask() -> None:
            await gateway.ask(request)
            for _ in range(5):
                await asyncio.sleep(0)  # what comes after the reply is counted too

        for _ in range(30):
            await ask()
        counts = []
        for _ in range(5):
            before = limits.metrics()["from_blocks_total"]
            calls = await calls_of(ask)
            if limits.metrics()["from_blocks_total"] == before + 1:
                counts.append(calls)
        if not counts:
            raise AssertionError("no request was served by a block")
        return min(counts)  # what else is done meanwhile, such as asking for another block, is not a request's


async def calls_per_chunk(name: str, configuration: str = "") -> float:
    """Of a streamed scenario: what another hundred chunks cost, so that the request itself is left out."""
    request, counts = _request(name), []
    for chunks in (100, 200):
        async with InProcess(_configuration(name) + configuration, chunks=chunks) as gateway:
            for _ in range(_WARM_UP):
                await gateway.ask(request)
            counts.append(await calls_of(lambda gateway=gateway: gateway.ask(request)))  # type: ignore[misc]
    return (counts[1] - counts[0]) / 100


async def circles_per_request(name: str, *, once: bool = False) -> int:
    """Objects that only the garbage collector can free when a request is over, or with `once` its connection too: the
    least of three requests, for what else is done meanwhile is not a request's."""
    request = _request(name)
    async with InProcess(_configuration(name)) as gateway:
        ask = gateway.ask_once if once else gateway.ask
        for _ in range(_WARM_UP):
            await ask(request)
        gc.collect()
        gc.disable()
        found = []
        try:
            for _ in range(3):
                await ask(request)
                found.append(gc.collect())
            return min(found)
        finally:
            gc.enable()


async def calls_of(work: Callable[[], Awaitable[object]]) -> int:
    """Calls made by this project's code while `work` runs, in this thread."""
    count = 0
    ours: dict[CodeType, bool] = {}

    def notice(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        if event not in ("call", "c_call"):
            return
        code = frame.f_code
        known = ours.get(code)
        if known is None:
            known = ours[code] = "llm_gateway" in code.co_filename
        count += known

    sys.setprofile(notice)
    try:
        await work()
    finally:
        sys.setprofile(None)
    return count


def _request(name: str) -> bytes:
    scenario = SCENARIOS[name]
    keys = [] if scenario.dialect == "openai" else ["x-api-key: bench-key", "anthropic-version: 2023-06-01"]
    path = CHAT if scenario.dialect == "openai" else MESSAGES
    return raw_request(path, request_body(scenario, "gpt-4o-mini"), keys)


def _configuration(name: str) -> str:
    return PLUGINS if SCENARIOS[name].setup == "plugins" else ""
