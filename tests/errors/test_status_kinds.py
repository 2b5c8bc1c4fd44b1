"""What a provider's status means for the walk: who is blamed, and whether another model is asked."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_gateway.exchange.errors import http_error
from llm_gateway.extensions import installed
from llm_gateway_sdk.errors import ErrorClass, InvalidRequest, kind_of_status

PACKAGES = Path(__file__).resolve().parents[2] / "packages"

DIALECTS = ["openai_chat", "openai_responses", "anthropic", "gemini", "bedrock"]
BODIES = {
    "openai_chat": b'{"error": {"message": "m", "type": "invalid_request_error"}}',
    "openai_responses": b'{"error": {"message": "m", "type": "invalid_request_error"}}',
    "anthropic": b'{"type": "error", "error": {"type": "invalid_request_error", "message": "m"}}',
    "gemini": b'{"error": {"message": "m", "status": "INVALID_ARGUMENT"}}',
    "bedrock": b'{"__type": "ValidationException", "message": "m"}',
}


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("name", DIALECTS)
def test_no_word_of_a_body_makes_a_status_the_clients_fault_that_is_not(name: str, named: bool) -> None:
    dialect = installed().get("dialect", name).cls()
    for status in range(400, 500):
        body = BODIES[name] if named else b'{"message": "m"}'
        error = http_error(dialect, status, [], body, sent=())
        if kind_of_status(status) != "bad_request":
            assert error.kind != "bad_request", status


@pytest.mark.parametrize("name", ["openai_chat", "openai_responses"])
@pytest.mark.parametrize(
    ("param", "kind"),
    [
        ("tools[24].function.name", "bad_request"),
        ("messages[0].content", "context_length"),
        ("input", "context_length"),
    ],
)
def test_a_text_that_is_too_long_is_not_always_the_conversation(name: str, param: str, kind: str) -> None:
    dialect = installed().get("dialect", name).cls()
    body = f'{{"error": {{"code": "string_above_max_length", "param": "{param}", "message": "too long"}}}}'
    assert http_error(dialect, 400, [], body.encode(), sent=()).kind == kind


def refusals() -> Iterator[tuple[int, ErrorClass | None]]:
    """(status, class) of each refusal that is written with a status, wherever in the packages."""
    for file in PACKAGES.glob("*/src/**/*.py"):
        source = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)) if "InvalidRequest(" in source else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "InvalidRequest":
                given = {each.arg: each.value.value for each in node.keywords if isinstance(each.value, ast.Constant)}
                if "status" in given:
                    yield given["status"], given.get("kind")  # type: ignore[misc]


@pytest.mark.parametrize("name", [each for each in DIALECTS if each != "bedrock"])
def test_a_refusal_has_the_status_that_is_written_for_it(name: str) -> None:
    """A class that contradicts it would make another of it: 400 of a 403."""
    dialect = installed().get("dialect", name).cls()
    found = set(refusals())

    assert {status for status, _ in found} >= {403, 409, 413}
    for status, kind in found:
        error = InvalidRequest("no", status=status, kind=kind)
        written = dialect.encode_error(error.info()).status
        # Anthropic's clients know what is busy by 529 alone.
        assert written == (529 if (name, kind) == ("anthropic", "overloaded") else status), error.kind
