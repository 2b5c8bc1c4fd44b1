"""What is kept, in the records of the store. Every record is found only under the caller that it belongs to.

responses/<project>/<owner>/r/<response id>   a response, its input, and what was before it
responses/<project>/<owner>/i/<item id>       which response holds the item
responses/<project>/<owner>/o/<id>            that a response or an item which its provider keeps is the owner's
responses/<project>/<owner>/c/<id>            a conversation with its items
responses/<project>/<owner>/turn/<id>         (a document) who is changing it
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_gateway_sdk import Store
from llm_gateway_sdk.heavy import LIGHT_BYTES, has_more_items, run_aside, run_by_size
from llm_gateway_sdk.store import StoreError
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.writable import writable

from .turns import Turns

__all__ = ["Bounds", "Conversation", "KeptResponse", "Shelf", "TooLarge"]


class TooLarge(Exception):
    """More than the configuration lets one record hold."""


@dataclass(slots=True)
class KeptResponse:
    response: dict[str, Any]
    """As it was sent."""
    input: list[Any]
    """The request's own items."""
    before: list[str] = field(default_factory=list)
    """The responses that it continues, oldest first."""
    at: float = 0.0
    """When it was written, in seconds since the epoch."""
    size: int = 0
    """Bytes of its record; 0 where it was not read from one."""

    @property
    def id(self) -> str:
        return str(self.response.get("id"))

    @property
    def output(self) -> list[Any]:
        output = self.response.get("output")
        return output if isinstance(output, list) else []


@dataclass(slots=True)
class Conversation:
    id: str
    created_at: int
    metadata: dict[str, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)
    size: int = 0
    """Bytes of its record; 0 where it was not read from one."""

    def shown(self) -> dict[str, Any]:
        """In the vendor's shape."""
        return {
            "id": self.id,
            "object": "conversation",
            "created_at": self.created_at,
            "metadata": self.metadata,
        }


def _written(record: KeptResponse | Conversation) -> bytes:
    """Raises TooLarge."""
    try:
        return json.dumps({name: getattr(record, name) for name in record.__slots__ if name != "size"})
    except RecursionError:
        raise TooLarge("it is nested too deeply") from None


@dataclass(frozen=True, slots=True)
class Bounds:
    record: int = 8 << 20
    """Bytes of one response with its input, or of one conversation."""
    read: int = 64 << 20
    """Bytes of what one request refers to, taken together: a request that names it is as large as if it held it."""
    items: int = 200_000
    """Values of a conversation, and of a request with what it refers to."""


