"""What the plugin adds to the administration API: limits, their state, overrides, refusals, sums of the ledger."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from llm_gateway_sdk import LogEvent, Store
from llm_gateway_sdk.admin import AdminCall, AdminError, AdminParameter, AdminReply, AdminRoute

from .admin_queries import moment_in, number_in, size_in
from .admin_schemas import (
    EVENT,
    LEDGER,
    LEDGER_QUERY,
    LIMIT,
    NEW_OVERRIDE,
    OVERRIDE,
    PAGING,
    STATE,
    STATE_QUERY,
    page_of,
)
from .overrides import LiveRules, OverrideBook, UnknownOverride
from .reporting import fullness, state_of, used_of
from .rules import Rule
from .usage_admin import usage_routes

__all__ = ["limit_routes"]


def limit_routes(
    store: Store, rules_of: Callable[[], Sequence[Rule]], counts_usage: Callable[[], bool] = lambda: False
) -> list[AdminRoute]:
    """The routes for limits whose counters are in `store`; `rules_of` gives those of all projects. Of several of one
    name, which count together, one is shown. `counts_usage` is whether usage is added up in any project."""
    api = _Limits(store, rules_of)
    one = "/limits/overrides/{id}"
    of_limit = AdminParameter("name", "Only this limit.")
    kind = AdminParameter("kind", "Only such events.", {"enum": ["refused", "shadow"], "type": "string"})
    return [
        AdminRoute(
            method="GET", path="/limits", name="listLimits",
            summary="How much of each limit is used, by whom: settled, open and left in the present window.",
            role="viewer", handler=api.state, gives=page_of(STATE), query=STATE_QUERY,
        ),
        AdminRoute(
            method="GET", path="/limits/rules", name="listLimitRules", summary="The limits of the configuration.",
            role="viewer", handler=api.limits, gives=page_of(LIMIT),
        ),
        AdminRoute(
            method="GET", path="/limits/events", name="listLimitEvents",
            summary="Refusals, and what shadow limits would have refused, oldest first.", role="viewer",
            handler=api.events, gives=page_of(EVENT), query=(*PAGING, of_limit, kind),
        ),
        AdminRoute(
            method="GET", path="/limits/overrides", name="listOverrides", summary="Overrides made at run time.",
            role="viewer", handler=api.overrides, gives=page_of(OVERRIDE), query=PAGING,
        ),
        AdminRoute(
            method="POST", path="/limits/overrides", name="createOverride",
            summary="Gives a subject of a limit another amount, until a time or permanently.", role="admin",
            handler=api.create, takes=NEW_OVERRIDE, gives=OVERRIDE, status=201, versioned=True,
        ),
        AdminRoute(
            method="GET", path=one, name="getOverride", summary="One override.", role="viewer", handler=api.show,
            gives=OVERRIDE, versioned=True,
        ),
        AdminRoute(
            method="DELETE", path=one, name="deleteOverride", summary="Ends an override at once.", role="operator",
            handler=api.delete, status=204, versioned=True,
        ),
        AdminRoute(
            method="GET", path="/ledger", name="getLedger",
            summary="Sums of the ledger, grouped by limit, measure, window or what limits count per.", role="viewer",
            handler=api.ledger, gives=page_of(LEDGER), query=LEDGER_QUERY,
        ),
        *usage_routes(store, counts_usage),
    ]  # fmt: skip


class _Limits:
    def __init__(self, store: Store, rules_of: Callable[[], Sequence[Rule]]) -> None:
        self._store = store
        self._rules_of = rules_of
        self._book = OverrideBook(store)

    async def limits(self, call: AdminCall) -> AdminReply:
        return AdminReply({"items": [_rule_shown(rule) for rule in self._rules_of()], "next": None})

    async def state(self, call: AdminCall) -> AdminReply:
        live = LiveRules(self._rules_of(), self._store)
        await live.load()
        name, subject = call.query.get("limit"), call.query.get("subject")
        rules = [rule for rule in live.rules if name in (None, rule.name)]
        rows = [row for row in await state_of(rules, self._store) if subject is None or _is(row["subject"], subject)]
        if call.query.get("order") == "fullest":
            rows.sort(key=fullness, reverse=True)
        first, size = number_in(call, "after", 0), size_in(call, "size", 1000)
        following = str(first + size) if len(rows) > first + size else None
        return AdminReply({"items": rows[first : first + size], "next": following})

    async def events(self, call: AdminCall) -> AdminReply:
        size, cursor = size_in(call, "limit", 100), call.cursor
        name, kind = call.query.get("name"), call.query.get("kind")
        found: list[LogEvent] = []
        async for each in _events(self._store, "limits", cursor):
            if name in (None, each.event.get("limit")) and kind in (None, each.event.get("kind")):
                found.append(each)
                if len(found) == size:
                    break
        following = found[-1].cursor if len(found) == size else None
        items = [{"cursor": each.cursor, "at": each.at, "event": dict(each.event)} for each in found]
        return AdminReply({"items": items, "next": following})

    async def overrides(self, call: AdminCall) -> AdminReply:
        size = size_in(call, "limit", 100)
        page = await self._book.page(after=call.query.get("after", ""), limit=size)
        following = page[-1][0].id if len(page) == size else None
        return AdminReply({"items": [each.public() for each, _ in page], "next": following})

    async def create(self, call: AdminCall) -> AdminReply:
        rule = next((each for each in self._rules_of() if each.name == call.body["limit"]), None)
        if rule is None:
            raise AdminError(422, f"There is no limit {call.body['limit']}.")
        until = call.body.get("until")
        if until is not None and until <= time.time():
            raise AdminError(422, "`until` is in the past.")
        try:
            made = await self._book.create(rule, call.body, by=call.by, source=call.address)
        except ValueError as error:
            raise AdminError(422, str(error)) from None
        _, version = await self._book.get(made.id)
        return AdminReply(made.public(), 201, version)

    async def show(self, call: AdminCall) -> AdminReply:
        try:
            found, version = await self._book.get(call.path["id"])
        except UnknownOverride:
            raise AdminError(404, f"There is no override {call.path['id']}.") from None
        return AdminReply(found.public(), version=version)

    async def delete(self, call: AdminCall) -> AdminReply:
        try:
            await self._book.delete(call.path["id"], expected=call.version, by=call.by, source=call.address)
        except UnknownOverride:
            raise AdminError(404, f"There is no override {call.path['id']}.") from None
        return AdminReply(status=204)

    async def ledger(self, call: AdminCall) -> AdminReply:
        since, until = moment_in(call, "since", 0.0), moment_in(call, "until", float("inf"))
        by = [each for each in call.query.get("by", "counter").split(",") if each]
        wanted = {name: call.query[name] for name in ("name", "measure", "window") if name in call.query}
        subject = call.query.get("subject")
        sums: dict[tuple[tuple[str, str], ...], dict[str, int]] = defaultdict(lambda: dict.fromkeys(_SUMS.values(), 0))
        async for each in _events(self._store, "ledger", ""):
            if not since <= each.at < until:
                continue
            for kind, name in _SUMS.items():
                for key, amount in (each.event.get(kind) or {}).items():
                    charged = used_of(key, amount)
                    if any(charged[part] != value for part, value in wanted.items()):
                        continue
                    if subject is not None and not _is(charged["subject"], subject):
                        continue
                    sums[_group(charged, by)][name] += charged["amount"]
        items = [{**_unpacked(group), **sums[group]} for group in sorted(sums)]
        return AdminReply({"items": items, "next": None})


_SUMS = {"charges": "amount", "partial": "partial", "estimated": "estimated"}
"""What is added up of the events of the ledger, and under which names."""


def _group(charged: Mapping[str, Any], by: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What a charge is counted under. Amounts of two limits or measures are never added up: one request is charged to
    every limit that applies."""
    found = [("limit", charged["name"]), ("measure", charged["measure"])]
    for dimension in by:
        if dimension == "counter":
            found.append(("key", charged["key"]))
        if dimension in ("window", "counter"):
            found += [("window", charged["window"]), ("begins", charged["begins"])]
        if dimension in ("subject", "counter"):
            found += [(f"subject.{name}", value) for name, value in charged["subject"].items()]
        elif dimension in charged["subject"]:
            found.append((f"subject.{dimension}", charged["subject"][dimension]))
    return tuple(found)


def _unpacked(group: Sequence[tuple[str, str]]) -> dict[str, Any]:
    shown: dict[str, Any] = {"subject": {}}
    for name, value in group:
        if name.startswith("subject."):
            shown["subject"][name.removeprefix("subject.")] = value
        else:
            shown[name] = value
    return shown


def _rule_shown(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "measure": rule.measure,
        "amount": rule.amount,
        "window": rule.window.name,
        "per": list(rule.per),
        "mode": "enforce" if rule.enforce else "shadow",
        "onStoreDown": rule.on_store_down,
        "onExceed": "queue" if rule.queue else "refuse",
        "place": rule.place,
    }


def _is(subject: Mapping[str, str], wanted: str) -> bool:
    dimension, separator, value = wanted.partition("=")
    if not separator:
        raise AdminError(400, "`subject` is written as `team=research`.")
    return subject.get(dimension) == value


async def _events(store: Store, name: str, cursor: str) -> AsyncIterator[LogEvent]:
    while page := await store.read_since(name, cursor, limit=1000):
        for each in page:
            yield each
        cursor = page[-1].cursor
