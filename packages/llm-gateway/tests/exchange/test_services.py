"""What every exchange shares: derived from the observers once, and ids that never repeat."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from llm_gateway.exchange.services import ProjectScope, Services, new_id
from llm_gateway_sdk import HookChain


def observer(**wants: bool) -> Any:
    return SimpleNamespace(**{"needs_usage": False, "needs_reply": False, "follows_attempts": False, **wants})


def services(*observers: Any) -> Services:
    return Services({}, None, None, observers)  # type: ignore[arg-type]


def test_without_observers_nothing_is_kept_for_them() -> None:
    made = services()

    assert (made.keep_replies, made.needs_usage, list(made.followers)) == (False, False, [])


@pytest.mark.parametrize(
    ("wants", "field"), [({"needs_usage": True}, "needs_usage"), ({"needs_reply": True}, "keep_replies")]
)
def test_one_observer_that_needs_it_is_enough(wants: dict[str, bool], field: str) -> None:
    assert getattr(services(observer(), observer(**wants)), field) is True
    assert getattr(services(observer(), observer()), field) is False


def test_only_those_that_follow_attempts_are_called_for_each() -> None:
    follows = observer(follows_attempts=True)

    assert list(services(observer(), follows).followers) == [follows]


def test_ids_have_their_prefix_and_never_repeat() -> None:
    ids = [new_id("call_") for _ in range(2500)]

    assert len(set(ids)) == 2500, "also beyond the digits that are drawn at once"
    assert all(each.startswith("call_") and len(each) == 29 and int(each[5:], 16) >= 0 for each in ids)


@pytest.mark.parametrize(("max_retries", "wanted", "passes"), [(3, 0, 3), (3, 5, 5), (0, 0, 0)])
def test_a_project_allows_the_passes_that_its_plugins_want(max_retries: int, wanted: int, passes: int) -> None:
    chain = HookChain([])
    chain.attempts_wanted = wanted
    scope = ProjectScope("p", None, chain, max_retries=max_retries, max_turns=7)  # type: ignore[arg-type]

    assert (scope.limits.max_retries, scope.limits.max_turns) == (passes, 7)


def test_threads_that_ask_at_once_get_ids_of_their_own() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            drawn = list(threads.map(lambda _: [new_id("") for _ in range(5000)], range(4)))
    finally:
        sys.setswitchinterval(interval)

    ids = [each for part in drawn for each in part]
    assert len(set(ids)) == len(ids) == 20_000
