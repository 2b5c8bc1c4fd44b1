"""From claims to a principal, by a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_gateway_sdk import Principal
from llm_gateway_sdk.writable import writable

__all__ = ["DEFAULT_MAPPING", "claim_of", "principal_of", "values_of"]

DEFAULT_MAPPING: Mapping[str, Any] = {
    "id": "sub",
    "name": ["preferred_username", "email", "name", "sub"],
    "user": "sub",
}


def claim_of(claims: Mapping[str, Any], path: str | list[str]) -> Any:
    """The claim of a name, or of a path with dots (`realm_access.roles`); of several the first that is there.

    A name that has dots itself, such as a URL, goes before a path.
    """
    for each in [path] if isinstance(path, str) else path:
        if each in claims:
            return claims[each]
        value: Any = claims
        for part in each.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def values_of(claim: Any) -> frozenset[str]:
    """What a claim holds: the texts of a list, or the words of a text."""
    values = claim if isinstance(claim, list) else str(claim).split() if claim is not None else []
    return frozenset(map(str, values))


def principal_of(claims: Mapping[str, Any], mapping: Mapping[str, Any], issuer: str) -> Principal:
    """Raises ValueError where the claims name no caller."""
    subject = _text(claim_of(claims, mapping.get("id") or DEFAULT_MAPPING["id"]))
    if not subject:
        raise ValueError("the token has no claim for the id")
    name = _text(claim_of(claims, mapping.get("name") or DEFAULT_MAPPING["name"])) or subject
    labels = {
        label: text
        for label, path in (mapping.get("labels") or {}).items()
        if (text := _text(claim_of(claims, path))) is not None
    }
    expires = claims.get("exp")
    return Principal(
        id=f"{issuer}#{subject}" if issuer else subject,
        name=name,
        source="jwt-auth",
        user=_text(claim_of(claims, mapping.get("user") or DEFAULT_MAPPING["user"])),
        team=_text(claim_of(claims, mapping["team"])) if mapping.get("team") else None,
        org=_text(claim_of(claims, mapping["org"])) if mapping.get("org") else None,
        labels=labels,
        models=_texts(claim_of(claims, mapping["models"])) if mapping.get("models") else None,
        projects=_texts(claim_of(claims, mapping["projects"])) if mapping.get("projects") else None,
        expires=float(expires) if isinstance(expires, int | float) else None,
    )


def _text(value: Any) -> str | None:
    """A claim as one text; the first of a list, which is what a list of groups is for one team."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        return None
    return writable(str(value))


def _texts(value: Any) -> tuple[str, ...]:
    """A claim that narrows: one that is configured and missing allows nothing."""
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, list):
        return tuple(each for each in value if isinstance(each, str))
    return ()
