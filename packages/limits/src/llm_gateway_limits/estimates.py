"""What a request may cost at most, and what it did cost, in the units of each limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from llm_gateway_sdk import Attempt, ModelFacts, Operation, Prices, RequestContext, RequestEstimate, RequestRejected
from llm_gateway_sdk import Usage as Reported
from llm_gateway_sdk.batch_share import BatchBand, BatchShare
from llm_gateway_sdk.charges import charge_of, cost_of
from llm_gateway_sdk.context import Precision
from llm_gateway_sdk.metering import weaker
from llm_gateway_sdk.model_facts import MILLION
from llm_gateway_sdk.wildcards import matches_wildcard

from .amounts import decode_amount
from .marks import Marks
from .rules import Rule

__all__ = ["Estimator", "KnownPrices", "Usage"]

_BILLED = frozenset(get_args(Operation)) - {"count_tokens", "models", "stored", "file"}
"""Operations that spend tokens. Counting tokens is a request like others, and costs nothing; so is looking at
what is stored."""

_MOST_NANOS = 10**13
"""No request costs ten thousand dollars: where a provider's figures give that, what was reserved is charged."""
_NO_OUTPUT = frozenset({"embed", "rerank", "moderate"})
"""Operations for whose replies no tokens are reserved: they have none."""


_EXACT: Precision = "exact"


Usage = RequestEstimate
"""What one request is estimated to use, asked for only by limits that need it."""


@dataclass(slots=True)
class KnownPrices:
    """Those of the last call of requests that are alike, for the next one."""

    model: str = ""
    target: str = ""
    prices: Prices | None = None


