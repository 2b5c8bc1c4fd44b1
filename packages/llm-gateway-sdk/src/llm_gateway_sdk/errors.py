"""The exception tree. An error knows its HTTP status; how it looks on the wire belongs to dialects.

GatewayError
├── ConfigError               start-up only; carries every problem that was found
├── InvalidRequest            400  the client's request does not decode
├── Unauthorized              401  no valid credential
├── NotFound                  404  no such route or resource
│   └── ModelNotFound         404  names the available models
├── PayloadTooLarge           413
├── Overloaded                503  the gateway refuses before memory is spent
├── RequestRejected           a plugin refused: expected, logged at info
├── PluginError               500  a plugin broke
└── ModelError                upstream failed
    ├── ModelHTTPError        non-2xx reply
    ├── ModelTimeout          504
    ├── ModelConnectionError  502
    ├── ModelProtocolError    502  2xx, but not what the dialect promises
    └── ModelStreamError      the stream had an error event, or broke, after it was opened
DialectError                  raised by pure translation code, which does not know who is to blame
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .writable import readable

__all__ = [
    "LONGEST_MESSAGE",
    "TRANSIENT_KINDS",
    "ConfigError",
    "ConfigProblem",
    "DialectError",
    "ErrorClass",
    "ErrorInfo",
    "GatewayError",
    "InvalidRequest",
    "ModelConnectionError",
    "ModelError",
    "ModelHTTPError",
    "ModelNotFound",
    "ModelProtocolError",
    "ModelStreamError",
    "ModelTimeout",
    "NotFound",
    "Overloaded",
    "PayloadTooLarge",
    "PluginError",
    "RequestRejected",
    "Unauthorized",
    "shortened",
]

ErrorClass = Literal[
    "bad_request",
    "authentication",
    "permission",
    "not_found",
    "too_large",
    "rate_limit",
    "quota",
    "overloaded",
    "timeout",
    "context_length",
    "content_policy",
    "upstream",
    "client_disconnected",
    "unknown",
]
"""What kind of failure it is, whatever the dialect calls it. `quota` is a spend cap or an empty account: waiting does
not help. `upstream` is a broken or unreachable provider. `client_disconnected` is recorded
where no client was left to be answered."""

TRANSIENT_KINDS: frozenset[ErrorClass] = frozenset({"rate_limit", "overloaded", "timeout", "upstream", "unknown"})
"""Failures that may be over at the next try, or do not happen at another provider."""


SHUTTING_DOWN = "shutting_down"
"""The code of an error with which the end of the gateway cut a request off."""

LONGEST_MESSAGE = 16 * 1024
"""Characters of an error's message."""


def shortened(text: str, longest: int | None = LONGEST_MESSAGE) -> str:
    """The text, or its beginning where it is longer than that."""
    return text if longest is None or len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


@dataclass(slots=True)
class ErrorInfo:
    """An error as a dialect reads and writes it."""

    message: str
    """For people."""
    status: int = 500
    """HTTP status, as the provider gave it."""
    kind: ErrorClass = "unknown"
    """The class of the error, the same for all vendors."""
    type: str | None = None
    """The vendor's own type, e.g. `invalid_request_error`."""
    code: str | None = None
    """The vendor's own code, e.g. `context_length_exceeded`."""
    param: str | None = None
    """Which request field is to blame, where the vendor reports it."""
    retry_after: float | None = None
    """Seconds to wait, from `retry-after`, `retry-after-ms` or the body."""
    request_id: str | None = None
    """The vendor's id of the request."""
    provider_metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""
    of_output: bool = False
    """The provider works: what its model wrote for this request broke, as a call that is not valid JSON."""


class DialectError(Exception):
    """A body or event that is not what the dialect promises. `path` names the place, e.g. `messages[2].content`; `code`
    is the API's own word for it."""

    def __init__(self, message: str, *, path: str | None = None, code: str | None = None) -> None:
        message, path = shortened(message), shortened(path) if path else path
        super().__init__(f"{path}: {message}" if path else message)
        self.message = message
        self.path = path
        self.code = code


