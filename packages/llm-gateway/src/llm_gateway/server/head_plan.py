"""What follows from the head of a request for one generation of the configuration, found out once per head.

Clients send the same head with each request of a connection. The route, the request's own id, codings, and what a call
of a provider takes over of the head are the same for all of these.
"""

from __future__ import annotations

from ..exchange.call_plan import CallPlans
from ..exchange.services import new_id
from .generation import Generation
from .incoming import EdgeRequest
from .routes import Match

__all__ = ["HeadPlan", "plan_of"]

_FACT = "plan"


class HeadPlan:
    """Kept with the head, see `Head.facts`."""

    __slots__ = ("_given_id", "_is_found", "_match", "calls", "content_type", "encoding", "generation", "is_welcome")

    def __init__(self, generation: Generation, request: EdgeRequest) -> None:
        index = request.index
        given = index.get("x-request-id")
        self.generation = generation
        self.encoding = index.get("content-encoding")
        """Of the body; None where it is sent as it is."""
        self.content_type = index.get("content-type", "")
        self.is_welcome = False
        """No web page of another site sends the request, as far as that matters."""
        self.calls = CallPlans(frozenset(index))
        self._given_id = given if given is not None and _is_usable(given) else None
        self._is_found = False
        self._match: Match | None = None

    def request_id(self) -> str:
        """The client's id where it is one that can be logged and passed on, else a new one."""
        return self._given_id or new_id("req_")

    def find(self, request: EdgeRequest) -> Match | None:
        """The route."""
        if not self._is_found:
            self._match = self.generation.routes.find(request.wire.method, request.path, request.wire)
            self._is_found = True
        return self._match


def plan_of(generation: Generation, request: EdgeRequest) -> HeadPlan:
    """What is remembered with the request's head, or a new one."""
    known: HeadPlan | None = request.facts.get(_FACT)
    if known is None or known.generation is not generation:
        known = request.facts[_FACT] = HeadPlan(generation, request)
    return known


def _is_usable(given: str) -> bool:
    return 0 < len(given) <= 128 and given.isascii() and given.isprintable()
