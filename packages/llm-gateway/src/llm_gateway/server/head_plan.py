"""What follows from the head of a request for one generation of the configuration, found out once per head.

Clients send the same head with each request of a connection. The route, the request's own id, codings, and what a call
of a provider takes over of the head are the same for all of these.
"""

from __future__ import annotations

from ..exchange.call_plan import CallPlans
from .generation import Generation
from .incoming import EdgeRequest
from .routes import Match

__all__ = ["HeadPlan", "plan_of"]

_FACT = "plan"


class HeadPlan:
    """Kept with the head, see `Head.facts`."""

    __slots__ = ("calls", "content_type", "encoding", "generation", "given_id", "is_welcome", "match")

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
        self.given_id = given if given is not None and _is_usable(given) else None
        """The client's id of the request, where it is one that can be logged and passed on."""
        self.match: Match | None = None
        """The route, where it was looked for and found."""

    def find(self, request: EdgeRequest) -> Match | None:
        """The route."""
        if self.match is None:
            self.match = self.generation.routes.find(request.wire.method, request.path, request.wire)
        return self.match


def plan_of(generation: Generation, request: EdgeRequest) -> HeadPlan:
    """What is remembered with the request's head, or a new one."""
    known: HeadPlan | None = request.facts.get(_FACT)
    if known is None or known.generation is not generation:
        known = request.facts[_FACT] = HeadPlan(generation, request)
    return known


def _is_usable(given: str) -> bool:
    return 0 < len(given) <= 128 and given.isascii() and given.isprintable()