class GatewayError(Exception):
    """Base of everything that the gateway raises on purpose."""

    status: int = 500
    """HTTP status of the reply to the client."""
    code: str | None = None
    """For programs, in the client's error body; None leaves it to the dialect."""
    kind: ErrorClass = "unknown"
    """The class of the error, the same for all vendors."""
    longest_message: int | None = LONGEST_MESSAGE
    """Characters; what is longer is cut, for a message may quote what somebody sent."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        kind: ErrorClass | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(shortened(message, self.longest_message))
        if status is not None:
            self.status = status
        if code is not None:
            self.code = code
        if kind is None and status is not None:
            kind = self.kind_of_status(status)
        if kind is not None:
            self.kind = kind
        self.param = shortened(param) if param else param
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        """The error's text. A plugin may put it in other words; `str(error)` is the same text."""
        return str(self.args[0])

    @message.setter
    def message(self, message: str) -> None:
        self.args = (shortened(message, self.longest_message),)

    def kind_of_status(self, status: int) -> ErrorClass | None:
        """The class of an error that was given a status and no class; None keeps that of its type."""
        return None

    @property
    def recorded_kind(self) -> str:
        """What logs, metrics and traces call it: the class, or `shutting_down` for what the gateway's end cut off,
        which is not a lack of room."""
        return SHUTTING_DOWN if self.code == SHUTTING_DOWN else self.kind

    def info(self) -> ErrorInfo:
        """The same in the form that dialects encode."""
        return ErrorInfo(
            message=self.message,
            status=self.status,
            kind=self.kind,
            code=self.code,
            param=self.param,
            retry_after=self.retry_after,
        )


@dataclass(slots=True, frozen=True)
class ConfigProblem:
    """One thing that is wrong with a configuration, and what would be right."""

    message: str
    """What was expected, what was found, and what would be right."""
    path: str = ""
    """Where in the document, e.g. `projects[1].plugins[0].config.patterns`."""
    file: str | None = None
    """The file that it is in; None for what comes from elsewhere."""
    line: int | None = None
    """Counted from 1."""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return (
            " ".join(part + ":" for part in (place, readable(self.path)) if part)
            + (" " if place or self.path else "")
            + readable(self.message)
        )


class ConfigError(GatewayError):
    """The configuration can't be used. `problems` holds all that was found."""

    longest_message = None

    def __init__(self, problems: Sequence[ConfigProblem] | str) -> None:
        self.problems = [ConfigProblem(problems)] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InvalidRequest(GatewayError):
    """The client's request can't be read or makes no sense: 400."""

    status = 400
    kind: ErrorClass = "bad_request"

    def kind_of_status(self, status: int) -> ErrorClass:
        """Dialects write no status that contradicts the class."""
        return _kind_of_refusal(status)


class Unauthorized(GatewayError):
    """No credential, or an unknown one: 401."""

    status = 401
    kind: ErrorClass = "authentication"


class NotFound(GatewayError):
    """There is no such path, project or thing: 404."""

    status = 404
    kind: ErrorClass = "not_found"


class ModelNotFound(NotFound):
    """No model of the project has the name that was asked for: 404, code `model_not_found`."""

    code = "model_not_found"

    def __init__(self, model: str, available: Sequence[str] = ()) -> None:
        known = f" Available models: {', '.join(available)}." if available else ""
        super().__init__(f"The model '{model}' does not exist here.{known}", param="model")
        self.model = model


class PayloadTooLarge(GatewayError):
    """The body is larger than the configured limit: 413."""

    status = 413
    kind: ErrorClass = "too_large"


class Overloaded(GatewayError):
    """The gateway has as many requests as it may have at once: 503."""

    status = 503
    kind: ErrorClass = "overloaded"
    code = "overloaded"


class RequestRejected(GatewayError):
    """A plugin refused the request or the reply. `plugin` is its name in the configuration, `limit` the name of the
    limit that was reached, where it was one; the client gets it in `x-llm-gateway-limit`."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 500,
        plugin: str | None = None,
        code: str | None = None,
        kind: ErrorClass | None = None,
        retry_after: float | None = None,
        limit: str | None = None,
    ) -> None:
        super().__init__(
            message, status=status, code=code, kind=kind or _kind_of_refusal(status), retry_after=retry_after
        )
        self.plugin = plugin
        self.limit = limit


class PluginError(GatewayError):
    """A plugin raised. The client learns the plugin's name, not what it raised."""

    def __init__(
        self, plugin: str, phase: str, cause: BaseException | None = None, *, project: str | None = None
    ) -> None:
        super().__init__(f"Plugin '{plugin}' failed in {phase}.", code="plugin_error")
        self.plugin = plugin
        self.phase = phase
        self.project = project
        self.cause = cause


class ModelError(GatewayError):
    """The model's provider failed.

    `retryable`: another try, or another target, may succeed. `headers` are the provider's (rate limits, request id),
    `body` its error body, verbatim, where there is one.
    """

    status = 502
    kind: ErrorClass = "upstream"
    longest_message = None  # a plugin has to see what it is to hide whole

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        kind: ErrorClass | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        retryable: bool = True,
        model: str | None = None,
        provider: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
        dialect: str | None = None,
        info: ErrorInfo | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code, kind=kind, param=param, retry_after=retry_after)
        self.retryable = retryable
        self.model = model
        self.provider = provider
        self.headers = list(headers)
        self.body = body
        self.dialect = dialect
        self._info = info

    def info(self) -> ErrorInfo:
        """The provider's own error, where it was read; else one made from this exception."""
        return self._info if self._info is not None else super().info()


