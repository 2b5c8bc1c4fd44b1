"""The models of a project: the target of each name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_gateway_sdk import Attempt, HTTPProvider, ModelEntry, ModelNotFound, Prices, Provider
from llm_gateway_sdk.upstream_quota import UpstreamQuota
from llm_gateway_sdk.wildcards import Wildcard, wildcard

from .breaker import Breaker
from .describing import UNKNOWN, Description, ModelDescriptions

__all__ = ["ModelRegistry", "ModelTarget"]


@dataclass(slots=True)
class ModelTarget:
    """A configured model, ready to be called."""

    name: str
    provider: Provider
    breaker: Breaker
    aliases: tuple[str, ...] = ()
    is_default: bool = False
    description: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """`modelConfig`: canonical request fields used where the client left them out."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    descriptions: ModelDescriptions | None = None
    in_flight: int = 0
    quota: UpstreamQuota | None = None
    """What the provider reports to be left of its rates, where a plugin asks for it."""
    http: HTTPProvider | None = field(init=False)
    """The provider, where it is one whose API is a dialect over HTTP."""

    def __post_init__(self) -> None:
        self.http = self.provider if isinstance(self.provider, HTTPProvider) else None
        descriptions = self.descriptions
        if self.http is not None and descriptions is not None:
            self.http.facts_of = lambda name: descriptions.of(name).facts

    def upstream_model(self, asked: str | None) -> str:
        """The provider's name of the model."""
        if self.provider.model and not self.provider.bypass_model:
            return self.provider.model
        return asked or self.provider.model or self.name

    @property
    def is_one_model(self) -> bool:
        """Whether the provider is asked for one and the same model, whatever the client names."""
        return bool(self.provider.model) and not self.provider.bypass_model

    def described(self, asked: str | None) -> Description:
        """What is known about the model that answers a request for `asked`."""
        if self.descriptions is None:
            return UNKNOWN
        return self.descriptions.of(self.upstream_model(asked))

    def prices_of_attempt(self, attempt: Attempt) -> Prices | None:
        """What the model costs that has answered: the one that this target's provider was asked for, or another one
        that the provider names and the model book knows."""
        descriptions, usage = self.descriptions, attempt.usage
        if descriptions is None:
            return None
        if usage is not None and usage.answered_by is not None:
            prices = descriptions.prices_in_book(usage.answered_by)
            if prices is not None:
                return prices
        return descriptions.of(attempt.target.partition("/")[2]).prices


class ModelRegistry:
    """Finds the target of a name: exact names first, then aliases, then aliases with wildcards."""

    def __init__(self, targets: Sequence[ModelTarget], *, strict: bool = False) -> None:
        self.targets = list(targets)
        self._created = int(time.time())
        self._by_name = {target.name: target for target in self.targets}
        self._strict = strict
        self.default = next((target for target in self.targets if target.is_default), None)
        self._wildcards: list[tuple[Wildcard, ModelTarget]] = []
        for target in self.targets:
            for alias in target.aliases:
                if "*" in alias:
                    self._wildcards.append((wildcard(alias), target))
                else:
                    self._by_name.setdefault(alias, target)
        self.names = [target.name for target in self.targets]

    def prices_of_attempt(self, attempt: Attempt) -> Prices | None:
        """What the model costs that was asked in this attempt; None where the price or the target is unknown."""
        target = self._by_name.get(attempt.model)
        return None if target is None else target.prices_of_attempt(attempt)

    def find(self, name: str | None) -> ModelTarget | None:
        """The target of that very name or alias."""
        if name is None:
            return None
        target = self._by_name.get(name)
        if target is None:
            for pattern, candidate in self._wildcards:
                if pattern.matches(name):
                    return candidate
        return target

    def is_configured(self, name: str) -> bool:
        """Whether that is the very name, or an alias without wildcards, of a configured model."""
        return name in self._by_name

    def resolve(self, routed: str | None, asked: str | None) -> ModelTarget:
        """The target of a request: where a plugin routed it, else what the client asked for, else the default.

        Raises ModelNotFound where a plugin names an unknown model, where there is no default, and under
        `strictModels` for every name that is not known.
        """
        if routed is not None:
            target = self.find(routed)
            if target is None:
                raise ModelNotFound(routed, self.names)
            return target
        target = self.find(asked)
        if target is not None:
            return target
        if self.default is None or (self._strict and asked is not None):
            raise ModelNotFound(asked or "", self.names)
        return self.default

    def answering(self, name: str | None) -> str | None:
        """The name of the configured model that answers to `name`, by name, by alias or as the default."""
        target = self.answering_target(name)
        return target.name if target is not None else None

    def answering_target(self, name: str | None) -> ModelTarget | None:
        """That model itself."""
        return self.find(name) or (None if self._strict and name is not None else self.default)

    def entries(self) -> list[ModelEntry]:
        return [
            ModelEntry(
                name=target.name,
                provider=target.provider.name,
                aliases=tuple(alias for alias in target.aliases if "*" not in alias),
                description=target.description,
                is_default=target.is_default,
                metadata=dict(target.metadata),
                created=self._created,
            )
            for target in self.targets
        ]
