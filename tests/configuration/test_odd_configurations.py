"""A value that is odd in any place of the configuration: it is reported with file, line and place, or it works.

ODD_LONG=1 tries each value in each place; the short form one value in some of them.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from odd_configurations import ODD, every_place

from llm_gateway.config.problems import ConfigError
from llm_gateway.gateway import Gateway
from llm_gateway.loading import LoadResult, load_text

LONG = bool(os.environ.get("ODD_LONG"))
PLACES = list(every_place())
PARTS = 8
EVERY = 1 if LONG else 3
"""Of the places, each third is tried in the short form; which those are changes with what is added to the schemas."""
LONGEST_MESSAGE = 2500

pytestmark = pytest.mark.timeout(3600)


async def start_and_end(loaded: LoadResult) -> None:
    gateway = Gateway(loaded)
    try:
        async with asyncio.timeout(20):
            await gateway.start()
    finally:
        async with asyncio.timeout(20):
            await gateway.close()


def try_one(configuration: Any, folder: Path) -> bool:
    """Whether it is accepted; one that is works."""
    text = yaml.safe_dump(configuration, allow_unicode=True, sort_keys=False, width=10**9)
    try:
        loaded = load_text(text, directory=folder, environ={})
    except ConfigError as error:
        for problem in error.problems:
            shown = str(problem)
            assert shown.startswith(f"gateway.yaml:{problem.line}: "), shown
            assert shown.isprintable(), shown
            assert len(shown) < LONGEST_MESSAGE, shown
        return False
    asyncio.run(start_and_end(loaded))
    return True


def test_there_are_enough_places() -> None:
    assert len(PLACES) > 1000
    assert len({place.owner for place in PLACES}) > 20


@pytest.mark.parametrize("part", range(PARTS))
def test_each_place(part: int, tmp_path: Path) -> None:
    chosen = list(enumerate(PLACES))[part * EVERY :: PARTS * EVERY]
    accepted, failed = 0, list[str]()
    for number, place in chosen:
        for odd in ODD if LONG else [ODD[(number * 5) % len(ODD)]]:
            try:
                accepted += try_one(place.configuration(odd), tmp_path)
            except Exception as error:
                failed.append(f"{place.owner} {place.path} = {str(odd)[:60]!r}: {error!r}"[:500])
    assert not failed
    assert accepted or not LONG


TOKENS = {"issuer": "https://login.example.com", "audience": "a"}


@pytest.mark.parametrize(
    "settings",
    [
        {"upstream": {"idleTimeout": "9" * 5000}},
        {"upstream": {"idleTimeout": 10**30}},
        {"server": {"limits": {"maxBodyBytes": "9" * 5000}}},
        {"availablePlugins": [{"module": "a" * 5000}]},
        {"availablePlugins": [{"path": "x\0"}]},
        {"plugins": [{"name": "x", "type": "jwt-auth", "config": {**TOKENS, "jwks": {}}}]},
        {"plugins": [{"name": "x", "type": "clickhouse-tracer", "config": {"spool": {"path": "x\0"}}}]},
        {"models": [{"name": "m", "provider": {"type": "echo", "config": {"delay": "now"}}}]},
        {"models": [{"name": "m", "provider": {"type": "gemini", "config": {"retryDelay": float("inf")}}}]},
        {"models": [{"name": "m", "provider": {"type": "openai", "config": {"timeout": float("nan")}}}]},
    ],
    ids=lambda settings: str(settings)[:60],
)
def test_what_can_not_work_is_found_before_the_start(settings: dict[str, Any], tmp_path: Path) -> None:
    usual = {"models": [{"name": "m", "provider": {"type": "echo"}}]}

    assert not try_one({**usual, **settings}, tmp_path)


def test_a_proxy_that_is_empty_is_none(tmp_path: Path) -> None:
    provider = {"type": "openai", "config": {"apiKey": "k", "proxy": "${PROXY:-}"}}

    assert try_one({"models": [{"name": "m", "provider": provider}]}, tmp_path)
