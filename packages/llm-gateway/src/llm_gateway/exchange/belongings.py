"""Who owns a file or a batch at a provider, kept in the gateway's store.

    belongings/<project>/<owner>/<operation>/<id>     {"model": …, "object": …, "expires": …, …}

An id is found under its owner's name alone: to anybody else it does not exist, whatever the provider would answer.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from llm_gateway_sdk import Conflict, NotFound, Store
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.writable import writable

__all__ = ["PIECE_BYTES", "Belonging", "Belongings"]

_SECONDS = 60 * 86_400
"""Longer than any vendor keeps a batch's results."""


PIECE_BYTES = 256 * 1024
"""Bytes of a file's content in one record."""


@dataclass(slots=True)
class Belonging:
    id: str
    model: str
    """The configured model whose provider has it."""
    object: dict[str, Any] = field(default_factory=dict)
    """As the provider last showed it."""
    created: float = 0.0
    shares: list[dict[str, Any]] = field(default_factory=list)
    """Of a file of requests: what they may use, as `BatchShare` writes it."""
    # Where its provider has another API than its client: what the gateway keeps of it.
    api: str = ""
    """The name of the provider's batch API; empty where the provider has the thing itself, under this id."""
    upstream: str = ""
    """The provider's id of the batch."""
    part: str = ""
    """Of a file, what is in it: `input`, or one of the form's `files_of`."""
    batch: str = ""
    """Of a file of results: the client's id of the batch."""
    pieces: int = 0
    """In how many records its content is kept."""
    facts: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """The client's names of lines by those that were sent, where they differ."""
    tools: dict[str, str] = field(default_factory=dict)
    """The same of tools."""
    dialect: str = ""
    """The client's, of the lines."""
    thoughts: bool = False
    """A line asks for reasoning."""
    filed: bool = False
    """Of a batch: its files of results are among its owner's."""
    principal: dict[str, Any] | None = None
    """Of an upload: who began it."""
    owner: str = ""
    caller: str | None = None
    version: int = 0


class Belongings:
    """Of one project."""

    def __init__(self, store: Callable[[], Store], project: str) -> None:
        self._store = store
        self._project = project

    async def find(self, owner: str, operation: str, id_: str) -> Belonging | None:
        document = await self._store().get(self._key(owner, operation, id_))
        return None if document is None else _read(document.value, document.version)

    async def put(self, owner: str, operation: str, thing: Belonging) -> bool:
        """Writes it; False where it has changed since it was read."""
        thing.created = thing.created or time.time()
        written = {key: value for key, value in asdict(thing).items() if key != "version"}
        try:
            expected = thing.version or None
            key = self._key(owner, operation, thing.id)
            thing.version = await self._store().put(key, json.dumps(written), expected=expected)
        except Conflict:
            return False
        return True

    async def remove(self, owner: str, operation: str, id_: str) -> None:
        await self._store().delete(self._key(owner, operation, id_))

    async def keep_content(
        self, owner: str, id_: str, content: bytes, *, first: int = 0, seconds: float = _SECONDS / 2
    ) -> int:
        """Keeps a file's content, or what comes after its `first` pieces; returns how many pieces there are then."""
        count = -(-len(content) // PIECE_BYTES)
        for number in range(count):
            piece = content[number * PIECE_BYTES : (number + 1) * PIECE_BYTES]
            await self._store().keep({self._piece(owner, id_, first + number): piece}, seconds)
        return first + count

    async def content(self, owner: str, id_: str, pieces: int) -> AsyncIterator[bytes]:
        """Piece by piece. Raises NotFound where it has ended."""
        for number in range(pieces):
            key = self._piece(owner, id_, number)
            found = (await self._store().recall([key])).get(key)
            if found is None:
                raise NotFound(f"The content of '{id_}' is not kept any more.")
            yield found

    async def whole_content(self, owner: str, thing: Belonging) -> bytes:
        """Raises NotFound where it has ended."""
        return b"".join([piece async for piece in self.content(owner, thing.id, thing.pieces)])

    async def forget_content(self, owner: str, id_: str, pieces: int) -> None:
        for number in range(pieces):
            await self._store().forget([self._piece(owner, id_, number)])

    async def all(self, owner: str, operation: str) -> list[Belonging]:
        """The newest first; what is older than any vendor keeps it is forgotten."""
        found: list[Belonging] = []
        prefix, after = self._key(owner, operation, ""), ""
        while documents := await self._store().scan(prefix, after=after):
            for document in documents:
                thing = _read(document.value, document.version)
                if thing.created + _SECONDS < time.time():
                    await self._store().delete(document.key)
                else:
                    found.append(thing)
            after = documents[-1].key
        return sorted(found, key=lambda thing: -thing.created)

    def _piece(self, owner: str, id_: str, number: int) -> str:
        return f"{self._key(owner, 'content', id_)}/{number}"

    def _key(self, owner: str, operation: str, id_: str) -> str:
        return f"belongings/{self._project}/{owner}/{operation}/{writable(id_)}"


def _read(value: bytes, version: int) -> Belonging:
    written = json.loads(value)
    return Belonging(**{key: written[key] for key in written if key in Belonging.__slots__}, version=version)
