"""Signed cookies: what was sealed comes back, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_console.sessions import Sessions, can

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
def test_any_text_is_no_session(text: str) -> None:
    assert SESSIONS.read(text) is None


def test_another_sealed_value_is_no_session() -> None:
    assert SESSIONS.read(SESSIONS.seal({"state": "x", "e": 2000})) is None


def test_roles_include_the_lesser_ones() -> None:
    assert [(have, need) for have in ("viewer", "operator", "admin") for need in ("viewer", "operator", "admin")
            if not can(have, need)] == [("viewer", "operator"), ("viewer", "admin"), ("operator", "admin")]  # fmt: skip


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="secret"):
        Sessions(b"", 60)
