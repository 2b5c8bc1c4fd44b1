"""One request as it is served: what was asked, on which project, until when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from llm_gateway_sdk import Adapter, Echo, HTTPRequest, RequestContext, Route, WireRequest
from llm_gateway_sdk.heavy import LIGHT_BYTES, is_heavy, run_aside
from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.owned import UploadStep
from llm_gateway_sdk.text_exclusions import CANONICAL

from ..models import ModelTarget
from .call_plan import CallPlans
from .client_body import ClientBody
from .headers import find
from .held_body import HeldBody
from .log_context import words_are_hidden
from .long_replies import LongReply
from .multipart import FormUpload
from .outlet import ByteSource, Sink
from .services import ProjectScope, Services
from .signed_reasoning import has_wrapped

__all__ = ["ClientRequest", "EventRoom"]

P = ParamSpec("P")
T = TypeVar("T")


class ClientRequest:
    """Made once and, but for `deadline`, `duplex`, `form`, `long_reply`, `upload` and the weight, never changed. What
    belongs to one attempt is in `LiveAttempt`, what is written for the client in `ClientReply`."""

    __slots__ = (
        "_has_wrapped", "adapter", "chain", "client_body", "cooling", "ctx", "deadline", "dialect",
        "duplex", "form", "has_own_limit", "header_names", "held", "hides_model", "is_large", "is_timed",
        "known_heavy", "long_reply", "loop", "plans", "project", "retains", "route", "services", "shows_reply",
        "sink", "upload", "wants_usage", "wire",
    )  # fmt: skip

    def __init__(
        self,
        services: Services,
        project: ProjectScope,
        adapter: Adapter,
        route: Route,
        wire: WireRequest,
        client_body: ClientBody,
        ctx: RequestContext,
        sink: Sink,
        plans: CallPlans | None = None,
    ) -> None:
        self.services, self.sink = services, sink
        self.project = project
        self.adapter, self.route = adapter, route
        self.wire, self.client_body = wire, client_body
        self.ctx = ctx
        self.dialect = services.dialects[route.dialect]
        """The client's."""
        self.chain = chain = project.chain.select(ctx)
        if chain.edits_request or chain.edits_reply:
            words_are_hidden.set(True)
        self.hides_model = chain.edits_request and _names_no_model(ctx.requested_model, project)
        """What should be the name of a model is a text, which the plugins do not see where a model is looked up."""
        if self.hides_model:
            _withhold_model(ctx, route)
        self.loop = loop = asyncio.get_running_loop()
        self.deadline = loop.time() + project.request_timeout
        """In the loop's time."""
        self.form: FormUpload | None = None
        """The multipart form that the body is, whose fields are the body as plugins see it."""
        self.duplex: ByteSource | None = None
        """What the client sends after its head, where it goes on in another protocol."""
        self.held: HeldBody | None = None
        """The memory that the body holds; None for a short one."""
        self.plans = plans
        """What is known of calls for requests with this head."""
        names = self.header_names = frozenset(dict(wire.headers.items)) if plans is None else plans.names
        """Of the client's headers, as they came."""
        self.is_timed = services.server_timing or "x-llm-gateway-timing" in names
        """The reply reports how long the parts of the request took."""
        self.upload: UploadStep | None = None
        """The step of an upload that the request is, see `batches.uploads`."""
        if route.form is not None and wire.body:
            _count_pieces(route.form, wire, ctx)
        self.is_large = len(wire.body) > LIGHT_BYTES
        """The body may be heavy."""
        self.known_heavy: bool | None = None if self.is_large else False  # None: it has not been weighed
        self._has_wrapped: bool | None = None
        self.has_own_limit = False
        """The client has set its own limit, so that a time-out is not the provider's fault."""
        self.long_reply: LongReply | None = None
        """The room that a long reply takes while it is read and worked on; closed at the end of each attempt."""
        self.cooling: list[ModelTarget] = []
        """Targets that were passed over because their breakers are open."""
        self.retains = (accounted := bool(chain.detached or chain.lifecycle)) or services.keep_replies
        """The reply is wanted after it has left, though no hook reads it on its way."""
        self.shows_reply = chain.shows_reply or services.keep_replies
        """Someone may look at a reply that is retained; else it only serves to count what the provider does not."""
        self.wants_usage = accounted or services.needs_usage

    @property
    def is_heavy(self) -> bool:
        """Work on the whole body is done aside. A large body is weighed when this is first asked for: what passes
        through unread is not."""
        known = self.known_heavy
        if known is None:
            known = self.known_heavy = is_heavy(self.wire.body)
        return known

    def take_aside(self) -> None:
        """The body is known to be heavy."""
        self.known_heavy = True

    async def hold(self, size: int) -> None:
        """Waits for the memory of a body that grows by what it names. Raises Overloaded."""
        if self.held is None:
            if size <= LIGHT_BYTES:
                return
            self.held = HeldBody(self.services.bodies)
        await self.held.hold(size)

    async def replace_body(self, body: bytes) -> None:
        """The request as it is served from here on. Raises Overloaded where there is no memory for it."""
        await self.hold(len(body))
        self.wire.body = body
        self.is_large = len(body) > LIGHT_BYTES
        self.known_heavy = None if self.is_large else False
        self._has_wrapped = None

    @property
    def has_wrapped(self) -> bool:
        """The body has signatures that the gateway wrapped."""
        known = self._has_wrapped
        if known is None:
            known = self._has_wrapped = has_wrapped(self.wire.body)
        return known

    async def work(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Does work on the whole body, aside where the body is heavy."""
        return await run_aside(work, *args, **kwargs) if self.is_heavy else work(*args, **kwargs)

    async def make_room(self, size: int, until: float) -> None:
        """Before more of a long reply is read, of which there are `size` bytes more than before. Raises Overloaded
        where there is none until then."""
        reply = self.long_reply
        if reply is None:
            reply = self.long_reply = self.services.long_replies.open()
            self.sink.hold(reply)
        await reply.take(size, until)

    async def prepare_echo(self) -> None:
        """Decodes a heavy body for `echo`, aside."""
        if self.is_heavy and self.client_body.echo is None and self.ctx.has_request:
            await run_aside(self.client_body.decode)

    @property
    def echo(self) -> Echo:
        """The client dialect's memo of the request; decodes it where that was not done yet."""
        body = self.client_body
        if body.echo is None:
            if not self.ctx.has_request:
                return self.echo_if_read
            body.decode()
        return body.echo or self.echo_if_read

    @property
    def echo_if_read(self) -> Echo:
        """The same without decoding: errors are written for requests that can't be decoded."""
        return self.client_body.echo or Echo(self.ctx.requested_model or "", self.ctx.streaming)


def _names_no_model(name: str | None, project: ProjectScope) -> bool:
    return name is not None and not _is_model(name) and not project.registry.is_configured(name)


def _withhold_model(ctx: RequestContext, route: Route) -> None:
    """What was written in the place of a model's name is in no view of the request; some APIs have it in the path."""
    ctx.requested_model = None
    if "{model}" in route.path:
        came = ctx.http_request
        ctx.http_request = HTTPRequest(
            came.method, route.path, came.query_string, came.raw_headers, came.body, came.headers
        )


_is_model = CANONICAL["LLMRequest.model"]


class EventRoom:
    """The room for one long event of a stream: it grows while the event is gathered."""

    __slots__ = ("_request", "_size", "_until")

    def __init__(self, request: ClientRequest, until: float) -> None:
        self._request = request
        self._until = until
        self._size = 0

    async def make_for(self, size: int) -> None:
        """So many bytes in all. Raises Overloaded where there is no room in time."""
        if size > self._size:
            more, self._size = size - self._size, size
            await self._request.make_room(more, self._until)

    def give_back(self) -> None:
        """The event has been worked on."""
        self._size = 0
        if self._request.long_reply is not None:
            self._request.long_reply.close()


def _count_pieces(form: OperationForm[Any, Any], wire: WireRequest, ctx: RequestContext) -> None:
    size = whole_number(find(wire.headers.items, "content-length")) if form.multipart else None
    ctx.count_pieces_by(partial(form.pieces_of, wire.body, size or 0))
