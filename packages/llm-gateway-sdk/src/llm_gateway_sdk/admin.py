"""What a plugin adds to the administration API: routes with a role, described well enough for an OpenAPI document.

The gateway serves them below `/admin/v1` (or below `admin.path`), checks the credential and the role, reads and
writes JSON, and turns AdminError into problem details (RFC 9457).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["AdminCall", "AdminError", "AdminParameter", "AdminReply", "AdminRoute", "Role"]

Role = Literal["viewer", "operator", "admin"]
"""`viewer` reads, `operator` also changes, `admin` also makes and ends credentials. Each includes the one before."""


_CURSOR = re.compile(r"[0-9]{1,18}(?:-[0-9]{1,18})?")
"""As the stores make them."""


class AdminError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, detail: str, *, title: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.title = title


@dataclass(frozen=True, slots=True)
class AdminCall:
    """One call of a route, authorised."""

    by: str
    """Who calls: the name of the credential."""
    address: str
    """From where."""
    path: Mapping[str, str]
    """The parts of the path that the route names."""
    query: Mapping[str, str]
    body: Any = None
    """The decoded JSON; None where there is none."""
    version: int | None = None
    """What `If-Match` asks the version to be."""

    @property
    def cursor(self) -> str:
        """The query's `after`, for `Store.read_since`. Raises AdminError where no log has given it."""
        after = self.query.get("after", "")
        if after and _CURSOR.fullmatch(after) is None:
            raise AdminError(400, "after: expected the `next` of the page before.")
        return after


@dataclass(frozen=True, slots=True)
class AdminReply:
    body: Any = None
    """JSON; None is an empty reply."""
    status: int = 200
    version: int | None = None
    """The version of what the body shows, which becomes its ETag."""


@dataclass(frozen=True, slots=True)
class AdminParameter:
    """A query parameter."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminRoute:
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    """Below the API's root: `/keys/{id}`."""
    name: str
    """Unique; what generated clients call it."""
    summary: str
    role: Role
    handler: Callable[[AdminCall], Awaitable[AdminReply]]
    takes: Mapping[str, Any] | None = None
    """JSON Schema of the body."""
    gives: Mapping[str, Any] | None = None
    """JSON Schema of the reply's body; None is an empty one."""
    status: int = 200
    query: Sequence[AdminParameter] = ()
    versioned: bool = False
    """Takes `If-Match` or gives an ETag."""
