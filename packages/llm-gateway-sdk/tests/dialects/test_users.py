"""An end user's id within the receiver's limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.dialects.receiver import CHAT, MESSAGES, UserIds
from llm_gateway_sdk.dialects.users import names_a_person, user_fitting

CLAUDE_CODE = (
    "user_" + "7c" * 32 + "_account_5d0c6f0e-8a44-4a0e-b7b5-3e1f6a2c9d10_session_0b9e4c7a-1f3d-4c52-9a68-d2e7f5a4"
)
OPENAI = CHAT.users or UserIds(0)
ANTHROPIC = MESSAGES.users or UserIds(0)


@given(st.text(max_size=400), st.sampled_from([OPENAI, ANTHROPIC]))
def test_an_id_fits_and_is_the_same_every_time(user: str, rule: UserIds) -> None:
    fitting = user_fitting(user, rule)

    assert len(fitting) <= rule.length
    assert not (rule.anonymous and names_a_person(fitting))
    assert fitting == user_fitting(user, rule) == user_fitting(fitting, rule)


def test_long_ids_that_begin_alike_stay_apart() -> None:
    assert user_fitting(CLAUDE_CODE + "a", OPENAI) != user_fitting(CLAUDE_CODE + "b", OPENAI)


def test_a_receiver_that_takes_the_id_gets_it() -> None:
    assert user_fitting(CLAUDE_CODE, ANTHROPIC) == CLAUDE_CODE
    assert user_fitting("jane@example.com", OPENAI) == "jane@example.com"


@pytest.mark.parametrize(
    "user",
    [
        "jane@example.com",
        "Jane Doe <jane.doe+tag@mail.example.co.uk>",
        '{"email":"jane@example.com"}',
        "+15551234567",
        "+49 151 2345 6789",
        "(555) 123-4567",
        "555-123-4567",
        "tel:+1-555-123-4567",
        "00491512345678",
    ],
)
def test_what_names_a_person_is_hashed(user: str) -> None:
    fitting = user_fitting(user, ANTHROPIC)

    assert fitting != user
    assert len(fitting) == 64


@pytest.mark.parametrize(
    "user", ["c2f7-41", "user_4", "12345", "550e8400-e29b-41d4-a716-446655440000", "1234567890123456789", "team@work"]
)
def test_an_opaque_id_stays(user: str) -> None:
    assert user_fitting(user, ANTHROPIC) == user


@pytest.mark.parametrize("number", ["+49 (30) 1234-5678", "+1 - 555 - 123 4567", "(030) - 1234 5678"])
def test_several_signs_between_digits_are_of_a_number(number: str) -> None:
    assert names_a_person(number)
