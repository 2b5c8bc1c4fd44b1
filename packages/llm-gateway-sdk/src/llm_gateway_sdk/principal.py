"""Who is asking, as an authentication plugin found out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from .values import FrozenValue, field
from .wildcards import matches_wildcard

__all__ = ["Principal", "credentials_of", "has_own_form", "owner_of"]


class Principal(FrozenValue, frozen=True):
    """The holder of a credential; never the credential itself."""

    id: str
    """Stable and unique within its source."""
    name: str
    """For people: logs, traces, `ctx.caller`."""
    source: str = ""
    """The plugin that made it."""
    user: str | None = None
    """The user on whose budget it is; None where it belongs to none."""
    team: str | None = None
    """The team, likewise."""
    org: str | None = None
    """The organisation, likewise."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Further words that limits, conditions and metrics may go by, such as `{"app": "search"}`."""
    models: tuple[str, ...] | None = None
    """The models that may be asked for, `*` standing for any text; None is all."""
    projects: tuple[str, ...] | None = None
    """The projects that may be used; None is all."""
    expires: float | None = None
    """Seconds since the epoch."""

    def may_use(self, model: str) -> bool:
        """Whether it may ask for a model of this name."""
        return self.models is None or any(matches_wildcard(model, pattern) for pattern in self.models)

    def may_enter(self, project: str) -> bool:
        """Whether it may use a project of this name."""
        return self.projects is None or any(matches_wildcard(project, pattern) for pattern in self.projects)


_CREDENTIALS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key"})
"""The headers that may hold one."""
_SIGNED = re.compile(r"AWS4-HMAC-SHA256\s+Credential=([^/,\s]+)/")
"""Of a request that AWS's clients sign the access key's id is the caller's key; the signature can't be checked."""
_BEARER = re.compile(r"bearer\s+(\S.*)", re.IGNORECASE)


def credentials_of(ctx: Any) -> list[str]:
    """Every API key or token that the request of a RequestContext carries: some clients send one in two headers, some
    two different ones."""
    found: dict[str, None] = {}
    for name, value in ctx.http_request.raw_headers.items:
        if name not in _CREDENTIALS:
            continue
        if name == "authorization":
            match = _BEARER.fullmatch(value.strip())
            if match is not None:
                found[match[1]] = None
            elif (signed := _SIGNED.match(value)) is not None:
                found[signed[1]] = None
        else:
            found[value.strip()] = None
    found.pop("", None)
    return list(found)


def owner_of(ctx: Any) -> str:
    """Whose what a RequestContext's request leaves in the store is, as 32 hexadecimal digits: the principal's, or where
    nothing authenticates, that of all who send the same credentials. No credential can be read from it."""
    principal = ctx.principal
    if principal is not None:
        who = f"principal\0{principal.source}\0{principal.id}"
    elif ctx.caller is not None:
        who = f"caller\0{ctx.caller}"
    else:
        who = "\0".join(["credential", *sorted(credentials_of(ctx))])
    return hashlib.sha256(who.encode("utf-8", "surrogatepass")).hexdigest()[:32]


_OTHER_FORMS = re.compile(r"gw_[0-9A-Za-z]+_[0-9A-Za-z]+|eyJ[\w-]+\.[\w-]+\.[\w-]*")


def has_own_form(credential: str) -> bool:
    """Whether it has the form of a virtual key or of a JSON Web Token, which plugins of their own read."""
    return _OTHER_FORMS.fullmatch(credential) is not None
