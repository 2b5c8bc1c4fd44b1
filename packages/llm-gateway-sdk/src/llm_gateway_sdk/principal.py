"""Who is asking, as an authentication plugin found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Principal"]


@dataclass(slots=True, frozen=True)
class Principal:
    """The holder of a credential; never the credential itself."""

    id: str
    """Stable and unique within its source."""
    name: str
    """For people: logs, traces, `ctx.caller`."""
    source: str = ""
    """The plugin that made it."""
    user: str | None = None
    team: str | None = None
    org: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] | None = None
    """The models that may be asked for, `*` standing for any text; None is all."""
    projects: tuple[str, ...] | None = None
    """The projects that may be used; None is all."""
    expires: float | None = None
    """Seconds since the epoch."""
