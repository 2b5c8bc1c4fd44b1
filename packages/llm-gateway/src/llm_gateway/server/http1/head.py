"""The head of one request."""

from __future__ import annotations

from typing import Any

__all__ = ["Head", "TextHeaders"]

TextHeaders = list[tuple[str, str]]
"""(lower-case name, value) in the order of arrival."""


class Head:
    """The head of a request that is valid HTTP/1.1 or 1.0."""

    __slots__ = (
        "_former", "_headers", "_place", "expects_continue", "facts", "http10", "keep_alive", "length", "method",
        "path", "query", "upgrades",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: TextHeaders,
        length: int | None,
        *,
        http10: bool = False,
        keep_alive: bool = True,
        expects_continue: bool = False,
        upgrades: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        """Percent-decoded, without the query."""
        self.query = query
        """As it came, without the question mark."""
        self.length = length
        """Bytes of the body, where `content-length` gives them."""
        self.http10 = http10
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self.upgrades = upgrades
        """The offer to go on in another protocol was taken: what follows is not HTTP."""
        self.facts: dict[str, Any] = {}
        """What the application has found out from this head. Shared with later heads of the connection that are equal
        to it but for the length."""
        self._headers: TextHeaders | None = headers
        self._former: Head | None = None
        self._place = -1

    @classmethod
    def like(cls, former: Head, place: int, length: int) -> Head:
        """The same head with another length, whose header has this place among the headers; -1 where it has none."""
        head = cls.__new__(cls)
        head.method = former.method
        head.path = former.path
        head.query = former.query
        head.length = length
        head.http10 = head.expects_continue = head.upgrades = False
        head.keep_alive = True
        head.facts = former.facts
        head._headers = None
        head._former = former
        head._place = place
        return head

    @property
    def headers(self) -> TextHeaders:
        """In the order of arrival. Not to be changed in place."""
        headers, former = self._headers, self._former
        if headers is None:
            assert former is not None
            headers = self._headers = [*(former._headers or former.headers)]
            if self._place >= 0:
                headers[self._place] = ("content-length", str(self.length))
        return headers

    @headers.setter
    def headers(self, headers: TextHeaders) -> None:
        self._headers = headers

    @property
    def has_body(self) -> bool:
        """Whether a body may follow: a length above zero, or chunks."""
        return self.length != 0
