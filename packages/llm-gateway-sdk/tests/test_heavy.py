"""Which bodies are heavy, how many values they have, and work aside."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import random
import threading
import weakref

import pytest

from llm_gateway_sdk import (
    Choice,
    Headers,
    HTTPRequest,
    LLMRequest,
    LLMResponse,
    Message,
    Payload,
    RequestContext,
    TextPart,
    WireReply,
    heavy,
)
from llm_gateway_sdk.context import Engine
from llm_gateway_sdk.heavy import (
    LIGHT_BYTES,
    free_aside,
    has_more_items,
    is_heavy,
    is_heavy_exchange,
    is_long,
    may_have_more_items,
    run_aside,
)


def items(value: object) -> int:
    """As `has_more_items` counts: the signs outside of strings."""
    text, count, in_string, escaped = json.dumps(value), 0, False, False
    for sign in text:
        if in_string:
            in_string = escaped or sign != '"'
            escaped = not escaped and sign == "\\"
        elif sign == '"':
            in_string = True
        else:
            count += sign in ",:{["
    return count


DENSE = [
    [1] * 500, [[]] * 500, [{}] * 500, [[[[[]]]]] * 100, {str(number): [] for number in range(300)},
    [{"": {"": 0}}] * 90,
]  # fmt: skip


@pytest.mark.parametrize("value", DENSE, ids=["numbers", "lists", "objects", "nested", "names", "empty"])
def test_no_text_has_more_values_than_its_length_allows(value: object) -> None:
    body = json.dumps(value, separators=(",", ":")).encode()
    count = items(value)

    assert 3 * count <= 2 * len(body)
    assert may_have_more_items(body, count - 1)
    assert not may_have_more_items(body, count)


@pytest.mark.parametrize("seed", range(20))
def test_values_are_counted_and_signs_in_strings_are_not(seed: int) -> None:
    chance = random.Random(seed)
    letters = '\\",{[]}:a'
    value = [
        {"".join(chance.choices(letters, k=9)): ["".join(chance.choices(letters, k=chance.randrange(60)))] * 3}
        for _ in range(6000)
    ]
    body = json.dumps(value).encode()
    count = items(value)

    assert len(body) > 1 << 19  # more than one slice
    assert has_more_items(body, count - 1)
    assert not has_more_items(body, count)


@pytest.mark.parametrize("sign", ["\\", '"', ",", ":", "[", "{"])
def test_a_long_text_of_signs_is_one_value(sign: str) -> None:
    body = json.dumps({"text": sign * 700_001, "more": [1, 2]}).encode()

    assert not has_more_items(body, 6)
    assert has_more_items(body, 5)


def exchange(body: bytes = b"{}") -> RequestContext:
    asked = HTTPRequest("POST", "/v1/chat/completions", "", Headers(), body)
    return RequestContext(request_id="r1", request=Payload(LLMRequest), http_request=asked)


def test_an_exchange_is_heavy_by_its_request_its_reply_or_what_was_streamed() -> None:
    many = b"[" + b"1," * LIGHT_BYTES
    answered, streamed = exchange(), exchange()
    assert not is_heavy_exchange(answered)
    assert is_heavy_exchange(exchange(many))

    answered.upstream_response = WireReply(200, Headers(), many)
    assert is_heavy_exchange(answered)

    for number in range(1000):
        Engine.accumulate(streamed, LLMResponse(choices=[Choice(number, Message("assistant", [TextPart("a")]))]))
    assert is_heavy_exchange(streamed)


def test_heavy_is_what_is_long_or_has_many_values() -> None:
    assert not is_heavy(b"[" + b"," * (LIGHT_BYTES - 1))
    assert is_heavy(b"[" + b"1," * LIGHT_BYTES)
    assert not is_heavy(b'"' + b"a" * 100_000 + b'"')
    assert is_heavy(b'"' + b"a" * (1 << 20) + b'"')


def test_work_aside_is_done_in_one_other_thread_with_the_context_of_its_caller() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")

    async def main() -> set[tuple[str, int]]:
        name.set("mine")
        return set(await asyncio.gather(*(run_aside(lambda: (name.get(), threading.get_ident())) for _ in range(5))))

    (found,) = asyncio.run(main())

    assert found[0] == "mine"
    assert found[1] != threading.get_ident()


def test_what_work_aside_raises_is_raised() -> None:
    async def main() -> None:
        await run_aside(int, "seven")

    with pytest.raises(ValueError, match="seven"):
        asyncio.run(main())


def test_full_collections_are_put_off_while_there_is_heavy_work_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heavy, "_QUIET_SECONDS", 0.05)
    gc.set_threshold(700, 10, 10)
    monkeypatch.setattr(heavy, "_full_collections", heavy._FullCollections())
    usual = gc.get_threshold()

    async def main() -> tuple[int, int, int]:
        await run_aside(int)
        meanwhile = gc.get_threshold()
        await asyncio.sleep(0.2)
        return meanwhile

    meanwhile = asyncio.run(main())

    assert meanwhile[0] == usual[0]
    assert meanwhile[2] > 1_000_000
    assert gc.get_threshold() == usual


def test_heavy_work_that_does_not_end_leaves_no_circles_once_the_memory_has_grown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heavy, "_QUIET_SECONDS", 0.02)
    monkeypatch.setattr(heavy, "_full_collections", heavy._FullCollections())
    resident = iter([10, 10, *[heavy._MOST_GROWTH + 10] * 1000])
    monkeypatch.setattr(heavy, "_resident_bytes", lambda: next(resident))

    class Circle:
        def __init__(self) -> None:
            self.itself = self

    circle = Circle()
    gone = weakref.ref(circle)
    gc.collect()
    del circle

    async def main() -> None:
        until = asyncio.get_running_loop().time() + 20
        while gone() is not None and asyncio.get_running_loop().time() < until:
            await run_aside(int)

    asyncio.run(main())

    assert gone() is None


def test_long_bodies_are_known_by_their_length() -> None:
    assert not is_long(b" " * (512 * 1024))
    assert is_long(b" " * (512 * 1024 + 1))


class _Part:
    pass


def test_what_many_parts_have_left_is_freed_in_the_thread_when_it_is_used_no_more() -> None:
    freed: list[str] = []

    async def main() -> None:
        await run_aside(int)
        held = [_Part() for _ in range(100)]
        last = weakref.ref(held[-1], lambda _: freed.append(threading.current_thread().name))
        free_aside(held)
        await asyncio.sleep(0.15)
        assert last() is not None, "it is in use"
        del held
        async with asyncio.timeout(5):
            while last() is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    asyncio.run(main())

    assert freed
    assert freed[0].startswith("heavy")


def test_so_is_each_of_several_results_that_are_taken_apart_at_once() -> None:
    freed: list[str] = []

    def work() -> tuple[list[_Part], list[_Part]]:
        return [_Part() for _ in range(100)], [_Part() for _ in range(100)]

    async def main() -> None:
        first, second = await run_aside(work)
        last = [
            weakref.ref(each[-1], lambda _: freed.append(threading.current_thread().name)) for each in (first, second)
        ]
        await asyncio.sleep(0.3)
        del first, second
        async with asyncio.timeout(5):
            while any(ref() is not None for ref in last):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    asyncio.run(main())

    assert [name[:5] for name in freed] == ["heavy", "heavy"]
