"""Gathering what is wrong with a configuration."""

from __future__ import annotations

import pytest

from llm_gateway.config.document import read_document
from llm_gateway.config.problems import Problems, closest, unknown, unknown_key
from llm_gateway_sdk.errors import ConfigError

TEXT = "server:\n  port: 1\nmodels:\n  - name: a\n  - name: b\n"


def gathered() -> Problems:
    return Problems("gateway.yaml", read_document(TEXT, "gateway.yaml"))


def test_a_problem_has_the_line_of_its_place() -> None:
    problems = gathered()
    problems.add(("models", 1, "name"), "taken")

    (problem,) = problems.sorted()
    assert (problem.file, problem.line, problem.path, problem.message) == ("gateway.yaml", 5, "models[1].name", "taken")


def test_they_come_in_the_order_of_the_document_and_each_once() -> None:
    problems = gathered()
    problems.add(("models", 1), "last")
    problems.add(("server", "port"), "first")
    problems.add(("models", 1), "last")
    problems.add((), "none")

    assert [problem.message for problem in problems.sorted()] == ["none", "first", "last"]


@pytest.mark.parametrize(
    ("path", "below"),
    [(("models",), True), (("models", 1), True), (("models", 1, "name"), True), (("models", 0), False),
     (("mod",), False)],
)  # fmt: skip
def test_a_place_knows_of_problems_below_it(path: tuple[str | int, ...], below: bool) -> None:
    problems = gathered()
    problems.add(("models", 1, "name"), "taken")

    assert problems.below(path) is below


def test_all_of_them_are_raised_together() -> None:
    problems = gathered()
    problems.raise_if_any()
    problems.add(("models", 0), "one")
    problems.add(("models", 1), "two")

    with pytest.raises(ConfigError) as caught:
        problems.raise_if_any()
    assert [problem.message for problem in caught.value.problems] == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "near"),
    [("max_retries", "maxRetries"), ("MAXRETRIES", "maxRetries"), ("maxRetires", "maxRetries"), ("zzz", None)],
)
def test_the_nearest_name_is_suggested(name: str, near: str | None) -> None:
    assert closest(name, ["maxTurns", "maxRetries"]) == near


def test_messages_suggest_the_nearest_name_or_list_the_known() -> None:
    assert unknown("provider", "opnai", ["openai", "echo"]) == 'unknown provider "opnai"; did you mean "openai"?'
    assert unknown("provider", "zzz", ["openai", "echo"]) == 'unknown provider "zzz" (known: echo, openai)'
    assert unknown("provider", "zzz", []) == 'unknown provider "zzz" (known: none)'
    assert unknown_key("prot", "port", ["port"]) == 'unknown key "prot"; did you mean "port"?'
