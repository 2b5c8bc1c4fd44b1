"""What a Bedrock model can be asked, as far as its id shows.

Converse is one format for many vendors' models, and refuses what a model lacks. Sources: the user guide's "Supported
models and model features", "Prompt caching", "Structured outputs"; Anthropic's "Extended thinking", "Effort".
Application profiles hide the model in an opaque ARN; the quirk `model_id` names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk import ModelFacts
from llm_gateway_sdk.dialects.model_limits import ANY_MODEL, ModelLimits, claude_name, limits_of

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


@dataclass(slots=True, frozen=True)
class Capabilities:
    family: str
    """`claude`, `nova`, … or an empty string where the id does not tell."""
    version: float = 0.0
    """Of Claude and Nova: 4.5; infinite where the name has no number."""
    limits: ModelLimits = ANY_MODEL

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
        return self.claude and self.limits.thinking != "none"

    @property
    def thinks_adaptively(self) -> bool:
        return self.claude and self.limits.thinking in ("both", "adaptive")

    @property
    def takes_budget(self) -> bool:
        return self.claude and self.limits.thinking in ("budget", "both")

    @property
    def samples(self) -> bool:
        """Takes temperature and the like."""
        return self.limits.sampling != "none"

    @property
    def samples_one_way(self) -> bool:
        """Takes temperature or top_p, not both."""
        return self.limits.sampling == "one"

    @property
    def structured(self) -> bool:
        """Takes `outputConfig.textFormat` and `strict` tools."""
        if self.claude:
            return self.limits.structured
        return self.family in ("", "qwen", "gpt-oss", "deepseek", "mistral")


def capabilities_of(
    model: str, quirks: Mapping[str, Any] | None = None, facts: ModelFacts | None = None
) -> Capabilities:
    name = model.lower()
    family = next((family for word, family in _FAMILIES if word in name), "")
    if family == "nova":
        match = _NOVA.search(name)
        return Capabilities(family, float(match[1]) if match is not None else 1.0)
    claude = claude_name(name)
    if claude is None:
        return Capabilities(family)
    major, minor = claude.version
    version = float("inf") if major == 99 else float(f"{major}.{minor}")
    return Capabilities(family, version, limits_of(name, quirks, facts))


_NOVA = re.compile(r"nova-(\d+)(?!\d)")
"""`nova-2-lite`; those of the first generation have no number: `nova-pro-v1`."""
