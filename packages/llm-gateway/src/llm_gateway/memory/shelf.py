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
from llm_gateway_sdk.heavy import run_aside
from llm_gateway_sdk.store import StoreError
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.writable import writable

from .turns import Turns

__all__ = ["Conversation", "KeptResponse", "Shelf", "TooLarge"]


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
        return json.dumps({name: getattr(record, name) for name in record.__slots__})
    except RecursionError:
        raise TooLarge("it is nested too deeply") from None


class Shelf:
    """The records of one project. Its methods raise StoreError."""

    def __init__(self, open_store: Callable[[], Store], project: str, *, seconds: float, max_bytes: int) -> None:
        self._open_store = open_store
        self._store: Store | None = None
        self._project = project
        self._seconds = seconds
        self._max_bytes = max_bytes
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
        if len(value) > self._max_bytes:
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
        """Lets those last anew whose time is half over: a conversation that goes on keeps its beginning."""
        now = time.time()
        for each in kept:
            if now - each.at > self._seconds / 2:
                await self.keep(owner, each)

    async def forget_response(self, owner: str, kept: KeptResponse) -> None:
        ids = [item["id"] for item in kept.output if isinstance(item, dict) and isinstance(item.get("id"), str)]
        await self.store.forget([self._key(owner, "r", kept.id), *(self._key(owner, "i", id_) for id_ in ids)])

    # Conversations.

    async def conversation(self, owner: str, id_: str) -> Conversation | None:
        found = (await self._read(owner, "c", [id_])).get(id_)
        return None if found is None else Conversation(**found)

    async def keep_conversation(self, owner: str, conversation: Conversation) -> None:
        """Raises TooLarge."""
        value = _written(conversation)
        if len(value) > self._max_bytes:
            raise TooLarge(f"{len(value)} bytes")
        await self.store.keep({self._key(owner, "c", conversation.id): value}, self._seconds)

    async def change_conversation(
        self, owner: str, id_: str, change: Callable[[Conversation], None]
    ) -> Conversation | None:
        """Changes a conversation as it is in the store now, one caller after the other over all gateways; None where
        it does not exist. What `change` raises is raised, and nothing is written. Raises TooLarge."""
        async with self._turns.turn(self._key(owner, "turn", id_)):
            conversation = await self.conversation(owner, id_)
            if conversation is not None:
                change(conversation)
                await self.keep_conversation(owner, conversation)
            return conversation

    async def add_items(self, owner: str, id_: str, items: Sequence[Any]) -> Conversation | None:
        """Appends to a conversation. None where it does not exist."""
        return await self.change_conversation(owner, id_, lambda conversation: conversation.items.extend(items))

    async def forget_conversation(self, owner: str, id_: str) -> bool:
        return await self.store.forget([self._key(owner, "c", id_)]) > 0

    # Records.

    def _key(self, owner: str, kind: str, id_: str) -> str:
        return f"responses/{self._project}/{owner}/{kind}/{writable(id_)}"

    async def _read(self, owner: str, kind: str, ids: Sequence[str]) -> dict[str, Any]:
        keys: Mapping[str, str] = {self._key(owner, kind, id_): id_ for id_ in ids if len(id_) <= _LONGEST_ID}
        found = await self.store.recall(list(keys)) if keys else {}
        try:
            return {keys[key]: json.loads(value) for key, value in found.items()}
        except ValueError as error:
            raise StoreError(f"a record can't be read: {error}") from None


_LONGEST_ID = 512
