"""Moderation in canonical form: whether texts fall into categories that are not wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import DialectError
from ..response import Usage

__all__ = ["Judgement", "ModerationReply", "ModerationRequest"]


@dataclass(slots=True)
class ModerationRequest:
    model: str
    inputs: list[str]
    provider_metadata: dict[str, Any] = field(default_factory=dict)
    """By form: fields that the canonical form has no name for."""

    def check(self, reply: ModerationReply) -> None:
        """Raises DialectError where not each input has its result."""
        if len(reply.results) != len(self.inputs):
            raise DialectError(f"{len(reply.results)} results for {len(self.inputs)} inputs")


@dataclass(slots=True)
class Judgement:
    """On one input; categories have OpenAI's names where it has one for them."""

    categories: dict[str, bool]
    scores: dict[str, float]

    @property
    def flagged(self) -> bool:
        return any(self.categories.values())


@dataclass(slots=True)
class ModerationReply:
    results: list[Judgement]
    model: str = ""
    usage: Usage | None = None
    id: str = ""
