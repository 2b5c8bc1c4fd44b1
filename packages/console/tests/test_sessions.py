"""Signed cookies: what was sealed comes back, and nothing else does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_console.sessions import Sessions, can

from llm_gateway_sdk import StoreUnavailable

SESSIONS = Sessions(b"secret", 60, clock=lambda: 1000.0)


def test_a_session_comes_back_until_it_ends() -> None:
    cookie = SESSIONS.begin("Änn", "operator")
    found = SESSIONS.read(cookie)

    assert found is not None
    assert (found.name, found.role, found.ends) == ("Änn", "operator", 1060)
    assert SESSIONS.accepts(found, found.token)
    assert Sessions(b"secret", 60, clock=lambda: 1059.0).read(cookie) == found
    assert Sessions(b"secret", 60, clock=lambda: 1060.0).read(cookie) is None
    assert Sessions(b"other", 60, clock=lambda: 1000.0).read(cookie) is None


@given(st.integers(min_value=0), st.characters(max_codepoint=0x2FF))
def test_any_change_of_a_cookie_makes_it_worthless(place: int, character: str) -> None:
    cookie = SESSIONS.begin("ann", "admin")
    at = place % len(cookie)
    changed = cookie[:at] + character + cookie[at + 1 :]

    assert changed == cookie or SESSIONS.read(changed) is None


@given(st.text())
def test_any_text_is_not_a_session(text: str) -> None:
    assert SESSIONS.read(text) is None


def test_another_sealed_value_is_not_a_session() -> None:
    assert SESSIONS.read(SESSIONS.seal({"state": "x", "e": 2000})) is None


def test_roles_include_the_lesser_ones() -> None:
    assert [(have, need) for have in ("viewer", "operator", "admin") for need in ("viewer", "operator", "admin")
            if not can(have, need)] == [("viewer", "operator"), ("viewer", "admin"), ("operator", "admin")]  # fmt: skip


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="secret"):
        Sessions(b"", 60)


class Down:
    async def keep(self, records: object, seconds: float) -> None:
        raise StoreUnavailable("down")

    async def recall(self, keys: object) -> dict[str, bytes]:
        raise StoreUnavailable("down")


class Kept:
    def __init__(self) -> None:
        self.records: dict[str, tuple[bytes, float]] = {}

    async def keep(self, records: dict[str, bytes], seconds: float) -> None:
        self.records |= {key: (value, seconds) for key, value in records.items()}

    async def recall(self, keys: list[str]) -> dict[str, bytes]:
        return {key: self.records[key][0] for key in keys if key in self.records}


def test_a_session_that_was_ended_is_over_in_every_worker_until_it_would_have_ended() -> None:
    store: Any = Kept()
    here, there = (Sessions(b"secret", 60, clock=lambda: 1000.0, store=lambda: store) for _ in range(2))
    ended, other = (here.read(here.begin("ann", "admin")) for _ in range(2))
    assert ended is not None
    assert other is not None

    asyncio.run(here.end(ended))
    assert asyncio.run(there.is_over(ended))
    assert not asyncio.run(there.is_over(other))
    [(key, (_, seconds))] = store.records.items()
    assert seconds == 60
    assert ended.token not in key


def test_without_its_store_the_process_remembers_and_reports_it() -> None:
    store: Any = Down()
    sessions = Sessions(b"secret", 60, clock=lambda: 1000.0, store=lambda: store)
    ended, other = (sessions.read(sessions.begin("ann", "admin")) for _ in range(2))
    assert ended is not None
    assert other is not None

    with pytest.raises(StoreUnavailable):
        asyncio.run(sessions.end(ended))
    assert asyncio.run(sessions.is_over(ended))
    assert not asyncio.run(sessions.is_over(other))
