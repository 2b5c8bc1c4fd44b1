"""Uploads in several requests: who may go on with one, and in which order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from llm_gateway_gemini.batch_forms import GeminiFiles

from llm_gateway.exchange.batches.intake import take_owned
from llm_gateway.exchange.batches.listing import list_belongings
from llm_gateway.exchange.batches.ownership import id_of, mine
from llm_gateway.exchange.batches.uploads import finds_upload, recognise_upload, serve_kept
from llm_gateway.exchange.belongings import PIECE_BYTES, Belongings
from llm_gateway.exchange.services import new_id
from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import GatewayError, Headers, InvalidRequest, NotFound, Principal, WireReply, WireRequest
from llm_gateway_sdk.dialect import Mint
from llm_gateway_sdk.operations.owned import Role
from llm_gateway_sdk.wire import json

LINE = b'{"key": "a", "request": {"contents": []}}\n'
START = {"x-goog-upload-command": "start", "x-goog-upload-header-content-type": "jsonl", "host": "gateway"}
LAST = {"x-goog-upload-command": "upload, finalize"}


class Asked:
    """As much of a `ClientRequest` as files need."""

    def __init__(self, belongings: Belongings, role: Role, wire: WireRequest, who: str | None) -> None:
        named = dict(wire.headers.items)
        self.wire = wire
        self.upload: Any = None
        self.ctx: Any = _Any(
            principal=None if who is None else Principal(id=who, name=who, source="test"), caller=None,
            http_request=_Any(path="/gemini" + wire.path, headers=named, raw_headers=wire.headers),
        )  # fmt: skip
        self.project = _Any(belongings=belongings)
        self.adapter = _Any(name="gemini")
        self.route = _Any(form=GeminiFiles(role))
        self.chain = _Any(authentication=[])
        self.services = _Any(mint=Mint(new_id, lambda: 1), max_batch_items=1_000_000)

    async def replace_body(self, body: bytes) -> None:
        self.wire.body = body

    async def work(self, work: Callable[..., Any], *args: Any) -> Any:
        return work(*args)


class _Any:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def belongings() -> Belongings:
    store = MemoryStore()
    return Belongings(lambda: store, "p")


async def send(
    belongings: Belongings, headers: dict[str, str], body: bytes = b"", query: str = "", who: str | None = "ann"
) -> WireReply:
    asked: Any = Asked(
        belongings, "create", WireRequest("POST", "/upload/files", query, Headers.of(list(headers.items())), body), who
    )
    if who is None:
        await recognise_upload(asked)
    await take_owned(asked)
    reply = await serve_kept(asked, asked.wire.body)
    assert reply is not None
    return reply


async def begin(belongings: Belongings) -> str:
    """The query of the upload's address."""
    reply = await send(belongings, START)
    address = str(reply.headers.get("x-goog-upload-url"))
    assert address.startswith("http://gateway/gemini/upload/files?upload_id=")
    return address.partition("?")[2]


async def named(belongings: Belongings, role: Role, name: str, who: str) -> Any:
    path = f"/files/{name}".rstrip("/")
    return Asked(belongings, role, WireRequest("GET", path), who)


def test_an_upload_ends_after_two_days(belongings: Belongings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        query, other = await begin(belongings), await begin(belongings)
        form, now = GeminiFiles("create"), time.time()
        monkeypatch.setattr(time, "time", lambda: now + 2 * 86_400 - 60)
        assert await finds_upload(belongings, "gemini", form, query, [])
        monkeypatch.setattr(time, "time", lambda: now + 2 * 86_400 + 60)
        assert not await finds_upload(belongings, "gemini", form, query, [])
        with pytest.raises(NotFound):
            await send(belongings, LAST, LINE, other)
        assert not await belongings.all("uploads", "gemini.upload"), "nothing is left of them"

    run(scenario())


def test_an_upload_goes_on_by_its_address_and_is_its_owners(belongings: Belongings) -> None:
    async def scenario() -> None:
        query = await begin(belongings)
        assert await finds_upload(belongings, "gemini", GeminiFiles("create"), query, [])
        assert not await finds_upload(belongings, "gemini", GeminiFiles("create"), "upload_id=guessed", [])
        reply = await send(belongings, LAST, LINE, query, who=None)
        name = json.loads(reply.body)["file"]["name"].removeprefix("files/")

        mine_: Any = await named(belongings, "read", name, "ann")
        assert id_of(mine_) == name
        assert (await mine(mine_, "file", name)).id == name
        listed = await list_belongings(await named(belongings, "list", "", "ann"))
        assert [file["name"] for file in json.loads(listed.body)["files"]] == [f"files/{name}"]
        content = await serve_kept(await named(belongings, "content", name, "ann"), b"")
        assert content is not None
        assert json.loads(content.body)["key"] == "a"
        with pytest.raises(NotFound):
            await serve_kept(await named(belongings, "read", name, "bob"), b"")
        assert json.loads((await list_belongings(await named(belongings, "list", "", "bob"))).body) == {"files": []}
        with pytest.raises(NotFound):
            await send(belongings, LAST, LINE, query, who=None)  # it is over

    run(scenario())


def test_another_caller_finds_no_upload(belongings: Belongings) -> None:
    async def scenario() -> None:
        query = await begin(belongings)
        with pytest.raises(NotFound):
            await send(belongings, {**LAST, "x-goog-api-key": "key-of-bob"}, LINE, query, who="bob")
        with pytest.raises(NotFound):
            await send(belongings, LAST, LINE, "upload_id=guessed", who=None)

    run(scenario())


def test_parts_come_in_their_order(belongings: Belongings) -> None:
    async def scenario() -> None:
        content = LINE * (PIECE_BYTES // len(LINE) + 1)
        content = content + b"\n" * (2 * PIECE_BYTES - len(content) % PIECE_BYTES)
        query, half = await begin(belongings), {"x-goog-upload-command": "upload"}
        for part, offset, reason in ((LINE, 0, "multiple"), (content, 7, "continues at byte 0")):
            with pytest.raises(InvalidRequest, match=reason):
                await send(belongings, {**half, "x-goog-upload-offset": str(offset)}, part, query)
        first = await send(belongings, {**half, "x-goog-upload-offset": "0"}, content[:PIECE_BYTES], query)
        assert first.headers.get("x-goog-upload-size-received") == str(PIECE_BYTES)
        asked = await send(belongings, {"x-goog-upload-command": "query"}, b"", query)
        assert asked.headers.get("x-goog-upload-size-received") == str(PIECE_BYTES)
        rest = {**LAST, "x-goog-upload-offset": str(PIECE_BYTES)}
        done = json.loads((await send(belongings, rest, content[PIECE_BYTES:], query)).body)
        assert done["file"]["sizeBytes"] != "0"

    run(scenario())


def test_an_upload_without_requests_is_over(belongings: Belongings) -> None:
    async def scenario() -> None:
        query = await begin(belongings)
        with pytest.raises(InvalidRequest, match="line 1"):
            await send(belongings, LAST, b"not JSON\n", query)
        with pytest.raises(NotFound):
            await send(belongings, LAST, LINE, query)
        query = await begin(belongings)
        await send(belongings, {"x-goog-upload-command": "cancel"}, b"", query)
        with pytest.raises(GatewayError):
            await send(belongings, LAST, LINE, query)

    run(scenario())
