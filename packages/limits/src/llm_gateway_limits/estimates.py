"""What a request may cost at most, and what it did cost, in the units of each limit."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk import RequestContext, RequestRejected

from .amounts import decode_amount
from .prices import Price, decode_price
from .rules import Rule

__all__ = ["Estimator", "Usage"]

_BILLED = frozenset({"generate", "embed", "native"})
"""Operations that spend tokens. Counting tokens is a request like others, and costs nothing."""


@dataclass(slots=True)
class Usage:
    """What one request is estimated to use, asked for only by limits that need it."""

    input_tokens: int = 0
    output_tokens: int | None = None
    """What the request itself sets as its maximum; None where it sets none."""


class Estimator:
    def __init__(
        self,
        prices: Mapping[str, Mapping[str, Any]],
        paths: Sequence[Mapping[str, Any]],
        *,
        metadata_of: Callable[[str], Mapping[str, Any]],
        models: Sequence[str],
    ) -> None:
        """Raises ValueError where a price can't be read."""
        self._prices: dict[str, Price | None] = {}
        for name, written in prices.items():
            try:
                self._prices[name] = decode_price(written)
            except ValueError as error:
                raise ValueError(f"prices.{name}.{error}") from None
        self._paths = [(str(each["path"]), decode_amount("cost", each["cost"])) for each in paths]
        self._metadata_of = metadata_of
        self._models = models

    def price(self, model: str) -> Price | None:
        """The price of a model by its configured name or alias; None where none is known."""
        if model not in self._prices:
            written = self._metadata_of(model).get("prices")
            try:
                found = decode_price(written) if isinstance(written, Mapping) else None
            except ValueError:
                found = None
            if len(self._prices) > 10_000:
                return found  # names that clients make up
            self._prices[model] = found
        return self._prices[model]

    def reserve(self, rule: Rule, ctx: RequestContext, usage: Usage, model: str) -> int:
        """What the request may take of this limit at most. Raises RequestRejected where a price is missing."""
        match rule.measure:
            case "requests" | "concurrent":
                return 1
        if ctx.operation not in _BILLED:
            return 0
        output = self._output(rule, ctx, usage)
        match rule.measure:
            case "inputTokens":
                return usage.input_tokens
            case "outputTokens":
                return output
            case "tokens":
                return usage.input_tokens + output
        if ctx.operation == "native":
            return self._native(rule, ctx)
        price = self._price_for(rule, model)
        return 0 if price is None else price.most(usage.input_tokens, output)

    def settle(self, rule: Rule, ctx: RequestContext, reserved: int) -> int:
        """What it did take. `reserved` (in the units of the measure) is taken where the real figure is unknown."""
        if rule.measure == "concurrent":
            return 0
        if rule.measure == "requests":
            return reserved
        if ctx.operation not in _BILLED or not ctx.attempts:
            return 0  # nothing was sent to a provider
        metrics = ctx.metrics
        failed = all(attempt.error is not None or (attempt.status or 0) >= 400 for attempt in ctx.attempts)
        if metrics.input_tokens is None and metrics.output_tokens is None:
            return 0 if failed else reserved
        inputs, outputs = metrics.input_tokens or 0, metrics.output_tokens or 0
        match rule.measure:
            case "inputTokens":
                return inputs
            case "outputTokens":
                return outputs
            case "tokens":
                return inputs + outputs
        if ctx.operation == "native":
            return reserved
        # Counts are those of all attempts together: where they went to several models, the dearest is taken.
        costs = [
            price.cost(inputs, outputs, metrics.cache_read_tokens or 0, metrics.cache_write_tokens or 0)
            for model in dict.fromkeys(attempt.model for attempt in ctx.attempts)
            if (price := self._price_for(rule, model, refuse=False)) is not None
        ]
        return max(costs, default=0 if rule.unknown_price == "free" else reserved)

    def _output(self, rule: Rule, ctx: RequestContext, usage: Usage) -> int:
        if ctx.operation == "embed":
            return 0
        return rule.default_output if usage.output_tokens is None else usage.output_tokens

    def _price_for(self, rule: Rule, model: str, *, refuse: bool = True) -> Price | None:
        price = self.price(model)
        if price is not None or rule.unknown_price == "free":
            return price
        if rule.unknown_price == "estimate":
            known = [found for name in (*self._models, *self._prices) if (found := self.price(name)) is not None]
            return max(known, key=lambda each: (each.output, each.input), default=None)
        if not refuse or not rule.enforce:
            return None
        raise RequestRejected(
            f"The model '{model}' has no price, and the limit '{rule.name}' counts cost. Add its price to the "
            f"configuration: `prices: {{{model}: {{input: …, output: …}}}}`.",
            status=403,
            code="unknown_price",
            limit=rule.name,
        )

    def _native(self, rule: Rule, ctx: RequestContext) -> int:
        path = ctx.http_request.path
        for pattern, cost in self._paths:
            if fnmatch.fnmatchcase(path, pattern):
                return cost
        if rule.unknown_price == "refuse" and rule.enforce:
            raise RequestRejected(
                f"Calls of {path} have no price, and the limit '{rule.name}' counts cost. Add one to "
                f"the configuration: `paths: [{{path: '{path}', cost: …}}]`.",
                status=403,
                code="unknown_price",
                limit=rule.name,
            )
        return 0