class Shelf:
    """The records of one project. Its methods raise StoreError, and TooLarge where records are larger than allowed."""

    def __init__(self, open_store: Callable[[], Store], project: str, *, seconds: float, bounds: Bounds) -> None:
        self._open_store = open_store
        self._store: Store | None = None
        self._project = project
        self._seconds = seconds
        self._bounds = bounds
        self._turns = Turns(lambda: self.store)

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    # Responses.

    async def responses(self, owner: str, ids: Sequence[str]) -> dict[str, KeptResponse]:
        found = await self._read(owner, "r", ids)
        return {id_: KeptResponse(**value) for id_, value in found.items()}

    async def response(self, owner: str, id_: str) -> KeptResponse | None:
        return (await self.responses(owner, [id_])).get(id_)

    async def items(self, owner: str, ids: Sequence[str]) -> dict[str, Any]:
        """Output items by id, of those that are known."""
        if not ids:
            return {}
        holders = await self._read(owner, "i", ids)
        if not holders:
            return {}
        kept = await self.responses(owner, list(dict.fromkeys(holders.values())))
        wanted = set(ids)
        return {
            item["id"]: item
            for response in kept.values()
            for item in response.output
            if isinstance(item, dict) and item.get("id") in wanted
        }

    async def keep(self, owner: str, kept: KeptResponse, *, aside: bool = False) -> None:
        """`aside`: it may be large, and is written in the thread for heavy bodies. Raises TooLarge."""
        kept.at = time.time()
        value = await run_aside(_written, kept) if aside else _written(kept)
        if len(value) > self._bounds.record:
            raise TooLarge(f"{len(value)} bytes")
        holder = json.dumps(kept.id)
        records = {self._key(owner, "r", kept.id): value}
        for item in kept.output:
            if isinstance(item, dict) and isinstance(item.get("id"), str):
                records[self._key(owner, "i", item["id"])] = holder
        await self.store.keep(records, self._seconds)

    async def mark(self, owner: str, response: Mapping[str, Any]) -> None:
        """Remembers whose a response is, and its items, that its provider keeps."""
        output = response.get("output")
        each = [response, *(output if isinstance(output, list) else [])]
        ids = [item["id"] for item in each if isinstance(item, dict) and isinstance(item.get("id"), str)]
        if ids:
            await self.store.keep({self._key(owner, "o", id_): b"1" for id_ in ids}, self._seconds)

    async def marked(self, owner: str, ids: Sequence[str]) -> frozenset[str]:
        """Those of the ids that `mark` has remembered."""
        return frozenset(await self._read(owner, "o", ids))

    async def refresh(self, owner: str, kept: Sequence[KeptResponse]) -> None:
        """Lets those last anew whose time is half over: a conversation that goes on keeps its beginning. One that was
        deleted since it was read does not come back."""
        now = time.time()
        for each in kept:
            if now - each.at > self._seconds / 2:
                async with self._turns.turn(self._key(owner, "turn", each.id)):
                    if await self.response(owner, each.id) is not None:
                        await self.keep(owner, each)

    async def forget_response(self, owner: str, kept: KeptResponse) -> None:
        ids = [item["id"] for item in kept.output if isinstance(item, dict) and isinstance(item.get("id"), str)]
        async with self._turns.turn(self._key(owner, "turn", kept.id)):
            await self.store.forget([self._key(owner, "r", kept.id), *(self._key(owner, "i", id_) for id_ in ids)])

    # Conversations.

    async def conversation(self, owner: str, id_: str) -> Conversation | None:
        found = (await self._read(owner, "c", [id_])).get(id_)
        return None if found is None else Conversation(**found)

    async def keep_conversation(self, owner: str, conversation: Conversation, *, aside: bool = False) -> None:
        """`aside` as in `keep`. Raises TooLarge."""
        value = await run_aside(_written, conversation) if aside else _written(conversation)
        if len(value) > self._bounds.record:
            raise TooLarge(f"{len(value)} bytes")
        if await run_by_size(len(value), has_more_items, value, self._bounds.items):
            raise TooLarge(f"more than {self._bounds.items} values")
        await self.store.keep({self._key(owner, "c", conversation.id): value}, self._seconds)

    async def change_conversation(
        self, owner: str, id_: str, change: Callable[[Conversation], None], *, aside: bool = False
    ) -> Conversation | None:
        """Changes a conversation as it is in the store now, one caller after the other over all gateways; None where
        it does not exist. What `change` raises is raised, and nothing is written. Raises TooLarge."""
        async with self._turns.turn(self._key(owner, "turn", id_)):
            conversation = await self.conversation(owner, id_)
            if conversation is not None:
                change(conversation)
                await self.keep_conversation(owner, conversation, aside=aside or conversation.size > LIGHT_BYTES)
            return conversation

    async def add_items(
        self, owner: str, id_: str, items: Sequence[Any], *, aside: bool = False
    ) -> Conversation | None:
        """Appends to a conversation; `aside` where they may be large. None where it does not exist."""

        def change(conversation: Conversation) -> None:
            conversation.items.extend(items)

        return await self.change_conversation(owner, id_, change, aside=aside)

    async def forget_conversation(self, owner: str, id_: str) -> bool:
        """In its turn: what is being appended would write it anew."""
        async with self._turns.turn(self._key(owner, "turn", id_)):
            return await self.store.forget([self._key(owner, "c", id_)]) > 0

    # Records.

    def _key(self, owner: str, kind: str, id_: str) -> str:
        return f"responses/{self._project}/{owner}/{kind}/{writable(id_)}"

    async def _read(self, owner: str, kind: str, ids: Sequence[str]) -> dict[str, Any]:
        """Raises TooLarge where the records are too long together; not many more of them than allowed are read."""
        keys: Mapping[str, str] = {self._key(owner, kind, id_): id_ for id_ in ids if len(id_) <= _LONGEST_ID}
        left, found, size, count = list(keys), dict[str, Any](), 0, _FIRST_RECORDS
        while left:
            records = await self.store.recall(left[:count])
            del left[:count]
            length = sum(map(len, records.values()))
            size += length
            if size > self._bounds.read:
                raise TooLarge(f"more than {self._bounds.read} bytes")
            try:
                for key, value in records.items():
                    record = found[keys[key]] = await run_by_size(len(value), json.loads, value)
                    if isinstance(record, dict):
                        record["size"] = len(value)
            except ValueError as error:
                raise StoreError(f"a record can't be read: {error}") from None
            count = _FIRST_RECORDS if length > count * LIGHT_BYTES else 8 * count
        return found


_FIRST_RECORDS = 4
"""How many records are read at once where nothing is known of their size."""
_LONGEST_ID = 512
