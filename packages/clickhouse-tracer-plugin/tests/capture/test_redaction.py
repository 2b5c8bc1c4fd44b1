"""What must not be recorded: secret headers, and keys that an error's text quotes."""

from __future__ import annotations

import pytest
from llm_gateway_clickhouse_tracer.capture.redaction import HIDDEN, Redactor
from llm_gateway_clickhouse_tracer.settings import TracerSettings


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(TracerSettings())


def test_headers_keep_their_names_and_order(redactor: Redactor) -> None:
    items = [
        ("user-agent", "sdk/1"),
        ("authorization", "Bearer sk-1234567890"),
        ("x-api-key", "k"),
        ("user-agent", "b"),
    ]

    assert redactor.headers(items) == [
        ("user-agent", "sdk/1"), ("authorization", HIDDEN), ("x-api-key", HIDDEN), ("user-agent", "b"),
    ]  # fmt: skip


def test_what_the_client_sent_as_a_secret_is_known_whole_and_in_words(redactor: Redactor) -> None:
    found = redactor.secrets(
        [("authorization", "Bearer my-own-secret"), ("x-api-key", "short"), ("accept", "anything")]
    )

    assert found == ["Bearer my-own-secret", "my-own-secret", "Bearer"]


def test_the_longest_secret_is_taken_out_first(redactor: Redactor) -> None:
    secrets = redactor.secrets([("authorization", "Bearer my-own-secret")])

    assert redactor.without_secrets("got 'Bearer my-own-secret'.", secrets) == f"got '{HIDDEN}'."
    assert redactor.without_secrets("got my-own-secret", secrets) == f"got {HIDDEN}"


@pytest.mark.parametrize(
    "text",
    ["sk-proj-abcdefghijklmnop", "AKIAIOSFODNN7EXAMPLE", "AIzaSyA-1234567890abcdef", "xai-abcdefghijklmnopq",
     "sk-ab********************wxyz", "Bearer abc", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig"],
)  # fmt: skip
def test_what_looks_like_a_key_is_taken_out_of_every_message(redactor: Redactor, text: str) -> None:
    assert redactor.without_secrets(f"Incorrect key: {text} was given", []) in (
        f"Incorrect key: {HIDDEN} was given",
        f"Incorrect key: {HIDDEN}",
    )


@pytest.mark.parametrize(
    "text", ["The key is wrong.", "api keys", "task-list", "sk-short", "maximum context of 128000"]
)
def test_plain_words_are_kept(redactor: Redactor, text: str) -> None:
    assert redactor.without_secrets(text, []) == text


def test_many_names_of_strangers_do_not_fill_the_memory(redactor: Redactor) -> None:
    for number in range(10_000):
        redactor.headers([(f"x-made-{number}", "v")])

    assert len(redactor._secret) <= 4096
