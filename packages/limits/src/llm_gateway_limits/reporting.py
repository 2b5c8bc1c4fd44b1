"""The state of limits and what they would have refused, for the command line and the admin API."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from llm_gateway_sdk import Principal, Store
from llm_gateway_sdk.numerals import whole_number

from .amounts import NANO
from .rules import Asker, Rule
from .subjects import SUBJECTS, known_subjects

__all__ = ["Simulation", "fullness", "simulate", "state_of", "used_of"]

_BLOCK = 500


async def state_of(rules: Sequence[Rule], store: Store) -> list[dict[str, Any]]:
    """One row per limit and subject that was seen: what is settled, open, and left in the present window, in the units
    of the measure (of `cost` nano-dollars)."""
    by_name = {rule.name: rule for rule in rules}
    without_conditions = [rule for rule in rules if not rule.when]
    now = time.time()
    pairs: dict[str, tuple[Rule, tuple[tuple[str, str], ...]]] = {}
    for written in await known_subjects(store):
        name, measure, _, whom, *_ = written.removeprefix(SUBJECTS).split("|")
        subject = tuple(_pair(each) for each in whom.split(",") if each)
        per = tuple(dimension for dimension, _ in subject)
        named = [rule] if (rule := by_name.get(name)) is not None and rule.measure == measure else []
        for rule in named if name else without_conditions:
            if rule.per == per:
                pairs[f"{rule.name}|{whom}"] = rule, subject
    counted = [(rule, subject, entry) for rule, subject in pairs.values() if (entry := rule.entry(subject, 0, now))]
    rows = []
    for first in range(0, len(counted), _BLOCK):
        block = counted[first : first + _BLOCK]
        states = await store.read([entry for _, _, entry in block])
        for (rule, subject, entry), state in zip(block, states, strict=True):
            rows.append(
                {
                    "limit": rule.name,
                    "measure": rule.measure,
                    "subject": dict(subject),
                    "settled": state.settled * rule.scale,
                    "open": state.open * rule.scale,
                    "of": (state.limit or 0) * rule.scale,
                    "remaining": (state.remaining or 0) * rule.scale,
                    "window": rule.window.name,
                    "endsAt": entry.ends or None,
                    "mode": "enforce" if rule.enforce else "shadow",
                }
            )
    return sorted(rows, key=lambda row: (row["limit"], str(row["subject"])))


def fullness(row: Mapping[str, Any]) -> float:
    """Which part of its limit a row of `state_of` has used, running requests included; more than 1 in debt."""
    return (row["settled"] + row["open"]) / row["of"] if row["of"] else 0.0


def used_of(key: str, amount: int) -> dict[str, Any]:
    """What a charge of the ledger is, from its counter's name (as `Rule.key` makes it): name, measure, window and its
    beginning, subject, and the amount in the units of the measure."""
    name, measure, window, whom, begins, *scale = [*key.split("|"), "", "", "", ""][: max(5, key.count("|") + 1)]
    factor = (whole_number(scale[0][1:]) if scale else None) or 1
    subject = dict(_pair(each) for each in whom.split(",") if each)
    return {
        "key": key, "name": name, "measure": measure, "window": window, "subject": subject, "begins": begins,
        "amount": amount * factor,
    }  # fmt: skip


def _pair(written: str) -> tuple[str, str]:
    dimension, _, value = written.partition("=")
    return dimension, unquote(value)


@dataclass(slots=True)
class Simulation:
    """What one limit would have done."""

    seen: int = 0
    refused: int = 0
    by_subject: Counter[str] = field(default_factory=Counter)
    """Refusals by whom they would have hit."""
    skipped: int = 0
    """Records that lack what the limit counts."""


def simulate(
    rules: Sequence[Rule], records: Iterable[Mapping[str, Any]], step: Callable[[int], object] | None = None
) -> dict[str, Simulation]:
    """Plays recorded requests, in the order of their times, against the limits. A request that one limit would have
    refused counts in none. Concurrency can't be seen in records and is left out.

    A record has `time` (seconds since the epoch, or ISO 8601) and what is known of `key`, `user`, `team`, `org`,
    `labels`, `project`, `model`, `provider`, `ip`, `input_tokens`, `output_tokens` and `cost` (US dollars). The
    names in an export of recorded requests are known too; what the gateway itself has refused there is left out.
    `step` is called with 1 after each record. Raises ValueError where a record has no time.
    """
    found = {rule.name: Simulation() for rule in rules if rule.measure != "concurrent"}
    sums: dict[str, int] = {}
    buckets: dict[str, tuple[int, int]] = {}
    asked = (record for record in records if record.get("status") != "refused")
    ordered = sorted(((_time(record), record) for record in asked), key=lambda each: each[0])
    for at, record in ordered:
        if step is not None:
            step(1)
        asker = _asker(record)
        takes: list[tuple[str, int, int | None]] = []
        refused = False
        for rule in rules:
            if rule.measure == "concurrent" or not rule.applies(asker):
                continue
            subject = rule.subject(asker)
            limit = rule.limit(subject, at) if subject is not None else None
            if subject is None or limit is None:
                continue
            result, amount = found[rule.name], _amount(rule, record)
            if amount is None:
                result.skipped += 1
                continue
            result.seen += 1
            key = rule.key(subject, rule.window.at(at)[0])
            if rule.window.rolling_seconds is not None:
                # In units times milliseconds, as a store counts: nothing is rounded.
                period, now = round(rule.window.rolling_seconds * 1000), round(at * 1000)
                level, since = buckets.get(key, (0, now))
                level = max(0, level - (now - since) * limit) + amount * period
                over = level > (rule.burst or limit) * period
                takes.append((key, level, now))
            else:
                over = sums.get(key, 0) + amount > limit
                takes.append((key, amount, None))
            if over:
                result.refused += 1
                result.by_subject[", ".join(value for _, value in subject) or "all"] += 1
                refused = refused or rule.enforce
        if refused:
            continue
        for key, taken, moment in takes:
            if moment is None:
                sums[key] = sums.get(key, 0) + taken
            else:
                buckets[key] = taken, moment
    return found


def _time(record: Mapping[str, Any]) -> float:
    for name in ("time", "ts", "started", "timestamp", "started_at"):
        value = record.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value) / (1000 if value > 10**11 else 1)
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
            except ValueError:
                continue
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    raise ValueError("a record has no time: expected `time`, in seconds since the epoch or ISO 8601")


def _asker(record: Mapping[str, Any]) -> Asker:
    def text(*names: str) -> str:
        return next((str(record[name]) for name in names if record.get(name)), "")

    name = text("key", "caller")
    labels = record.get("labels")
    principal = Principal(
        name, name, text("source"), text("user", "user_id") or None, text("team") or None, text("org") or None,
        labels if isinstance(labels, dict) else {},
    )  # fmt: skip
    model = text("model", "asked", "requested_model", "model_requested")
    known = name or principal.user or principal.team or principal.org or principal.labels
    return Asker(
        principal if known else None,
        text("ip", "client_ip") or "unknown",
        text("project") or "default",
        model,
        text("provider"),
        text("operation") or "generate",
    )


def _amount(rule: Rule, record: Mapping[str, Any]) -> int | None:
    inputs, outputs = record.get("input_tokens"), record.get("output_tokens")
    cost = record.get("cost", record.get("cost_usd"))
    match rule.measure:
        case "requests":
            return 1
        case "inputTokens":
            return None if inputs is None else int(inputs)
        case "outputTokens":
            return None if outputs is None else int(outputs)
        case "tokens":
            return None if inputs is None and outputs is None else int(inputs or 0) + int(outputs or 0)
    return None if cost is None else -(-int(float(cost) * NANO * 1000) // 1000)
