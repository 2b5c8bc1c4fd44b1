"""How a provider's proof travels through a client of another dialect, and comes back.

Providers sign reasoning and want the signature back unchanged. A client of another dialect stores it in a field of its
own as `gw1.<dialect>.<signature>`; on return it is unwrapped and goes only to a provider of that dialect.

Reasoning without any proof gets the mark `gw1.unsigned.` in the same field: where it returns, it can be distinguished
from a provider's own, which would refuse it.
"""

from __future__ import annotations

__all__ = ["UNSIGNED", "unwrap_signature", "wrap_signature"]

_PREFIX = "gw1."
UNSIGNED = "unsigned"
"""`signed_by` of reasoning that is known to have no proof."""


def wrap_signature(signature: str, signed_by: str | None, dialect: str) -> str:
    """The form in which `dialect` clients keep it: as it is if it is their own, else wrapped.

    An empty signature with `signed_by` UNSIGNED gives the mark of reasoning without a proof.
    """
    if signed_by is None or signed_by == dialect or signature.startswith(_PREFIX):
        return signature
    return f"{_PREFIX}{signed_by}.{signature}"


def unwrap_signature(value: str, dialect: str) -> tuple[str, str]:
    """`(signature, signed_by)` of what a client of `dialect` sends; the signature is empty where there was none."""
    if value.startswith(_PREFIX):
        signed_by, dot, signature = value[len(_PREFIX) :].partition(".")
        if dot:
            return signature, signed_by
    return value, dialect
