"""A provider's proof travels through a client of another dialect and comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.signatures import unwrap_signature, wrap_signature

DIALECTS = st.sampled_from(["openai_chat", "openai_responses", "anthropic", "gemini", "bedrock"])
SIGNATURES = st.text(min_size=1).filter(lambda text: not text.startswith("gw1."))


@given(SIGNATURES, DIALECTS, DIALECTS)
def test_a_signature_comes_back_with_who_signed_it(signature: str, signed_by: str, client: str) -> None:
    assert unwrap_signature(wrap_signature(signature, signed_by, client), client) == (signature, signed_by)


@given(SIGNATURES, DIALECTS)
def test_a_clients_own_signature_is_untouched(signature: str, dialect: str) -> None:
    assert wrap_signature(signature, dialect, dialect) == signature
    assert wrap_signature(signature, None, dialect) == signature
    assert unwrap_signature(signature, dialect) == (signature, dialect)


def test_a_wrapped_signature_is_not_wrapped_again() -> None:
    wrapped = wrap_signature("s", "anthropic", "openai_chat")

    assert wrap_signature(wrapped, "openai_chat", "gemini") == wrapped


@pytest.mark.parametrize("value", ["gw1.", "gw1.anthropic", ""])
def test_what_only_looks_wrapped_is_the_clients(value: str) -> None:
    assert unwrap_signature(value, "openai_chat") == (value, "openai_chat")
