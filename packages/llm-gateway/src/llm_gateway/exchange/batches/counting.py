"""What the results of a batch report to have used, added up by model while they come, line by line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import fields

from llm_gateway_sdk import Dialect, DialectError, HTTPReply, Mint, ModelProtocolError, Prices, Usage
from llm_gateway_sdk.batch_share import BatchShare
from llm_gateway_sdk.dialect import Headers, WireReply
from llm_gateway_sdk.heavy import run_aside
from llm_gateway_sdk.metering import MOST_TOKENS
from llm_gateway_sdk.operations.batch import BatchAPI, BatchResult
from llm_gateway_sdk.wire import json

from ..usage import usage_in_body

__all__ = ["Tally", "blocks_of"]

_BLOCK = 256 * 1024
"""Bytes of lines that are worked on at a time."""


async def blocks_of(reply: HTTPReply, most: int) -> AsyncIterator[list[bytes]]:
    """The lines of a body that are not blank, some at a time, however large the body is. Raises ModelProtocolError for
    one of more than `most` bytes, and what `receive` raises."""
    rest, lines, size = bytearray(), list[bytes](), 0
    while data := await reply.receive():
        end = data.rfind(b"\n")
        if end < 0:
            rest += data
            if len(rest) > most:
                raise ModelProtocolError("A line of the batch's results is too long.")
            continue
        rest += data[:end]
        size += len(rest)
        lines += [line for line in bytes(rest).split(b"\n") if line.strip()]
        rest = bytearray(data[end + 1 :])
        if size >= _BLOCK and lines:
            yield lines
            lines, size = [], 0
    if rest.strip():
        lines.append(bytes(rest))
    if lines:
        yield lines


class Tally:
    """Adds up. `shares` are the models of the lines, by whose names replies are attributed, and `prices` theirs, where
    known. Lines on different sides of a threshold for long inputs are not added up: what they cost follows from it."""

    def __init__(
        self,
        api: BatchAPI,
        shares: Sequence[BatchShare],
        dialects: Mapping[str, Dialect],
        mint: Mint,
        prices: Sequence[Prices | None] = (),
    ) -> None:
        self._api = api
        self._shares = list(shares)
        self._dialects = dialects
        self._mint = mint
        self._prices = prices
        self.used: dict[tuple[int, int], Usage] = {}
        """By the position of the share, and the threshold that the lines have passed."""

    @property
    def by_lines(self) -> bool:
        """Whether each line is to be looked at: there are several models, or a price for long inputs."""
        return len(self._shares) > 1 or any(self._threshold(place, MOST_TOKENS) for place in range(len(self._prices)))

    def _threshold(self, position: int, input_tokens: int) -> int:
        prices = self._prices[position] if position < len(self._prices) else None
        return prices.threshold(input_tokens) if prices is not None else 0

    async def take(self, reply: HTTPReply, most: int) -> None:
        async for lines in blocks_of(reply, most):
            await run_aside(self.add, lines)

    def add(self, lines: Sequence[bytes]) -> None:
        """What is not a result of this API is left out: nothing is booked that is not known."""
        for line in lines:
            try:
                result = self._api.decode_result(line)
            except DialectError:
                continue
            if result is not None and result.kind == "succeeded" and result.body is not None:
                usage = self._usage(result)
                if usage is not None:
                    self._add(self._share_of(str(result.body.get("model") or "")), usage)

    def take_whole(self, usage: Usage) -> None:
        """What the provider reports for all lines together."""
        usage.service_tier = "batch"
        self.used = {(0, 0): usage}

    def _usage(self, result: BatchResult) -> Usage | None:
        if (used := self._api.used_by(result)) is not None:
            return used
        dialect = self._dialects.get(self._api.dialect_of(result))
        body = json.dumps(result.body)
        if dialect is not None:
            wire = WireReply(200, Headers.of([("content-type", "application/json")]), body)
            try:
                return dialect.decode_response(wire, self._mint).usage
            except (DialectError, ValueError):
                pass
        return usage_in_body(body, body)

    def _share_of(self, name: str) -> int:
        """Replies name a model with its date, requests often without it or with a word in its place (`-latest`): it is
        the one whose name is all of the beginning, else the one with the longest beginning in common."""
        likeness = [
            (name.startswith(share.provider_model), _in_common(name, share.provider_model)) for share in self._shares
        ]
        return likeness.index(max(likeness))

    def _add(self, position: int, usage: Usage) -> None:
        key = position, self._threshold(position, usage.input_tokens or 0)
        known = self.used.get(key)
        if known is None:
            known = self.used[key] = Usage(0, 0, service_tier="batch", requests=0)
        known.requests += 1
        for name in _COUNTS:
            more = getattr(usage, name)
            if more is not None:
                setattr(known, name, (getattr(known, name) or 0) + more)
        for kind, calls in (usage.tool_calls or {}).items():
            known.tool_calls = {**(known.tool_calls or {}), kind: (known.tool_calls or {}).get(kind, 0) + calls}


def _in_common(a: str, b: str) -> int:
    """How many characters two names begin with alike."""
    differing = (place for place, (one, other) in enumerate(zip(a, b, strict=False)) if one != other)
    return next(differing, min(len(a), len(b)))


_COUNTS = tuple(each.name for each in fields(Usage) if each.name.endswith("_tokens"))
