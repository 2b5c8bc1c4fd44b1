"""The configuration that is served when no file is given: providers whose keys are in the environment, else `echo`."""

from __future__ import annotations

import json
from collections.abc import Mapping

_ALIASES = {
    "openai": ["gpt-*", "chatgpt-*", "o1*", "o3*", "o4*", "codex-*"],
    "anthropic": ["claude-*"],
    "gemini": ["gemini-*"],
}
"""What clients ask of these vendors; other providers are asked by the name of their type."""


def unconfigured_text(key_variables: Mapping[str, str]) -> str:
    """The text of that configuration. `key_variables`: provider types with the variable that holds their key.

    Each provider becomes a model that passes the asked name on; the first is the default.
    """
    ordered = sorted(
        key_variables,
        key=lambda name: (name not in _ALIASES, list(_ALIASES).index(name) if name in _ALIASES else 0, name),
    )
    models: list[dict[str, object]] = [
        {
            "name": name,
            "aliases": _ALIASES.get(name, []),
            "provider": {"type": name, "config": {"apiKey": f"${{{key_variables[name]}}}"}},
        }
        for name in ordered
    ]
    models = models or [{"name": "echo", "provider": {"type": "echo"}}]
    models[0]["isDefault"] = True
    return json.dumps({"models": models}, indent=2)
