from __future__ import annotations

import pytest
from llm_gateway_jwt_auth.claims import claim_of, principal_of

CLAIMS = {
    "sub": "u1",
    "email": "ann@example.com",
    "groups": ["research", "all"],
    "realm_access": {"roles": ["user"]},
    "https://example.com/team": "sales",
    "models": ["a*", "b"],
    "exp": 5,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sub", "u1"),
        ("realm_access.roles", ["user"]),
        ("https://example.com/team", "sales"),
        (["nothing", "email"], "ann@example.com"),
        ("nothing.at.all", None),
        ("sub.more", None),
    ],
)
def test_a_claim_is_found_by_name_or_path(path: str | list[str], value: object) -> None:
    assert claim_of(CLAIMS, path) == value


def test_claims_make_a_principal() -> None:
    mapping = {
        "team": "groups",
        "org": "https://example.com/team",
        "models": "models",
        "labels": {"role": "realm_access.roles"},
    }
    principal = principal_of(CLAIMS, mapping, "https://i.example.com")

    assert principal.id == "https://i.example.com#u1"
    assert (principal.name, principal.user) == ("ann@example.com", "u1")
    assert (principal.team, principal.org, principal.labels) == ("research", "sales", {"role": "user"})
    assert (principal.models, principal.projects, principal.expires) == (("a*", "b"), None, 5.0)


def test_a_claim_that_narrows_and_is_missing_allows_nothing() -> None:
    assert principal_of({"sub": "u"}, {"models": "models"}, "").models == ()


def test_claims_that_name_no_caller_are_an_error() -> None:
    with pytest.raises(ValueError, match="id"):
        principal_of({"email": "x"}, {}, "")
