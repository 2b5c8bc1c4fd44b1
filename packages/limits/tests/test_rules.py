"""Limits as they are compiled: whom they are for, what they measure, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_limits.rules import Asker, Rule, compile_rules

from llm_gateway_sdk import Principal


def rule(**written: Any) -> Rule:
    (found,) = compile_rules([{"name": "l", "requests": 10, "window": "1m", **written}])
    return found


def asker(**changed: Any) -> Asker:
    principal = Principal(
        id="k1", name="reports", source="virtual-keys", team="data", user="ann", labels={"tier": "gold"}
    )
    values: dict[str, Any] = {
        "principal": principal, "ip": "10.0.0.1", "project": "p", "model": "gpt", "provider": "openai",
        "operation": "generate", **changed,
    }  # fmt: skip
    return Asker(**values)


@pytest.mark.parametrize(
    ("dimension", "value"),
    [("key", "virtual-keys:k1"), ("user", "ann"), ("team", "data"), ("org", None), ("label:tier", "gold"),
     ("label:other", None), ("ip", "10.0.0.1"), ("project", "p"), ("model", "gpt"), ("provider", "openai")],
)  # fmt: skip
def test_what_a_request_is_counted_by(dimension: str, value: str | None) -> None:
    assert asker().value(dimension) == value


@pytest.mark.parametrize(
    ("changed", "key", "user"),
    [
        ({"principal": None, "caller": "bob"}, "caller:bob", "bob"),
        ({"principal": None}, "address:10.0.0.1", None),
    ],
    ids=["a name", "a stranger"],
)
def test_without_a_principal_a_name_or_the_address_is_counted(
    changed: dict[str, Any], key: str, user: str | None
) -> None:
    assert (asker(**changed).value("key"), asker(**changed).value("user")) == (key, user)
    assert asker(**changed).value("team") is None


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        ({}, True),
        ({"teams": "data"}, True),
        ({"teams": ["x", "data"]}, True),
        ({"teams": "x"}, False),
        ({"teams": "da*"}, True),
        ({"teams": "/^da/"}, True),
        ({"teams": "d[a]ta"}, False),
        ({"teams": "d[a]t*"}, False),
        ({"models": "gpt", "teams": "x"}, False),
        ({"labels": {"tier": "gold"}}, True),
        ({"labels": {"tier": "silver"}}, False),
        ({"orgs": "*"}, False),
        ({"operations": "embed"}, False),
    ],
    ids=str,
)
def test_a_limit_applies_where_every_condition_has_a_match(when: dict[str, Any], applies: bool) -> None:
    assert rule(when=when).applies(asker()) is applies


def test_a_model_is_known_by_all_of_its_names() -> None:
    assert rule(when={"models": "fast"}).applies(asker(names=("fast",)))
    assert rule(when={"models": "other"}).applies(asker().choosing("other", "openai"))
    assert not rule(when={"models": "gpt"}).applies(asker().choosing("other", "openai"))


def test_a_request_without_what_a_limit_counts_by_is_not_counted() -> None:
    assert rule(per=["team", "ip"]).subject(asker()) == (("team", "data"), ("ip", "10.0.0.1"))
    assert rule(per=["org"]).subject(asker()) is None
    assert rule().subject(asker()) == ()


def test_names_of_counters_keep_apart_what_differs() -> None:
    limit = rule(per=["team", "user"])
    subjects = [(("team", "a,user=b"),), (("team", "a"), ("user", "b")), (("team", "a|b"),), (("team", "a%7Cb"),)]

    keys = {limit.key(subject, "0") for subject in subjects}
    assert len(keys) == len(subjects)
    assert len({key.count("|") for key in keys}) == 1


def test_the_last_override_that_fits_counts() -> None:
    limit = rule(per=["team"], overrides=[{"team": "data", "requests": 20}, {"team": "data", "unlimited": True}])

    assert limit.limit((("team", "data"),)) is None
    assert limit.limit((("team", "other"),)) == 10
    assert limit.entry((("team", "data"),), 1, 0.0) is None


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"tokens": 3}, "limits[0].name: a limit has exactly one of"),
        ({"requests": "many"}, "limits[0].requests: expected a number"),
        ({"window": "soon"}, "limits[0].window:"),
        ({"overrides": [{"team": "x", "requests": 1}]}, "limits[0].overrides[0]: the limit is not per team"),
        ({"overrides": [{"requests": 1}]}, "limits[0].overrides[0]: expected a subject"),
        ({"per": ["team"], "overrides": [{"team": "x"}]}, "limits[0].overrides[0]: expected `requests` or `unlimited"),
        ({"burst": "x"}, "limits[0].burst: expected a number"),
    ],
    ids=str,
)
def test_a_mistake_is_reported_with_its_place(written: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        rule(**written)

    assert str(caught.value).startswith(message)


def test_a_window_is_needed_but_for_requests_at_once() -> None:
    with pytest.raises(ValueError, match='"window" is missing'):
        compile_rules([{"name": "l", "requests": 1}])
    assert compile_rules([{"name": "l", "concurrent": 1}])[0].is_rate is False


def test_two_limits_of_one_name_are_refused() -> None:
    one = {"name": "l", "requests": 1, "window": "1m"}
    with pytest.raises(ValueError, match=r'limits\[1\].name: two limits are named "l"'):
        compile_rules([one, one])


def test_amounts_are_rounded_up_so_that_none_is_free() -> None:
    (huge,) = compile_rules([{"name": "l", "cost": "100000000 USD", "window": "lifetime"}])

    assert huge.scale > 1
    assert huge.scaled(1) == 1
    assert huge.scaled(huge.scale + 1) == 2