class ModelHTTPError(ModelError):
    """The provider answered with a status other than 2xx, which gives the error its kind unless one is given."""

    def __init__(
        self, message: str, *, status: int | None = None, kind: ErrorClass | None = None, **details: Any
    ) -> None:
        if kind is None and status is not None:
            kind = kind_of_status(status)
        super().__init__(message, status=status, kind=kind, **details)


class ModelTimeout(ModelError):
    """A time limit passed: `reason` is `connect`, `first_token`, `idle` or `total`. `sent` is whether the provider had
    the request by then."""

    status = 504
    kind: ErrorClass = "timeout"

    def __init__(self, reason: str, message: str | None = None, *, sent: bool | None = None, **details: Any) -> None:
        super().__init__(message or f"The model's provider did not answer in time ({reason}).", **details)
        self.reason = reason
        self.sent = reason != "connect" if sent is None else sent
        self.code = f"{reason}_timeout"


class ModelConnectionError(ModelError):
    """No connection, or it broke.

    `reason` is for the operator's log, which has neither a client's nor a provider's words: what failed at which host,
    such as `api.openai.com: its host name can't be resolved`. The client gets `message` alone.
    """

    def __init__(self, message: str, *, reason: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.reason = reason


class ModelProtocolError(ModelError):
    """The provider answered something that its API does not promise."""


class ModelStreamError(ModelError):
    """A stream with an error event, or one that ended before its end."""


_KINDS: dict[int, ErrorClass] = {
    400: "bad_request",
    401: "authentication",
    402: "quota",
    403: "permission",
    404: "not_found",
    406: "bad_request",
    408: "timeout",
    409: "overloaded",  # another request has the resource: Anthropic's and OpenAI's SDKs try again
    410: "not_found",  # a model that has been retired
    411: "bad_request",
    412: "bad_request",
    413: "too_large",
    414: "bad_request",
    415: "bad_request",
    416: "bad_request",
    418: "bad_request",
    422: "bad_request",
    423: "overloaded",  # a model that is being loaded or changed
    425: "overloaded",
    429: "rate_limit",
    431: "bad_request",
    451: "content_policy",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
"""Only these blame the request or its sender. Every other status below 500 is between the gateway and the provider: 405
of a wrong `baseUrl`, 407 of a proxy, 421 of the wrong host, 424 of a model that failed, 499 of a server in between."""


def kind_of_status(status: int) -> ErrorClass:
    """The error class that the status of a provider's reply alone suggests."""
    return _KINDS.get(status, "upstream")


def _kind_of_refusal(status: int) -> ErrorClass:
    """The class of a status that a plugin has chosen for the client."""
    kind = _KINDS.get(status)
    if kind is not None and status != 409:
        return kind
    return "bad_request" if 400 <= status < 500 else "unknown"


def names_conversation(param: str | None, message: str = "") -> bool:
    """Whether an error is about the text of the conversation and not about a name, an id or a tool of the request.

    `param` is the vendor's (`messages[2].content[0].text`); without it the first quoted place of `message` counts.
    """
    if param is None and (quoted := re.search(r"['\"`]([a-z][\w.\[\]]*)['\"`]", message)) is not None:
        param = quoted[1]
    return param is not None and _CONVERSATION.fullmatch(param) is not None


_CONVERSATION = re.compile(
    r"(?:messages|input|contents?|prompt|system|instructions)"
    r"(?:(?:\[\d+\]|\.\d+)?(?:\.(?:content|text|parts|output|arguments|input_text)(?:\[\d+\]|\.\d+)?)*)"
)


def status_of_kind(error: ErrorInfo, usual: int) -> int:
    """The status for another vendor's error: its own where that suggests the same kind to a reader,
    else the `usual` one of that kind. A wrong key is 400 at one vendor and 403 at another, and clients look for 401."""
    status = error.status
    if not 400 <= status < 600:
        return usual
    if error.type is not None and status in (408, 424):
        # A vendor's model that failed or took too long; by themselves these statuses blame the client.
        return usual
    if status == 400 and error.kind == "not_found":
        # An unknown model is a bad request at some vendors; a 404 would blame the address.
        return status
    if status == 405 and error.kind == "bad_request":
        return status  # the gateway's own refusal of a method; a provider's 405 is of another kind
    suggested = kind_of_status(status)
    if suggested == "upstream" and status < 500:
        return usual  # by themselves these statuses would blame the client
    kept = error.kind in ("unknown", "upstream", suggested) or suggested == kind_of_status(usual)
    return status if kept else usual
