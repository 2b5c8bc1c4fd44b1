"""What a plugin sees of one request: the founding description's context object, in snake_case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import parse_qsl

from .batch_share import BatchShare
from .context_fields import FIELDS
from .dialect import Headers, WireReply, WireRequest
from .losses import Loss
from .parts import Part
from .payload import Payload
from .principal import Principal
from .request import LLMRequest, Message
from .request_estimate import CANONICAL_BELOW, RequestEstimate, estimate_request
from .response import Accumulator, LLMResponse, Usage
from .values import replace

__all__ = [
    "Attempt",
    "Engine",
    "HTTPRequest",
    "Operation",
    "PluginResult",
    "Precision",
    "RequestContext",
    "RequestMetrics",
    "StreamState",
]

Operation = Literal[
    "generate", "count_tokens", "embed", "rerank", "moderate", "image", "speech", "transcribe", "file", "batch",
    "realtime", "models", "stored", "native",
]  # fmt: skip


class HTTPRequest:
    """The client's HTTP request as it arrived; it does not change."""

    __slots__ = ("_headers", "body", "method", "path", "query_string", "raw_headers")

    def __init__(
        self,
        method: str,
        path: str,
        query_string: str,
        raw_headers: Headers,
        body: bytes,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.method = method
        self.path = path
        """Full path, project and adapter included."""
        self.query_string = query_string
        self.raw_headers = raw_headers
        self.body = body
        self._headers = headers

    @property
    def url(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query_string}" if self.query_string else self.path

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name; of several of one name the last."""
        if self._headers is None:
            self._headers = dict(self.raw_headers.items)
        return self._headers


Precision = Literal["exact", "partial", "estimated"]
"""`exact`: as the provider has reported it for all of its reply. `partial`: as it had reported it up to where the reply
broke off. `estimated`: counted by the gateway, from what was sent."""


@dataclass(slots=True)
class RequestMetrics:
    """Counts are those of all attempts together, None where they are unknown. Times are seconds since the epoch, `*_ms`
    milliseconds."""

    started: float = 0.0
    """When the request arrived."""
    ended: float | None = None
    """When the last byte of the reply was sent; None while it goes on."""
    first_token: float | None = None
    """When the first content came from a provider; None where none has come."""
    duration_ms: float | None = None
    """From `started` to `ended`."""
    input_tokens: int | None = None
    """As in `Usage`: with what was read from and written to a cache."""
    output_tokens: int | None = None
    """As in `Usage`: with reasoning."""
    total_tokens: int | None = None
    """`input_tokens` and `output_tokens` together."""
    cache_read_tokens: int | None = None
    """Those of `input_tokens` that came from a cache."""
    cache_write_tokens: int | None = None
    """Those of `input_tokens` that were written to a cache."""
    reasoning_tokens: int | None = None
    """Those of `output_tokens` that were spent on thinking."""
    usage_estimated: bool = False
    """At least one of the counts is estimated."""
    input_precision: Precision | None = None
    """How `input_tokens` and what is part of them are known; None where they are not."""
    output_precision: Precision | None = None
    """The same for `output_tokens`."""

    @property
    def start_time(self) -> datetime:
        """`started` in UTC."""
        return datetime.fromtimestamp(self.started, UTC)

    @property
    def end_time(self) -> datetime | None:
        """`ended` in UTC; None while the request goes on."""
        return None if self.ended is None else datetime.fromtimestamp(self.ended, UTC)


@dataclass(slots=True)
class Attempt:
    """One line of the ledger: one call to one target. Times are seconds since the epoch."""

    model: str
    """The configured model's name."""
    target: str = ""
    """`<provider type>/<the provider's model name>`."""
    started: float = 0.0
    """When the call was made."""
    first_token: float | None = None
    """When its first content came; None where none has come."""
    ended: float | None = None
    """When it ended; None while it goes on."""
    status: int | None = None
    """HTTP status of the provider's reply; None where there was none."""
    error: str | None = None
    """What failed, in words; None after a success."""
    kind: str | None = None
    """Error class, as in ErrorInfo.kind."""
    reason: str = ""
    """Where no answer came: what failed at which host, or which time limit passed (ModelConnectionError, ModelTimeout).
    In the gateway's words, for the log."""
    resent: bool = False
    """A reused connection had been closed by the provider, and the request was sent again."""
    usage: Usage | None = None
    """What this attempt used."""
    input_precision: Precision | None = None
    """How the input of `usage` is known: `exact`, as the provider reports it; `partial`, at least so many;
    `estimated`."""
    output_precision: Precision | None = None
    """The same for the output."""

    @property
    def outcome(self) -> str:
        """One line for a log: `200`, `429 rate_limit`, `502 upstream (api.openai.com: connection refused)`. It quotes
        neither the client nor the provider."""
        words = self.kind or ""
        if self.reason:
            words += f" ({self.reason})"
        return f"{self.status or ''} {words}".strip() or "no answer"


@dataclass(slots=True)
class StreamState:
    """How far a reply has left for the client."""

    opened: bool = False
    """Status and headers went out."""
    committed: bool = False
    """The first content went to the client: from here on no other attempt is possible."""


@dataclass(slots=True)
class PluginResult:
    """What a hook decides. Returning None is the same as returning `PluginResult()`.

    Which flag means what in which hook is the table of the documentation's page about hooks.
    """

    success: bool = True
    """False refuses: the client gets `status` and `error` in its own API's shape."""
    context: RequestContext | None = None
    """A context whose fields are merged into the shared one, for hooks that did not change that in place."""
    error: Exception | str | None = None
    """Why the request is refused: text for the client, or an exception whose message it gets."""
    status: int | None = None
    """HTTP status of a refusal; default 500."""
    retry_after: float | None = None
    """A refusal: seconds after which another try may succeed."""
    limit: str | None = None
    """A refusal: the name of the limit that was reached."""
    reevaluate_request: bool = False
    """Start the request again from its first hook."""
    skip_remaining: bool = False
    """Leave out the plugins that would follow in this phase."""
    terminate: bool = False
    """End the request: with `ctx.response` where it is set, else with an error."""
    emit_chunk: bool = True
    """False in `after_chunk` keeps the chunk back; it is merged with the next ones until a hook lets go."""


class RequestContext:
    """One request's life, shared by all plugins.

    `metadata` and `plugin_data` last for the whole request; `attempt_data` is emptied for each attempt. `request` and
    `response` are decoded when first read: a plugin that needs neither keeps the request on the fast path.
    """

    __slots__ = {
        **FIELDS,
        **dict.fromkeys(
            (
                "_accumulated",
                "_buffered_chunk",
                "_buffered_rope",
                "_estimate",
                "_follow_up",
                "_pieces_of",
                "_principal",
                "_query_params",
                "_request",
                "_response",
            ),
            "",
        ),
    }  # fmt: skip

    def __init__(
        self,
        *,
        request_id: str,
        project: str = "default",
        adapter: str = "",
        operation: Operation = "generate",
        http_request: HTTPRequest | None = None,
        request: Payload[LLMRequest] | None = None,
        available_models: Sequence[str] = (),
        requested_model: str | None = None,
        streaming: bool = False,
        client_ip: str | None = None,
        client_dialect: str = "",
        started: float = 0.0,
    ) -> None:
        self.project = project
        """Name of the project whose path the client called."""
        self.adapter = adapter
        """Name of the adapter: which API the client speaks, such as `openai`."""
        self.request_id = request_id
        """The client's `x-request-id` where it sent a usable one, else one of the gateway's; in every log,
        trace and reply."""
        self.operation: Operation = operation
        """What is asked for: `generate`, `embed`, `realtime` or another of `Operation`; `stored` is about responses and
        conversations that are kept, `native` is passed on without being understood."""
        self.http_request = http_request or _NO_REQUEST
        """The client's HTTP request as it arrived: method, path, headers, body."""
        self.available_models = available_models
        """Names of the project's models."""
        self.requested_model = requested_model
        """The model that the client asked for, read without decoding the request."""
        self.streaming = streaming
        """The client asked for a stream."""
        self.client_ip = client_ip
        """Address of the client; with `trustProxy` the one that the trusted proxies report. None where there
        is none."""
        self.client_dialect = client_dialect
        """The wire format of the client, such as `openai_chat` or `anthropic`."""
        self.target_model: str | None = None
        """The configured model that is to answer; None leaves it to the requested name or the default."""
        self.target_model_provider: str | None = None
        """Type of the provider that the current attempt goes to, such as `openai`; None before the first."""
        self.has_fallback = False
        """Set by a router in `before_model`: another model is left, so a failing one need not be tried again."""
        self.fallback_kinds: frozenset[str] | None = None
        """With `has_fallback`: the classes of errors that lead on to the other model; None means all. For other errors
        the failing model is tried again as if no other were left."""
        self.caller: str | None = None
        """The name of who is asking, as authentication found; never the key."""
        self._principal: Principal | None = None
        self.metadata: dict[str, Any] = {}
        """For the whole request and for all plugins; what is in it is traced. Values that JSON can hold."""
        self.plugin_data: dict[str, Any] = {}
        """For the whole request: what a plugin keeps for itself, under its own name."""
        self.attempt_data: dict[str, Any] = {}
        """What a plugin keeps for the current attempt; emptied for each."""
        self.reply_truncated = False
        """The reply that was kept is only its beginning: it was longer than what is kept."""
        self.reply_headers: dict[str, str] = {}
        """Headers for the client's reply. A stream's leave with its first content."""
        self.metrics = RequestMetrics(started)
        """Times and token counts of the request so far; see RequestMetrics for the units."""
        self.timings: dict[str, float] = {}
        """Seconds by `plugin.phase` and by stage."""
        self.losses: list[Loss] = []
        """What translation left out or changed, of the request of the last attempt and of its reply."""
        self.attempts: list[Attempt] = []
        """One entry per call of a provider, in order; the last is the current one."""
        self.error: Exception | None = None
        """The last failure, as `on_model_error` sees it; None after a success."""
        self.batch: Sequence[BatchShare] = ()
        """What a batch that is submitted may use, by model; for the request that settles it too. Empty for
        all else."""
        self.session: str | None = None
        """The id of the realtime session that this request is one response of; None for all else, the session itself
        included."""
        self.retry_count = 0
        """Attempts after a failure so far."""
        self.turn_count = 0
        """Follow-ups so far."""
        self.chunk: LLMResponse | None = None
        """Streams: what just came. For reading."""
        self.final_chunk = False
        """Streams: the chunk is the last one. It may be empty."""
        self.stream = StreamState()
        """Streams: what has left for the client so far."""
        self.upstream_request: WireRequest | None = None
        """What was last sent to a provider, without credentials."""
        self.upstream_response: WireReply | None = None
        """What a provider last answered, where it was kept."""
        self.base_request_payload = request
        """The client's request as it came, decoded on first use; `base_request` is a copy of it."""
        self._request = request
        self._response: Payload[LLMResponse] | None = None
        self._buffered_chunk: LLMResponse | None = None
        self._buffered_rope: Accumulator | None = None
        self._accumulated: Accumulator | None = None
        self._estimate: RequestEstimate | None = None
        self._pieces_of: Callable[[], Mapping[str, int] | None] | None = None
        self._follow_up: list[Message] | None = None
        self._query_params: dict[str, str] | None = None

    # What was asked and answered.

    @property
    def status(self) -> int | None:
        """The HTTP status of the reply that was sent, for hooks after the request; None before. A response of a
        realtime session or a batch has the status that it would have had over HTTP. Also in `metadata`."""
        return self.metadata.get("status")

    @status.setter
    def status(self, status: int) -> None:
        self.metadata["status"] = status

    @property
    def request(self) -> LLMRequest:
        """The request of this attempt, decoded on first look.

        Raises InvalidRequest where the client's body does not decode, and LookupError for operations that have no
        request (`models`, `native`); `has_request` shows which.
        """
        if self._request is None:
            raise LookupError(f"a request of operation '{self.operation}' has no body that is understood")
        return self._request.value

    @request.setter
    def request(self, request: LLMRequest) -> None:
        if self._request is None:
            self._request = Payload(None, request)
        else:
            self._request.value = request

    @property
    def has_request(self) -> bool:
        """Whether `request` can be read: the operation has a body that the gateway understands."""
        return self._request is not None

    @property
    def request_payload(self) -> Payload[LLMRequest] | None:
        """The request of this attempt, decoded or not; None for operations that have none."""
        return self._request

    @property
    def base_request(self) -> LLMRequest:
        """The request as decoded from the client's bytes (plus follow-ups), before any hook. A separate copy."""
        if self.base_request_payload is None:
            raise LookupError(f"a request of operation '{self.operation}' has no body that is understood")
        payload = self.base_request_payload
        return payload.value if payload.replaced else payload.pristine()

    @property
    def response(self) -> LLMResponse | None:
        """The whole reply: set after the model answered, and on streams once they have ended.

        A plugin that sets it in `before_model` and returns `terminate` answers in the model's place.
        """
        if self._response is not None:
            return self._response.value
        if self._accumulated is not None:
            return self._accumulated.value()
        return None

    @response.setter
    def response(self, response: LLMResponse | None) -> None:
        if response is None:
            self._response = None
        elif self._response is None:
            self._response = Payload(None, response)
        else:
            self._response.value = response

    @property
    def response_payload(self) -> Payload[LLMResponse] | None:
        """The whole reply, decoded or not; None before it has come."""
        return self._response

    @response_payload.setter
    def response_payload(self, payload: Payload[LLMResponse] | None) -> None:
        self._response = payload

    @property
    def buffered_chunk(self) -> LLMResponse | None:
        """Streams: what this plugin holds, the current chunk included. Change this one."""
        if self._buffered_rope is not None:
            self._buffered_chunk = self._buffered_rope.value()
            self._buffered_rope = None
        return self._buffered_chunk

    @buffered_chunk.setter
    def buffered_chunk(self, chunk: LLMResponse | None) -> None:
        self._buffered_rope = None
        self._buffered_chunk = chunk

    @property
    def accumulated_response(self) -> LLMResponse | None:
        """Streams: what the client has been sent so far."""
        return None if self._accumulated is None else self._accumulated.value()

    def new_text(self, part: Part, *, choice: int = 0) -> str:
        """What the current chunk adds to `part` of the buffered chunk."""
        if self.chunk is None:
            return ""
        return "".join(
            str(getattr(new, "arguments", None) or getattr(new, "text", None) or "")
            for one in self.chunk.choices
            if one.index == choice
            for new in one.message.content
            if new.index == part.index and type(new) is type(part)
        )

    @property
    def principal(self) -> Principal | None:
        """Who is asking, where an authentication plugin found it; setting it sets `caller` to its name."""
        return self._principal

    @principal.setter
    def principal(self, principal: Principal | None) -> None:
        self._principal = principal
        if principal is not None:
            self.caller = principal.name

    def count_pieces_by(self, count: Callable[[], Mapping[str, int] | None]) -> None:
        """The gateway's: how `estimate` finds what the request asks for that is charged by the piece."""
        self._pieces_of = count

    def estimate(self) -> RequestEstimate:
        """What the request may use at most, about, before it is sent; decodes nothing that is not decoded already."""
        known = self._estimate
        if known is not None:
            return known
        body, payload = self.http_request.body, self._request
        estimate = estimate_request(body, payload.value if payload is not None and payload.opened else None)
        if self._pieces_of is not None:
            estimate = self._estimate = replace(estimate, pieces=self._pieces_of())
        if len(body) >= CANONICAL_BELOW:  # of a shorter one it changes with what is decoded
            self._estimate = estimate
        return estimate

    # Another round.

    def follow_up(self, messages: Sequence[Message]) -> PluginResult:
        """Asks the model again, with `messages` added to the conversation; return what this returns from the hook.

        The chain runs once more from the start on the unedited request plus the messages of all follow-ups. Bounded
        by `maxTurns`.
        """
        self._follow_up = list(messages)
        return PluginResult(reevaluate_request=True)

    # Views of the HTTP request.

    @property
    def headers(self) -> dict[str, str]:
        """The client's headers by lower-case name; of several of one name the last."""
        return self.http_request.headers

    @property
    def query_params(self) -> dict[str, str]:
        """The query of the client's URL, decoded; of several of one name the last."""
        if self._query_params is None:
            self._query_params = dict(parse_qsl(self.http_request.query_string, keep_blank_values=True))
        return self._query_params

    @property
    def user_agent(self) -> str | None:
        """The client's `User-Agent`."""
        return self.http_request.raw_headers.get("user-agent")


_NO_REQUEST = HTTPRequest("POST", "", "", Headers(), b"")


class Engine:
    """What the engine does to a context, and plugins do not."""

    @staticmethod
    def begin_attempt(ctx: RequestContext, request: Payload[LLMRequest] | None) -> None:
        """Nothing of a former attempt remains but metadata, plugin data and the ledger."""
        ctx._request = request
        ctx._response = None
        ctx._accumulated = None
        ctx._buffered_chunk = None
        ctx._buffered_rope = None
        ctx.chunk = None
        ctx.final_chunk = False
        ctx.attempt_data = {}
        ctx.reply_truncated = False
        ctx.has_fallback = False
        ctx.fallback_kinds = None

    @staticmethod
    def take_follow_up(ctx: RequestContext) -> list[Message] | None:
        """The messages of a follow-up that was asked for, once."""
        messages, ctx._follow_up = ctx._follow_up, None
        return messages

    @staticmethod
    def set_buffer(ctx: RequestContext, chunk: LLMResponse | None, rope: Accumulator | None) -> None:
        """The buffer of the hook that runs next, as a value or as a rope that is joined when read."""
        ctx._buffered_chunk = chunk
        ctx._buffered_rope = rope

    @staticmethod
    def accumulate(ctx: RequestContext, chunk: LLMResponse) -> None:
        """`chunk` went to the client."""
        if ctx._accumulated is None:
            ctx._accumulated = Accumulator()
        ctx._accumulated.add(chunk)

    @staticmethod
    def size_of_accumulated(ctx: RequestContext) -> int:
        """Choices and parts of what the client has been sent, without joining them."""
        return 0 if ctx._accumulated is None else ctx._accumulated.size

    @staticmethod
    def beginning_of_accumulated(ctx: RequestContext, most: int) -> LLMResponse | None:
        """`accumulated_response` with not more choices than these, and not more parts of each."""
        return None if ctx._accumulated is None else ctx._accumulated.value(most)

    @staticmethod
    def accumulate_text(ctx: RequestContext, chunk: LLMResponse) -> None:
        """`chunk` went to the client, and equals the last one but for its text (`TextRun`)."""
        if ctx._accumulated is not None:
            ctx._accumulated.add_text(chunk)

    @staticmethod
    def withhold_request(ctx: RequestContext) -> None:
        """A plugin refused the request before all had seen it: its body is in no view of it any more."""
        ctx._request = ctx.base_request_payload = None
        ctx.upstream_request = None
        http = ctx.http_request
        ctx.http_request = HTTPRequest(http.method, http.path, http.query_string, http.raw_headers, b"", http.headers)

    @staticmethod
    def withhold_reply(ctx: RequestContext) -> None:
        """A plugin refused the reply: what of it has not been sent is in no view of it any more."""
        ctx._response = None
        ctx._buffered_chunk = ctx._buffered_rope = None
        ctx.chunk = None
        ctx.upstream_response = None
