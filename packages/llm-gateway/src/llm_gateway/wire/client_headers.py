"""The headers of a client's request, copied from its head when somebody first looks at them."""

from __future__ import annotations

from typing import Protocol

from llm_gateway_sdk.dialect import Headers

__all__ = ["ClientHeaders", "HasHeaders"]

Items = list[tuple[str, str]]


class HasHeaders(Protocol):
    """The head of a request."""

    @property
    def headers(self) -> Items:
        """Names in lower case. Not to be changed."""
        ...


class ClientHeaders(Headers):
    """A request that passes through has no list of headers unless they are looked at."""

    __slots__ = ("_came", "_head", "_items")

    def __init__(self, head: HasHeaders) -> None:
        self._head = head
        self._items: Items | None = None
        self._came: Items | None = None

    @property
    def items(self) -> Items:
        items = self._items
        if items is None:
            came = self._came = self._head.headers
            items = self._items = [*came]
        return items

    @items.setter
    def items(self, items: Items) -> None:
        self._items = items

    @property
    def is_as_it_came(self) -> bool:
        """Whether they have not been changed."""
        return self._items is None or self._items == (self._came or self._head.headers)
