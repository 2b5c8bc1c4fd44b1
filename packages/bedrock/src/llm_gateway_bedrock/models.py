"""What a Bedrock model can be asked, as far as its id tells.

Converse is one format for many vendors' models, and refuses what a model lacks. Sources: the user guide's "Supported
models and model features", "Prompt caching", "Structured outputs"; Anthropic's "Extended thinking", "Effort".
Application profiles hide the model in an opaque ARN; the quirk `model_id` names it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Capabilities", "capabilities_of"]

_FAMILIES = (
    ("claude", "claude"),
    ("nova", "nova"),
    ("gpt-oss", "gpt-oss"),
    ("qwen", "qwen"),
    ("deepseek", "deepseek"),
    ("mistral", "mistral"),
    ("llama", "llama"),
    ("cohere", "cohere"),
    ("titan", "titan"),
)
_NEW_CLAUDE = re.compile(r"claude-(?:[a-z]+-)(\d+)(?:-(\d{1,2}))?(?!\d)")
"""`claude-sonnet-4-5-20250929`, `claude-opus-4-20250514`."""
_OLD_CLAUDE = re.compile(r"claude-(\d+)(?:[.-](\d))?(?!\d)")
"""`claude-3-7-sonnet-20250219`, `claude-3-sonnet-20240229`."""


@dataclass(slots=True, frozen=True)
class Capabilities:
    family: str
    """`claude`, `nova`, … or an empty string where the id does not tell."""
    version: float = 0.0
    """Of Claude: 4.5; infinite where the name has no number."""

    @property
    def claude(self) -> bool:
        return self.family == "claude"

    @property
    def caches(self) -> bool:
        """Takes cache points."""
        return self.family in ("nova", "") or (self.claude and self.version >= 3.5)

    @property
    def caches_tools(self) -> bool:
        return self.caches and self.family != "nova"

    @property
    def thinks(self) -> bool:
        return self.claude and self.version >= 3.7

    @property
    def thinks_adaptively(self) -> bool:
        return self.claude and self.version >= 4.6

    @property
    def takes_budget(self) -> bool:
        return self.thinks and self.version < 4.7

    @property
    def samples(self) -> bool:
        """Takes temperature and the like."""
        return not (self.claude and self.version >= 4.7)

    @property
    def samples_one_way(self) -> bool:
        """Takes temperature or top_p, not both."""
        return self.claude and self.version >= 4.1

    @property
    def structured(self) -> bool:
        """Takes `outputConfig.textFormat` and `strict` tools."""
        if self.claude:
            return self.version >= 4.5
        return self.family in ("", "qwen", "gpt-oss", "deepseek", "mistral")


def capabilities_of(model: str) -> Capabilities:
    name = model.lower()
    family = next((family for word, family in _FAMILIES if word in name), "")
    if family != "claude":
        return Capabilities(family)
    match = _NEW_CLAUDE.search(name) or _OLD_CLAUDE.search(name)
    if match is None:
        return Capabilities(family, 2.0 if "instant" in name or "claude-v" in name else float("inf"))
    return Capabilities(family, float(f"{match[1]}.{match[2] or 0}"))
