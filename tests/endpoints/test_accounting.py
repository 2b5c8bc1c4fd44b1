"""Every route, dialect, way and outcome: begun once, ended once, and one line in the ledger with the right tokens.

All requests go through one gateway, one after another; each test looks at its own outcome.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest
from accounting import (
    ANSWERED,
    CASES,
    REPORTED,
    SPENT_STATUSES,
    UNHEARD,
    Case,
    Provider,
    adapters,
    models_of,
    request_of,
    rests_on_a_file,
)
from books import INPUT_PRICE, KEY, OUTPUT_PRICE, SPENT, Book, settings
from loopback import Client, Gateway, Reply, gateway, run, until, upstream

from llm_gateway_sdk import Operation
from llm_gateway_sdk.estimate import estimate_text
from llm_gateway_sdk.metering import weaker


@dataclass(slots=True)
class Found:
    """What became of one case."""

    reply: Reply | None = None
    hooks: list[Any] = field(default_factory=list)
    lines: list[dict[str, int]] = field(default_factory=list)
    """Of the ledger: by measure what was charged."""
    calls: int = 0
    sent: bytes = b""


async def everything(folder: Path) -> dict[str, Found]:
    """What became of each case, by its name."""
    provider = Provider()
    async with upstream(provider) as up, gateway(settings(folder, models_of(up.url))) as served:
        book = Book(served)
        burnt = await served.ask({"model": "chat", "messages": []}, headers={"authorization": f"Bearer {SPENT}",
                                 "x-case": "burnt", "x-outcome": "refused"})  # fmt: skip
        assert burnt.status == 400, "the one request of the limit 'spent'"
        found = {}
        for case in CASES:
            found[str(case)] = await one(served, provider, book, case)
        await served.supervisor.drain(2)
        seen = served.plugin.seen
        for name, each in found.items():
            each.hooks = seen.get(name, [])
        await book.read()
        for each in found.values():
            for hook in each.hooks:
                if hook[0] == "before":
                    each.lines = book.lines.get(hook[1], [])
        return found


async def one(served: Gateway, provider: Provider, book: Book, case: Case) -> Found:
    found = Found()
    path = await prepared(served, provider, case)
    body, headers = request_of(case)
    key = {"stranger": "unknown", "over the limit": SPENT}.get(case.outcome, KEY)
    headers |= {"authorization": f"Bearer {key}", "x-case": str(case), "x-outcome": case.outcome}
    headers["x-target"] = case.target
    provider.expect(case.outcome)
    body = body.replace(b"{id}", path.partition("#")[2].encode())
    path = path.partition("#")[0]
    method = "POST" if case.route.method == "*" else case.route.method
    client = await served.connect()
    await client.send(method, path, body, headers)
    if case.outcome.startswith("client left") and case.reaches_a_provider:
        await leave(client, provider, case)
    else:
        found.reply = await client.reply()
        client.close()
    # Who has seen that a batch has ended asks its provider for the results in the background: not in the next case.
    await until(lambda: not looked_at(), 10)
    found.calls, found.sent = provider.calls, provider.sent
    if case.outcome != "stranger" and case.route.operation != "models":
        await until(lambda: len(served.plugin.seen.get(str(case), ())) >= 2, 5)
    return found


def looked_at() -> list[str]:
    """Batches at which this process is looking."""
    running = (str(task.get_coro()) for task in asyncio.all_tasks())
    return [name for name in running if "Settler.now" in name]


async def leave(client: Client, provider: Provider, case: Case) -> None:
    """Goes once the reply is under way."""
    async with asyncio.timeout(5):
        await provider.waiting.wait()
    if case.stream:
        await client.head()
        await client.read_chunk()
    await asyncio.sleep(0.015)
    client.abort()


async def prepared(served: Gateway, provider: Provider, case: Case) -> str:
    """The path, with the id of a file or batch that was made for this case; what a body rests on follows a `#`."""
    route, path = case.route, case.path
    form = route.form
    rests = rests_on_a_file(case)
    if route.operation not in ("file", "batch") or not ("{id}" in path or rests):
        return path.replace("{id}", "none_1")
    provider.expect("ok")
    headers = {"authorization": f"Bearer {KEY}", "x-case": "prepared", "x-outcome": "ok"}
    made = ""
    if form is not None and (route.operation == "file" or rests):
        creating = next(
            each for each in CASES if each.adapter == case.adapter and each.route.operation == "file"
            and each.route.method == "POST"
        )  # fmt: skip
        made = await created(served, creating, headers, "")
    if route.operation == "batch" and "{id}" in path:
        creating = next(
            each for each in CASES if each.adapter == case.adapter and each.route.operation == "batch"
            and each.route.method == "POST" and "{id}" not in each.route.path
        )  # fmt: skip
        made = await created(served, creating, headers, made)
    return path.replace("{id}", made) + f"#{made}"


async def created(served: Gateway, case: Case, headers: dict[str, str], rests_on: str) -> str:
    body, kind = request_of(case)
    reply = await served.ask(body.replace(b"{id}", rests_on.encode()), path=case.path, headers={**headers, **kind})
    assert reply.status == 200, (str(case), reply.body)
    made = reply.json.get("file", reply.json)
    return str(made.get("id") or made["name"].partition("/")[2])


# What is judged.

FREE = ("models", "stored", "count_tokens", "file")
"""Operations that use no tokens."""
OF_VENDORS = {"image": (5, 7), "rerank": None, "moderate": None, "transcribe": None, "speech": None}
"""What `vendors.py` reports by operation; None where its reply has no counts."""


def reported(case: Case) -> tuple[int, int | None] | None:
    """What the provider has reported of a request that it has answered."""
    operation = case.route.operation
    if operation == "generate":
        return REPORTED
    if operation == "embed":
        return None if case.target == "gemini" else (2, 0)
    if operation == "image" and case.target == "gemini":
        return None
    if operation == "image" and "edits" in case.route.path:
        return None
    return OF_VENDORS.get(operation)


def words_in(data: bytes) -> float:
    """Estimated tokens of what a cut stream had in it: each piece of the text has a number."""
    return sum(estimate_text(f"{word.decode()}even more of it ") for word in set(re.findall(rb"word\d\d", data)))


def assert_tokens(case: Case, found: Found) -> None:
    [line] = found.lines
    _, metrics, _, _ = found.hooks[1]
    used = (line["inputTokens"], line["outputTokens"])
    assert line["requests"] == 1
    if case.route.operation == "native":
        asked = case.outcome in ("ok", "watched", "cut", "client left")
        assert line["cost"] == (1_000_000 if asked else 0), "by its path"
        return
    assert used == (metrics.input_tokens or 0, metrics.output_tokens or 0), "the same in metrics and ledger"
    assert line["cost"] == used[0] * INPUT_PRICE + used[1] * OUTPUT_PRICE
    assert_marked(line, metrics)
    if case.outcome in ("refused", "cached", "error") or case.route.operation in FREE:
        assert used == (0, 0), "nothing was used"
    elif case.outcome in ANSWERED:
        assert_answered(case, found, used)
    else:
        assert used[0] > 0, "it was sent"
        assert metrics.input_precision in ("exact", "estimated")
        assert used[0] == REPORTED[0] if metrics.input_precision == "exact" else used[0] < REPORTED[0]
        came = words_in(found.sent) if case.stream else 0
        assert 0.5 * came <= used[1] <= 2 * came + 5, "what came, and not what a whole reply would have been"
        if came:
            assert metrics.output_precision == "estimated"


def assert_marked(line: dict[str, int], metrics: Any) -> None:
    """The ledger has of each charge how well it is known: as the counts of the request are."""
    known = {"requests": "exact", "inputTokens": metrics.input_precision, "outputTokens": metrics.output_precision}
    known["cost"] = weaker(*(known[name] for name in ("inputTokens", "outputTokens")))
    for measure, precision in known.items():
        for mark in ("partial", "estimated"):
            expected = line[measure] if precision == mark else 0
            assert line.get(f"{measure} {mark}", 0) == expected, f"{measure} is {precision}"


def assert_answered(case: Case, found: Found, used: tuple[int, int]) -> None:
    _, metrics, attempts, _ = found.hooks[1]
    counts = reported(case)
    if counts is None:
        assert used[0] > 0
        assert metrics.input_precision == "estimated"
    else:
        assert used == counts
        assert metrics.input_precision == "exact"
        assert metrics.output_precision == ("exact" if counts[1] else None)
    assert len(attempts) == (2 if case.outcome == "fallback" else 1)


@pytest.fixture(scope="module")
def everything_found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    return run(everything(tmp_path_factory.mktemp("accounting")), seconds=300)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_request_is_on_the_books_once(everything_found: dict[str, Found], case: Case) -> None:
    found = everything_found[str(case)]
    hooks = [hook[0] for hook in found.hooks]
    if case.outcome == "stranger":
        assert found.reply is not None
        assert found.reply.status in (401, 429)
        assert (hooks, found.lines, found.calls) == ([], [], 0)
        return
    assert hooks == ["before", "after"]
    assert found.hooks[0][1] == found.hooks[1][3], "both of one request"
    if case.outcome in ("over the limit", "refused", "cached") or not case.reaches_a_provider:
        assert found.calls == 0, "nothing went out"
    if case.outcome == "over the limit":
        assert found.reply is not None
        assert found.reply.status in SPENT_STATUSES
        assert found.reply.header("x-llm-gateway-limit") == "spent"
    if case.outcome == "over the limit" or case.route.operation == "models":
        assert found.lines == []
        return
    if case.route.operation == "batch":
        # The request is a line; what the batch uses is another, at its end: that is in the tests of batches.
        assert [line["requests"] for line in found.lines] in ([1], [1, 0]), f"of {found.reply}"
        return
    assert len(found.lines) == 1, f"one line, of {found.reply}"
    assert_tokens(case, found)


def test_every_operation_is_in_the_matrix() -> None:
    covered = {case.route.operation for case in CASES}

    assert covered | UNHEARD == set(get_args(Operation))
    assert all(any(each.adapter == name for each in CASES) for name in adapters())
