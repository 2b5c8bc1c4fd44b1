"""What every exchange of one generation of the configuration shares."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from llm_gateway_sdk import Dialect, Echo, HookChain, HTTPProvider, Mint, RequestContext, WireReply
from llm_gateway_sdk.walk import WalkLimits

from ..admission import Admission
from ..models import ModelRegistry
from ..wire.crossing import Crossing
from .belongings import Belongings
from .deadlines import Deadlines
from .detached import DetachedSupervisor, KeptBudget
from .held_body import body_memory
from .long_replies import LongReplies
from .outlet import Sink
from .realtime.session_limits import RealtimeLimits

__all__ = ["Attendant", "BatchSettler", "Memory", "Observer", "ProjectScope", "Services", "new_id"]


class Observer(Protocol):
    """Metrics and tracing: they see each exchange and never change it."""

    needs_usage: bool
    needs_reply: bool = False
    """Whether it wants replies that otherwise pass through unread."""
    follows_attempts: bool
    """Whether it wants more calls than `ended`."""

    def began(self, ctx: RequestContext) -> None: ...

    def attempt_began(self, ctx: RequestContext) -> None: ...

    def attempt_ended(self, ctx: RequestContext) -> None: ...

    def ended(self, ctx: RequestContext, status: int) -> None: ...

    def outgoing_headers(self, ctx: RequestContext) -> Sequence[tuple[str, str]]:
        """Headers for the upstream call, such as `traceparent`."""
        ...


class Attendant(Sink, Protocol):
    """Goes with one request whose conversation is kept by the gateway, and is its sink."""

    client: Any
    """The `ClientReply` that writes to it, while the request runs."""

    async def recall(self) -> None:
        """Puts what was kept into the request. Raises GatewayError."""
        ...

    def check(self, http: HTTPProvider) -> None:
        """Raises InvalidRequest where the request names what the provider keeps, and is another caller's."""
        ...

    def echo(self, echo: Echo) -> Echo:
        """The memo of the request for a reply in the gateway's own words."""
        ...


class Memory(Protocol):
    """What the gateway keeps for clients of an API that continues conversations by id."""

    dialect: str

    def attend(self, request: Any, sink: Sink) -> Attendant | None:
        """For a `ClientRequest` of its dialect; None where the request has nothing to do with what is kept."""
        ...

    def serves(self, path: str) -> bool:
        """Whether a path, relative to a provider's base URL, is one of its endpoints."""
        ...

    async def serve(self, request: Any) -> WireReply | None:
        """The reply of such an endpoint; None where what it names is not kept here. Raises GatewayError."""
        ...


class BatchSettler(Protocol):
    """Books batches once they have ended; `settling.Settler`."""

    @property
    def pending(self) -> Any:
        """`PendingBatches` of the project."""
        ...

    def soon(self, kind: str, owner: str, id_: str, token: str | None = None) -> None: ...

    async def before_deletion(self, kind: str, owner: str, id_: str, token: str | None = None) -> None: ...


@dataclass(slots=True)
class ProjectScope:
    """A project, ready to serve."""

    name: str
    registry: ModelRegistry
    chain: HookChain
    strict: bool = False
    max_retries: int = 3
    max_turns: int = 10
    request_timeout: float = 600.0
    allow_unseen_native: bool = False
    hide_refused_models: bool = False
    """A model that the caller may not use is answered as unknown."""
    native_paths: tuple[str, ...] = ()
    belongings: Belongings | None = None
    """Whose files and batches are whose; None without a store that all workers share."""
    settler: BatchSettler | None = None
    """Who books batches when they have ended; None without such a store."""
    memory: Memory | None = None
    limits: WalkLimits = field(init=False)

    def __post_init__(self) -> None:
        self.limits = WalkLimits(max(self.max_retries, self.chain.attempts_wanted), self.max_turns)


_random = random.Random(os.urandom(32))
_ID_DIGITS = 24
_spare_digits: list[str] = []
"""Random digits for ids to come: a thousand are drawn at once, which takes a third of the time."""


def new_id(prefix: str) -> str:
    """An id that is unlikely ever to come again. It names things and guards nothing. Threads may ask at once."""
    try:
        return prefix + _spare_digits.pop()
    except IndexError:
        drawn = _random.randbytes(500 * _ID_DIGITS).hex()
        digits = [drawn[at : at + _ID_DIGITS] for at in range(0, len(drawn), _ID_DIGITS)]
        mine = digits.pop()
        _spare_digits.extend(digits)
        return prefix + mine


def _begin_anew() -> None:
    """A process that is forked would draw the same ids as the one it comes from, and as its other children."""
    _random.seed(os.urandom(32))
    _spare_digits.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


@dataclass(slots=True)
class Services:
    dialects: Mapping[str, Dialect]
    supervisor: DetachedSupervisor
    kept: KeptBudget
    observers: Sequence[Observer] = ()
    bodies: Admission = field(default_factory=body_memory)
    """Memory for the bodies of requests, in bytes; see `HeldBody`."""
    keep_alive_seconds: float = 15.0
    max_event_bytes: int = 16 * 1024 * 1024
    max_reply_bytes: int = 256 * 1024 * 1024
    long_replies: LongReplies = field(default_factory=LongReplies)
    max_batch_items: int = 2_000_000
    mint: Mint = field(default_factory=lambda: Mint(new_id, lambda: int(time.time())))
    server_timing: bool = False
    realtime: RealtimeLimits = field(default_factory=RealtimeLimits)
    crossing: Crossing = field(default_factory=Crossing)
    """Which headers and query parameters of clients go to providers."""
    keep_replies: bool = field(init=False, default=False)
    """An observer wants replies that otherwise pass through unread."""
    needs_usage: bool = field(init=False, default=False)
    followers: Sequence[Observer] = field(init=False, default=())
    """The observers that follow attempts; most only want to know how it ended."""
    deadlines: Deadlines = field(init=False, default_factory=Deadlines)

    def __post_init__(self) -> None:
        self.keep_replies = any(observer.needs_reply for observer in self.observers)
        self.needs_usage = any(observer.needs_usage for observer in self.observers)
        self.followers = [observer for observer in self.observers if observer.follows_attempts]
