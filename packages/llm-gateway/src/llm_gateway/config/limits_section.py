"""`limits:` of the gateway or of a project, which is short for a plugin of the type `limits` after the others."""

from __future__ import annotations

from typing import Any

from .document import LocatedDict, Path
from .problems import Problems

__all__ = ["LIMITS", "take_limits"]

LIMITS = "limits"
"""Of the section, of the plugin that is made of it, and of its type."""


def take_limits(data: Any, problems: Problems) -> None:
    """Makes plugins of the sections. Their settings keep their place, so that a mistake is reported where it is."""
    _take(data, (), problems)
    projects = data.get("projects")
    for position, project in enumerate(projects if isinstance(projects, list) else ()):
        if isinstance(project, dict):
            _take(project, ("projects", position), problems)


def _take(level: dict[str, Any], place: Path, problems: Problems) -> None:
    written = level.get(LIMITS)
    plugins = level.get("plugins") or []
    if not isinstance(written, list) or not isinstance(plugins, list):
        return  # the schema reports it
    del level[LIMITS]
    if not written:
        return
    if any(isinstance(each, dict) and each.get("name") == LIMITS for each in plugins):
        problems.add((*place, LIMITS), 'a plugin is named "limits" too; write all limits in one of the two places')
        return
    settings = LocatedDict({LIMITS: written})
    settings.where = place
    plugin = LocatedDict({"name": LIMITS, "type": LIMITS, "config": settings})
    plugin.where = (*place, LIMITS)
    level["plugins"] = [*plugins, plugin]
