"""A limit as it is compiled from the configuration: whom it is for, what it measures, and how it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from llm_gateway_sdk import MAX_AMOUNT, Entry, Principal, Rate, RequestContext
from llm_gateway_sdk.values import FrozenValue
from llm_gateway_sdk.wildcards import Wildcard

from .amounts import MEASURES, decode_amount
from .windows import Window, decode_window

__all__ = ["Asker", "Override", "Rule", "compile_rules", "whom_of", "with_overrides"]

T = TypeVar("T")
Word = Literal["lease", "allow", "deny"]
_SCALES = (1, 1000, 1_000_000)
_OF_MODELS = frozenset({"model", "provider"})


class Asker(FrozenValue, frozen=True):
    """What limits look at in one request."""

    principal: Principal | None
    ip: str
    project: str
    model: str
    provider: str
    operation: str
    caller: str | None = None
    """The name that an authentication plugin gave, where it makes no principals."""
    names: tuple[str, ...] = ()
    """Further names of the model, for conditions: what the client asked for, what answers to it."""

    @staticmethod
    def of(ctx: RequestContext, answering: Callable[[str], str | None], provider_of: Callable[[str], str]) -> Asker:
        """`answering` gives the configured model that answers to a name: no limit of a model is evaded by an alias."""
        asked = ctx.requested_model or ""
        model = answering(asked) or asked
        return Asker(
            ctx.principal, ctx.client_ip or "unknown", ctx.project, model, provider_of(model), ctx.operation,
            ctx.caller, (asked,),
        )  # fmt: skip

    def choosing(self, model: str, provider: str, *names: str) -> Asker:
        """The same request, answered by this model, which has these further names."""
        return replace(self, model=model, provider=provider, names=(*self.names, *names))

    def value(self, dimension: str) -> str | None:
        """None where the request has no such thing."""
        principal = self.principal
        match dimension:
            case "key":
                if principal is not None:
                    return f"{principal.source}:{principal.id}"
                return f"caller:{self.caller}" if self.caller else f"address:{self.ip}"
            case "user" if principal is None:
                return self.caller
            case "ip":
                return self.ip
            case "project":
                return self.project
            case "model":
                return self.model or None
            case "provider":
                return self.provider or None
        if principal is None:
            return None
        if dimension.startswith("label:"):
            return principal.labels.get(dimension.removeprefix("label:"))
        found: str | None = getattr(principal, dimension)
        return found


@dataclass(frozen=True, slots=True)
class Override:
    """Another amount for some subjects."""

    subject: Mapping[str, str]
    amount: int | None
    """None means without a limit."""
    until: float | None = None
    """When it ends, in seconds since the epoch; None is never."""


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    measure: str
    amount: int
    window: Window
    per: tuple[str, ...] = ()
    when: Mapping[str, tuple[Callable[[str], bool], ...]] = field(default_factory=dict)
    enforce: bool = True
    warn_at: tuple[int, ...] = (80, 95)
    on_store_down: Word = "lease"
    on_crash: Literal["charge", "release"] = "charge"
    overrides: tuple[Override, ...] = ()
    unknown_price: Literal["refuse", "estimate", "free"] = "refuse"
    overdraft: bool = False
    """A fallback that is dearer than what was reserved goes on though the difference is not left."""
    refuse_missing: bool = False
    queue: bool = False
    queue_seconds: float = 30.0
    default_output: int = 4096
    burst: int | None = None
    scale: int = 1
    """Amounts are counted in units of so many: 1,000 counts micro-dollars where nano-dollars would not fit."""
    place: str = ""
    """Where it is written, e.g. `limits[2]`."""
    _counters: str = field(default="", init=False, repr=False, compare=False)
    """How the names of its counters begin."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_counters", f"{self.name}|{self.measure}|{self.window.name}|")

    @property
    def by_model(self) -> bool:
        """Whether it depends on the model that answers, which routers and fallbacks change."""
        return not _OF_MODELS.isdisjoint((*self.per, *self.when))

    @property
    def is_rate(self) -> bool:
        return self.window.rolling_seconds is not None and self.measure != "concurrent"

    @property
    def is_budget(self) -> bool:
        """Waiting does not help soon: what is spent stays spent."""
        return not self.is_rate and self.measure != "concurrent"

    def applies(self, asker: Asker) -> bool:
        for dimension, matches in self.when.items():
            values: tuple[str | None, ...]
            if dimension == "model":
                values = (asker.model or None, *asker.names)
            else:
                values = (asker.operation if dimension == "operation" else asker.value(dimension),)
            if not any(match(value) for match in matches for value in values if value is not None):
                return False
        return True

    def subject(self, asker: Asker) -> tuple[tuple[str, str], ...] | None:
        """Whom it counts for; None where the request lacks something that it is `per`."""
        found = []
        for dimension in self.per:
            value = asker.value(dimension)
            if value is None:
                return None
            found.append((dimension, value))
        return tuple(found)

    def limit(self, subject: Sequence[tuple[str, str]], now: float = 0.0) -> int | None:
        """The amount for this subject at the time `now`; None: no limit. The last override that fits counts."""
        if not self.overrides:
            return self.amount
        values = dict(subject)
        amount: int | None = self.amount
        for override in self.overrides:
            if override.until is not None and now >= override.until:
                continue
            if all(values.get(key) == value for key, value in override.subject.items()):
                amount = override.amount
        return amount

    def key(self, subject: Sequence[tuple[str, str]], index: str) -> str:
        """The counter's name. It changes with what is counted, not with the amount: an edited amount takes effect on
        what is counted already."""
        key = f"{self._counters}{whom_of(tuple(subject))}|{index}"
        return key if self.scale == 1 else f"{key}|x{self.scale}"

    def entry(self, subject: Sequence[tuple[str, str]], amount: int, now: float) -> Entry | None:
        """What a request takes from this limit; None where it has none for this subject."""
        limit = self.amount if not self.overrides else self.limit(subject, now)
        if limit is None:
            return None
        index, ends = self.window.at(now)
        scaled, held = self.scaled(amount) if amount else 0, limit // self.scale
        key = self.key(subject, index)
        if self.measure == "concurrent":
            return Entry(key, scaled, held, enforce=self.enforce, on_expiry="release")
        if self.window.rolling_seconds is not None:
            if held < 1:
                return Entry(key, scaled, 0, enforce=self.enforce, on_expiry="release")
            burst = None if self.burst is None else max(1, self.burst // self.scale)
            rate = _rate(held, self.window.rolling_seconds, burst)
            return Entry(key, scaled, rate=rate, enforce=self.enforce, on_expiry=self.on_crash)
        return Entry(key, scaled, held, enforce=self.enforce, on_expiry=self.on_crash, ends=ends)

    def scaled(self, amount: int) -> int:
        """In the counter's units, rounded up."""
        held = amount if self.scale == 1 else -(-amount // self.scale)
        return held if held < MAX_AMOUNT else MAX_AMOUNT


@lru_cache(maxsize=1024)
def _rate(limit: int, seconds: float, burst: int | None) -> Rate:
    return Rate.per(limit, seconds, burst=burst)


@lru_cache(maxsize=4096)
def whom_of(subject: tuple[tuple[str, str], ...]) -> str:
    """A subject as it is written in the names of counters."""
    return ",".join(f"{dimension}={quote(value, safe=':@.-')}" for dimension, value in subject)


def compile_rules(limits: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """The rules. Raises ValueError whose message begins with the place of the mistake, e.g. `limits[2].cost: …`."""
    rules: list[Rule] = []
    for position, written in enumerate(limits):
        rule = _compile(written, f"limits[{position}]")
        if any(rule.name == other.name for other in rules):
            raise ValueError(f'limits[{position}].name: two limits are named "{rule.name}"')
        rules.append(rule)
    return tuple(rules)


def _compile(written: Mapping[str, Any], place: str) -> Rule:
    measures = [measure for measure in MEASURES if measure in written]
    if len(measures) != 1:
        raise ValueError(f"{place}.name: a limit has exactly one of {', '.join(MEASURES)}")
    measure = measures[0]
    amount = _at(f"{place}.{measure}", lambda: decode_amount(measure, written[measure]))
    if "window" not in written and measure != "concurrent":
        raise ValueError(f'{place}.name: "window" is missing, e.g. `window: 1m` or `window: {{calendar: month}}`')
    window = _at(f"{place}.window", lambda: decode_window(written.get("window", "lifetime")))
    per = tuple(dict.fromkeys(written.get("per", ())))
    overrides = tuple(
        _override(each, measure, per, f"{place}.overrides[{number}]")
        for number, each in enumerate(written.get("overrides", ()))
    )
    burst = written.get("burst")
    rule = Rule(
        name=str(written["name"]),
        measure=measure,
        amount=amount,
        window=window,
        per=per,
        when={key: tuple(_match(each) for each in _list(value)) for key, value in _conditions(written.get("when", {}))},
        enforce=written.get("mode", "enforce") == "enforce",
        warn_at=tuple(sorted(written.get("warnAt", (80, 95)))),
        on_store_down=written.get("onStoreDown", "lease"),
        on_crash=written.get("onCrash", "charge"),
        overrides=overrides,
        unknown_price=written.get("unknownPrice", "refuse"),
        overdraft=written.get("overdraft") == "allow",
        refuse_missing=written.get("missing") == "refuse",
        queue=written.get("onExceed") == "queue",
        queue_seconds=float(written.get("queueTimeout", 30_000)) / 1000,
        default_output=int(written.get("defaultOutput", 4096)),
        burst=None if burst is None else _at(f"{place}.burst", lambda: decode_amount(measure, burst)),
        place=place,
    )
    return _scale(rule, f"{place}.{measure}")


def _scale(rule: Rule, place: str) -> Rule:
    """The finest unit in which all amounts of the rule can be counted exactly. Raises ValueError where none is."""
    amounts = [rule.amount, rule.burst or 0, *(each.amount or 0 for each in rule.overrides)]
    reason = ""
    for scale in _SCALES if rule.measure == "cost" else _SCALES[:1]:
        try:
            for amount in amounts:
                if rule.is_rate:
                    Rate.per(max(1, amount // scale), rule.window.rolling_seconds or 1)
                elif amount // scale > MAX_AMOUNT // 2:
                    raise ValueError(f"{amount} is more than a store can count exactly")
        except ValueError as error:
            reason = str(error)
            continue
        return replace(rule, scale=scale)
    raise ValueError(f"{place}: {reason}")


def with_overrides(rule: Rule, overrides: Sequence[Override], place: str = "amount") -> Rule:
    """The rule with further overrides, which count before its own. Its counters stay the same. Raises ValueError where
    an amount can't be counted in the unit of these counters."""
    for each in overrides:
        if each.amount is None:
            continue
        held = each.amount // rule.scale
        if not rule.is_rate and held > MAX_AMOUNT // 2:
            raise ValueError(f"{place}: {each.amount} is more than this limit's counters can hold")
        if rule.is_rate and held >= 1:
            _at(place, lambda held=held: Rate.per(held, rule.window.rolling_seconds or 1))  # type: ignore[misc]
    return replace(rule, overrides=(*rule.overrides, *overrides))


def _override(written: Mapping[str, Any], measure: str, per: Sequence[str], place: str) -> Override:
    subject = {key: str(value) for key, value in written.items() if key not in (*MEASURES, "unlimited")}
    for key in subject:
        if key not in per:
            raise ValueError(f"{place}: the limit is not per {key}, so it has no override for one")
    if not subject:
        raise ValueError(f"{place}: expected a subject, e.g. `{per[0] if per else 'team'}: …`")
    if written.get("unlimited") is True:
        return Override(subject, None)
    if measure not in written:
        raise ValueError(f"{place}: expected `{measure}` or `unlimited: true`")
    return Override(subject, _at(f"{place}.{measure}", lambda: decode_amount(measure, written[measure])))


_PLURALS = {
    "models": "model", "projects": "project", "teams": "team", "users": "user", "orgs": "org", "keys": "key",
    "providers": "provider", "operations": "operation", "ips": "ip",
}  # fmt: skip


def _conditions(written: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in written.items():
        if name == "labels":
            found += [(f"label:{label}", each) for label, each in value.items()]
        else:
            found.append((_PLURALS[name], value))
    return found


def _list(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _match(pattern: str) -> Callable[[str], bool]:
    """`/…/` is a regular expression, `*` is any text, anything else is the value itself."""
    if len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/"):
        expression = re.compile(pattern[1:-1])
        return lambda value: expression.search(value) is not None
    if "*" in pattern:
        return Wildcard(pattern).matches
    return lambda value: value == pattern


def _at(place: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
