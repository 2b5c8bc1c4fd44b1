"""How a provider's proof travels through a client of another dialect, and comes back.

Providers sign reasoning and want the signature back unchanged. A client of another dialect stores it in a field of its
own as `gw1.<dialect>.<signature>`; on return it is unwrapped and goes only to a provider of that dialect.
"""

from __future__ import annotations

__all__ = ["unwrap_signature", "wrap_signature"]

_PREFIX = "gw1."


def wrap_signature(signature: str, signed_by: str | None, dialect: str) -> str:
    """The form in which `dialect` clients keep it: as it is if it is their own, else wrapped."""
    if signed_by is None or signed_by == dialect or signature.startswith(_PREFIX):
        return signature
    return f"{_PREFIX}{signed_by}.{signature}"


def unwrap_signature(value: str, dialect: str) -> tuple[str, str]:
    """`(signature, signed_by)` of what a client of `dialect` sends."""
    if value.startswith(_PREFIX):
        signed_by, dot, signature = value[len(_PREFIX) :].partition(".")
        if dot:
            return signature, signed_by
    return value, dialect