class Estimator:
    def __init__(
        self,
        paths: Sequence[Mapping[str, Any]],
        *,
        prices_of: Callable[[str | None], Prices | None],
        prices_of_attempt: Callable[[Attempt], Prices | None],
        facts_of: Callable[[str | None], ModelFacts | None],
        models: Sequence[str],
    ) -> None:
        """Raises ValueError where an amount can't be read."""
        self._paths = [(str(each["path"]), decode_amount("cost", each["cost"])) for each in paths]
        self._prices_of = prices_of
        self._prices_of_attempt = prices_of_attempt
        self._facts_of = facts_of
        self._models = models

    def price(self, model: str | None) -> Prices | None:
        """The price of the model that answers for this name; None where none is known. A price that is only assumed
        from a similar name is none."""
        prices = self._prices_of(model)
        return None if prices is None or prices.assumed_from is not None else prices

    def reserve(self, rule: Rule, ctx: RequestContext, usage: Usage, model: str | None) -> int:
        """What the request may take of this limit at most. Raises RequestRejected where a price is missing."""
        return self.most(rule, ctx, model)(usage)

    def most(self, rule: Rule, ctx: RequestContext, model: str | None) -> Callable[[Usage], int]:
        """The same as a function of the usage, for all requests for this model that are like this one. Raises
        RequestRejected where a price is missing."""
        if rule.measure in ("requests", "concurrent"):
            return _one
        if not _is_billed(ctx):
            return _nothing
        if rule.measure == "inputTokens":
            return _input
        if ctx.operation in _NO_OUTPUT:
            usual, asked = 0, False
        else:
            usual, asked = self._usual_output(rule, model), True
        if rule.measure == "outputTokens":
            return _output(usual, asked=asked)
        if rule.measure == "tokens":
            return _tokens(usual, asked=asked)
        if ctx.operation == "native":
            cost = self._native(rule, ctx)
            return lambda usage: cost
        prices = self._price_for(rule, model)
        return _nothing if prices is None else _cost(prices, usual, asked=asked)

    def reserve_share(self, rule: Rule, share: BatchShare) -> int:
        """What the lines of one model in a batch may take at most, at the price of the batch tier where there is one;
        of lines whose inputs have the same price, what one may take, times the lines. Raises RequestRejected where a
        price is missing."""
        if rule.measure in ("requests", "concurrent"):
            return 1
        output = self._output_of(rule, share, share)
        match rule.measure:
            case "inputTokens":
                return share.input_tokens
            case "outputTokens":
                return output
            case "tokens":
                return share.input_tokens + output
        prices = self._prices_of_attempt(Attempt(share.model, f"/{share.provider_model}"))
        if prices is None or prices.assumed_from is not None:
            prices = self._price_for(rule, share.model)
        if prices is None:
            return 0
        total = 0
        for band in share.bands or (share,):
            lines = max(1, band.lines)
            one = (-(-band.input_tokens // lines), -(-self._output_of(rule, share, band) // lines))
            most = prices.ceiling(*one, "batch")
            total += lines * ((prices.ceiling(*one) if most is None else most) or 0)
        return total

    def _output_of(self, rule: Rule, share: BatchShare, lines: BatchShare | BatchBand) -> int:
        if not lines.unbounded:
            return lines.output_tokens
        return lines.output_tokens + lines.unbounded * self._usual_output(rule, share.model)

    def settle(
        self,
        rule: Rule,
        ctx: RequestContext,
        attempts: Sequence[Attempt],
        reserved: int,
        marks: Marks | None = None,
    ) -> int:
        """What its `attempts` did take, those of the request that count for this limit. `reserved` (in the units of the
        measure) is taken where the real figure is unknown. `marks` gets how well the figure is known."""
        if rule.measure == "concurrent":
            return 0
        if rule.measure == "requests":
            # A response of a session is admitted ahead, and may never be asked for.
            if not ctx.attempts:
                return 0 if ctx.session is not None else reserved
            return reserved if attempts else 0
        if ctx.operation not in _BILLED or not attempts or (ctx.operation == "batch" and not ctx.batch):
            return 0  # nothing was sent to a provider, or it was only looked at
        if ctx.operation == "native" and _all_failed(attempts):
            return 0
        if rule.measure == "cost":
            # The price of a native call is that of its path.
            return reserved if ctx.operation == "native" else self._cost(rule, ctx, attempts, reserved, marks)
        return self._tokens(rule, attempts, reserved, marks)

    def settle_plain(
        self, ctx: RequestContext, rules: Sequence[Rule], reserved: Sequence[int], known: KnownPrices
    ) -> list[int] | None:
        """What a request did take of these limits, as `settle` gives it for each of them; None for requests that are
        not like most, whose one call has reported what it used."""
        attempts = ctx.attempts
        if ctx.operation != "generate" or len(attempts) != 1:
            return None
        attempt = attempts[0]
        usage = attempt.usage
        if usage is None or (inputs := usage.input_tokens) is None or (outputs := usage.output_tokens) is None:
            return None
        if usage.answered_by is not None:
            return None
        taken = []
        for rule, amount in zip(rules, reserved, strict=True):
            match rule.measure:
                case "requests":
                    taken.append(amount)
                case "tokens":
                    taken.append(inputs + outputs)
                case "cost":
                    if attempt.target != known.target or attempt.model != known.model:
                        known.model, known.target = attempt.model, attempt.target
                        known.prices = self._prices_of_attempt(attempt)
                    prices = known.prices
                    cost = None if prices is None else cost_of(prices, usage)
                    if cost is None or not 0 <= cost <= _MOST_NANOS * usage.requests:
                        cost = self._cost(rule, ctx, attempts, amount, None)
                    taken.append(cost)
                case _:
                    taken.append(self.settle(rule, ctx, attempts, amount))
        return taken

    def _tokens(self, rule: Rule, attempts: Sequence[Attempt], reserved: int, marks: Marks | None) -> int:
        inputs, outputs, counted = 0, 0, False
        for attempt in attempts:
            usage = attempt.usage
            if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
                continue
            counted = True
            inputs += usage.input_tokens or 0
            outputs += usage.output_tokens or 0
            if marks is not None:
                if rule.measure != "outputTokens":
                    marks.add(attempt.input_precision, usage.input_tokens or 0)
                if rule.measure != "inputTokens":
                    marks.add(attempt.output_precision, usage.output_tokens or 0)
        if not counted:
            return _unknown(attempts, reserved, marks)
        match rule.measure:
            case "inputTokens":
                return inputs
            case "outputTokens":
                return outputs
        return inputs + outputs

    def _cost(
        self, rule: Rule, ctx: RequestContext, attempts: Sequence[Attempt], reserved: int, marks: Marks | None
    ) -> int:
        """Nano-dollars of all attempts, each at the price of its model."""
        total, counted = 0, False
        for attempt in attempts:
            usage = attempt.usage
            if usage is None or (usage.input_tokens is None and usage.output_tokens is None and not usage.pieces):
                continue
            counted = True
            cost, known = self._cost_of(rule, ctx, attempt, usage)
            if cost is None or not 0 <= cost <= _MOST_NANOS * usage.requests:
                cost, known = reserved, "estimated"
            total += cost
            if marks is not None:
                marks.add(weaker(known, weaker(attempt.input_precision, attempt.output_precision)), cost)
        return total if counted else _unknown(attempts, reserved, marks)

    def _cost_of(
        self, rule: Rule, ctx: RequestContext, attempt: Attempt, usage: Reported
    ) -> tuple[int | None, Precision]:
        """Nano-dollars of one attempt, and how well its price is known: `partial` lacks what has none, `estimated` is
        another model's. None where nothing is known."""
        prices, known = self._prices_of_attempt(attempt), _EXACT
        if prices is None or prices.assumed_from is not None:
            prices = self.price(attempt.model)
            if prices is None:
                prices, known = self._price_for(rule, attempt.model, refuse=False), "estimated"
        if prices is None:
            return (0, "exact") if rule.unknown_price == "free" else (None, "estimated")
        tier = "batch" if ctx.operation == "batch" else None
        exact = cost_of(prices, usage, tier=tier)
        if exact is not None:
            return exact, known
        charge = charge_of(prices, usage, tier=tier)
        if charge is None:
            return None, "estimated"
        return charge.nanos, known if known == "estimated" or not charge.unpriced else "partial"

    def _usual_output(self, rule: Rule, model: str | None) -> int:
        """What is reserved for the answer to a request that sets no maximum."""
        facts = self._facts_of(model)
        most = facts.max_output if facts is not None else None
        return rule.default_output if most is None else min(most, rule.default_output)

    def _price_for(self, rule: Rule, model: str | None, *, refuse: bool = True) -> Prices | None:
        prices = self.price(model)
        if prices is not None or rule.unknown_price == "free":
            return prices
        if rule.unknown_price == "estimate":
            known = [self._prices_of(model), *(self.price(name) for name in self._models)]
            found = [(each.ceiling(1000, 1000) or 0, each) for each in known if each is not None]
            return max(found, key=lambda each: each[0])[1] if found else None
        if not refuse or not rule.enforce:
            return None
        raise RequestRejected(
            f"The model '{model or ''}' has no price, and the limit '{rule.name}' counts cost. Give the model "
            "`prices: {input: …, output: …}` in the configuration, in US dollars per million tokens.",
            status=403,
            code="unknown_price",
            limit=rule.name,
        )

    def path_cost(self, path: str) -> int | None:
        """The price of a native call in nano-dollars; None where it has none."""
        return next((cost for pattern, cost in self._paths if matches_wildcard(path, pattern)), None)

    def _native(self, rule: Rule, ctx: RequestContext) -> int:
        path = ctx.http_request.path
        cost = self.path_cost(path)
        if cost is not None:
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


def _one(usage: Usage) -> int:
    return 1


def _nothing(usage: Usage) -> int:
    return 0


def _input(usage: Usage) -> int:
    return usage.input_tokens


def _output(usual: int, *, asked: bool) -> Callable[[Usage], int]:
    """The output tokens that a request sets as its maximum, if `asked` and it sets one, else `usual`."""
    if not asked:
        return lambda usage: usual
    return lambda usage: usual if usage.output_tokens is None else usage.output_tokens


def _tokens(usual: int, *, asked: bool) -> Callable[[Usage], int]:
    """The same with the input."""

    def tokens(usage: Usage) -> int:
        output = usage.output_tokens if asked else usual
        return usage.input_tokens + (usual if output is None else output)

    return tokens


def _cost(prices: Prices, usual: int, *, asked: bool) -> Callable[[Usage], int]:
    """What so many tokens cost at most."""
    flat = prices.flat_ceiling()

    def cost(usage: Usage) -> int:
        output = usage.output_tokens if asked else usual
        if output is None:
            output = usual
        if flat is None or usage.pieces:
            return prices.ceiling(usage.input_tokens, output, pieces=usage.pieces) or 0
        return -(-(usage.input_tokens * flat[0] + output * flat[1]) // MILLION)

    return cost


def _is_billed(ctx: RequestContext) -> bool:
    """Of batches the submission and the settlement; looking at one costs nothing."""
    return ctx.operation in _BILLED and (ctx.operation != "batch" or bool(ctx.batch))


def _unknown(attempts: Sequence[Attempt], reserved: int, marks: Marks | None) -> int:
    """What calls take of which nothing was reported or counted."""
    if _all_failed(attempts):
        return 0
    if marks is not None:
        marks.add("estimated", reserved)
    return reserved


def _all_failed(attempts: Sequence[Attempt]) -> bool:
    return all(attempt.error is not None or (attempt.status or 0) >= 400 for attempt in attempts)
