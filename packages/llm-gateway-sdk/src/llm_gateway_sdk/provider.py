"""Providers: who answers. An HTTP provider is a dialect plus an address and credentials; any other implements
`execute` and `execute_streaming` over the canonical types."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

from .context import Operation
from .credential_kinds import CredentialKind, make_credential
from .credentials import Token, TokenSource
from .dialect import Headers, Target, WireRequest
from .dialects.quirks import normalised
from .errors import ConfigError, ConfigProblem
from .http import HTTPClient, HTTPReply
from .model_facts import ModelFacts
from .operations.form import OperationForm
from .request import LLMRequest
from .response import LLMResponse
from .secrets import CREDENTIAL_HEADERS
from .token_command import TokenCommand

__all__ = [
    "HTTP_PROVIDER_PROPERTIES",
    "Call",
    "HTTPProvider",
    "HTTPSettings",
    "Provider",
    "ProviderServices",
    "http_provider_schema",
    "parse_duration",
    "stable",
]


def _new_id(prefix: str) -> str:
    return f"{prefix}{secrets.token_hex(12)}"


def _now() -> int:
    return int(time.time())


@dataclass(slots=True)
class Call:
    """One call of a provider, as `execute` sees it.

    `request_id` is that of the client's request; `model` the provider's name of the model; `attempt` counts the calls
    for this request before this one; `new_id(prefix)` makes an id, and `now()` gives the seconds since the epoch: with
    these two a provider can be tested with fixed ids and times. A request that is `heavy` is so large that work on all
    of it belongs in a thread (`heavy.run_aside`).
    """

    request_id: str
    """The client's request; the same in every log and trace."""
    model: str
    """The provider's name of the model."""
    attempt: int = 0
    """0 for the first call of a request."""
    new_id: Callable[[str], str] = _new_id
    """Makes a fresh id that begins with the text it is given."""
    now: Callable[[], int] = _now
    """Seconds since the epoch."""
    heavy: bool = False
    """The request is very large."""


class ProviderServices:
    """What the gateway offers to a provider from `configure` on (`self.gateway`)."""

    def http_client(self) -> Any:
        """An `httpx.AsyncClient` over the gateway's own connection pool, without cookies, redirects or environment.
        The gateway closes it. Raises LookupError where no gateway runs, as in a test without `http_client=`."""
        raise LookupError("no gateway is running")


class Provider:
    """Base of providers without HTTP underneath. One instance per configured model."""

    name: ClassVar[str]
    """Its `type` in YAML."""

    configuration_schema: ClassVar[dict[str, Any]] = {"type": "object"}
    """JSON Schema of its settings in YAML."""
    dialect: ClassVar[str] = ""
    """The dialect which the provider speaks; empty for providers over canonical types."""

    model: str | None = None
    """The provider's own name of the model; None passes the client's name on."""
    bypass_model: bool = False
    """The client's model name is passed on even where `model` is set."""
    gateway: ProviderServices = ProviderServices()
    """Set by the gateway, and by the harness, before `configure`."""

    async def configure(self, config: dict[str, Any]) -> None:
        """Takes the configuration, valid by `configuration_schema`. Raises ConfigError."""
        self.config = config
        self.model = config.get("model")
        self.bypass_model = bool(config.get("bypassModel", False))

    async def execute(self, request: LLMRequest, call: Call) -> LLMResponse:
        """The whole reply. Raises ModelError."""
        raise NotImplementedError(f"provider '{self.name}' has no execute")

    def execute_streaming(self, request: LLMRequest, call: Call) -> AsyncIterator[LLMResponse]:
        """The reply in chunks, the last with `final` set. Raises ModelError."""
        raise NotImplementedError(f"provider '{self.name}' has no execute_streaming")

    async def close(self) -> None:
        """Called once, after the last call."""


Method = TypeVar("Method", bound=Callable[..., Any])


def stable(method: Method) -> Method:
    """Marks a method of an HTTPProvider that makes a part of a call's address or headers, and makes it of path, query,
    headers and settings alone: not of the body, a clock, or chance. One that overrides it without the mark is taken to
    depend on more."""
    vars(method)["is_stable"] = True
    return method


_HEAD_METHODS = ("url", "authorize", "authorize_by_token", "forward_credential", "prepare")

OnLeave: TypeAlias = Literal["cancel", "drain", "full"]


@dataclass(slots=True)
class HTTPSettings:
    """What every HTTP provider takes. Times are seconds."""

    base_url: str = ""
    """The API's address, without a slash at the end."""
    api_key: str | None = None
    """The provider's key; None where it needs none or has another credential."""
    credentials: Literal["gateway", "client"] = "gateway"
    """`client` forwards the caller's own credential in place of `api_key`."""
    model: str | None = None
    """The provider's name of the model; None passes the client's on."""
    bypass_model: bool = False
    """The client's model name is passed on even where `model` is set."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers of each call."""
    timeout: float = 600.0
    """For a whole call."""
    connect_timeout: float = 5.0
    """For a connection, TLS included."""
    first_token_timeout: float = 300.0
    """From the request to the first content of the reply."""
    stream_idle_timeout: float = 300.0
    """Between two pieces of a stream."""
    retry_attempts: int = 3
    """Tries per target, the first included."""
    retry_attempts_written: bool = False
    """The number is the configuration's own, not the default."""
    retry_delay: float = 1.0
    """Before the second try; it doubles, with jitter."""
    on_leave: OnLeave = "cancel"
    """What becomes of a call whose client leaves: `cancel` ends it, and what came is counted; `drain` reads its reply
    to the end, for exact counts; `full` ends it and counts the most that the request allows, as also where the provider
    did not answer in time."""
    include_usage: bool = True
    """Ask for usage on streams where a provider gives none unasked."""
    api_version: str | None = None
    """The API's version to send; None is the dialect's own."""
    proxy: str | None = None
    """HTTP proxy for calls, `http://host:port`."""
    ca_file: str | None = None
    """PEM file of the authorities to trust; None is the system's."""
    client_cert: str | Sequence[str] | None = None
    """PEM file of the client certificate, or (certificate, key)."""
    quirks: dict[str, Any] = field(default_factory=dict)
    """What this server does otherwise than the API's document; keys are the dialect's."""


class HTTPProvider(Provider):
    """A provider whose API is a dialect over HTTP.

    A subclass names its dialect, its default address and how it authorises; everything else is settings. The gateway
    drives the call, so that timeouts, retries, streaming and cancellation are the same for all of them.
    """

    default_base_url: ClassVar[str] = ""
    """Where no `baseUrl` is configured."""
    api_key_variable: ClassVar[str] = ""
    """Environment variable that customarily holds the key; for messages and `init`, never read by itself."""
    finds_credentials: ClassVar[bool] = False
    """Whether calls can be authorised without `apiKey`, by credentials that the vendor's own library finds."""
    quirks: ClassVar[Mapping[str, Any]] = {}
    """What its servers do otherwise than the dialect's document; the configuration's own go before them."""
    default_api_version: ClassVar[str | None] = None
    """Where no `version` is configured; None is the dialect's own."""
    forms: ClassVar[Sequence[OperationForm[Any, Any]]] = ()
    """The operations next to generation that the provider has, each in the form that it takes."""
    credential_headers: ClassVar[tuple[str, ...]] = tuple(sorted(CREDENTIAL_HEADERS))
    """Headers of the client's which hold credentials; forwarded only with `credentials: client`."""

    adapts_replies: bool = False
    """Replies go through `adapt_reply`."""

    keeps_responses: bool = False
    """The server keeps replies of the Responses API that were not sent with `store: false`, and finds them by id: the
    gateway's own memory then leaves them to it."""

    auth_defaults: ClassVar[Mapping[str, Any]] = {}
    """What `auth` has where it is not written, such as the scope that this provider wants."""
    _credential: CredentialKind | None = None

    tokens: TokenSource | None = None
    """Where the credential is one that ends. Awaited before a call is prepared; `credential` then has its token."""

    facts_of: Callable[[str], ModelFacts | None] | None = None
    """The facts of a model by the provider's name of it; set by the gateway before the first request."""

    async def configure(self, config: dict[str, Any]) -> None:
        """Reads the settings; an override calls this one first."""
        await super().configure(config)
        self.settings = self.read_settings(config)
        self._targets: dict[str, Target] = {}
        self.model = self.settings.model
        self.bypass_model = self.settings.bypass_model
        self.base_url = self.settings.base_url.rstrip("/")
        self.token_header = str(config.get("tokenHeader") or "authorization").lower()
        found = self.find_credential(config, self.base_url)
        if isinstance(found, CredentialKind):
            self._credential = found
            self.use_tokens(self._fetch_by_auth)
        elif found is not None:
            self.use_tokens(found)

    @classmethod
    def find_credential(cls, config: Mapping[str, Any], base_url: str) -> CredentialKind | TokenCommand | None:
        """What `auth` or `tokenCommand` describes; None without them. Raises ConfigError."""
        command, auth = config.get("tokenCommand"), config.get("auth")
        written = [key for key in ("apiKey", "tokenCommand", "auth") if config.get(key)]
        if len(written) > 1 and written != ["apiKey"]:
            raise ConfigError([ConfigProblem(f"write either `{written[0]}` or `{written[-1]}`", written[-1])])
        if auth:
            return make_credential({**cls.auth_defaults, **auth}, base_url)
        return _command_of(command, config) if command else None

    async def _fetch_by_auth(self) -> Token:
        assert self._credential is not None
        self._credential.http = self.http
        return await self._credential.fetch()

    def use_tokens(self, fetch: Callable[[], Awaitable[Token]], *, timeout: float = 30.0) -> None:
        """Fetches this provider's credential by `fetch` from now on, unless the callers' own are sent."""
        if self.settings.credentials == "gateway":
            self.tokens = TokenSource(fetch, self.name, timeout=timeout)

    def read_settings(self, config: Mapping[str, Any]) -> HTTPSettings:
        """The settings of §`every HTTP provider` of the configuration reference; durations in ms or with a unit."""
        settings = HTTPSettings(
            base_url=str(config.get("baseUrl") or self.default_base_url),
            api_key=config.get("apiKey"),
            credentials=config.get("credentials", "gateway"),
            model=config.get("model"),
            bypass_model=bool(config.get("bypassModel", False)),
            headers={str(name).lower(): str(value) for name, value in (config.get("headers") or {}).items()},
            include_usage=bool(config.get("includeUsage", True)),
            api_version=config.get("version") or self.default_api_version,
            proxy=config.get("proxy") or None,
            ca_file=config.get("caFile"),
            client_cert=config.get("clientCert"),
            quirks={**self.quirks, **normalised(config.get("quirks"))},
        )
        if config.get("onLeave") is not None:
            settings.on_leave = config["onLeave"]
        for key, attribute in _DURATIONS.items():
            if config.get(key) is not None:
                setattr(settings, attribute, parse_duration(config[key]))
        if config.get("retryAttempts") is not None:
            settings.retry_attempts = int(config["retryAttempts"])
            settings.retry_attempts_written = True
        return settings

    def dialect_for(self, client_dialect: str, request_path: str, model: str = "") -> str:
        """Which dialect to speak upstream for a client of `client_dialect` that asks for the provider's `model`; nearly
        always the one."""
        return self.dialect

    def form_for(self, operation: Operation, client_form: str, model: str) -> OperationForm[Any, Any] | None:
        """How an operation next to generation is written for the provider's `model`; None where it does not have it.
        Of several forms the client's own goes first."""
        found = [form for form in self.forms if form.operation == operation]
        return next((form for form in found if form.name == client_form), found[0] if found else None)

    def target(self, model: str, dialect: str) -> Target:
        """What requests for the provider's `model` are encoded for."""
        known = self._targets.get(model)
        if known is None:
            settings = self.settings
            known = Target(
                model,
                self.name,
                settings.api_version,
                settings.include_usage,
                settings.quirks,
                self.facts_of(model) if self.facts_of is not None else None,
            )
            if len(self._targets) < _MAX_TARGETS:
                self._targets[model] = known
        return known

    @classmethod
    def has_stable_heads(cls) -> bool:
        """Whether address and headers of a call follow from path, query, the client's headers and the settings alone,
        so that calls that are alike in these are alike in those: every method that makes them is marked `stable`."""
        return all(getattr(getattr(cls, name), "is_stable", False) for name in _HEAD_METHODS)

    @stable
    def url(self, wire: WireRequest) -> str:
        """The absolute address of a request."""
        return f"{self.base_url}{wire.path}?{wire.query}" if wire.query else self.base_url + wire.path

    @stable
    def authorize(self, headers: Headers) -> None:
        """Sets the provider's own key, `settings.api_key`; a token that ends is set by `authorize_by_token`."""
        if self.settings.api_key:
            headers.set("authorization", f"Bearer {self.settings.api_key}")

    @stable
    def authorize_by_token(self, headers: Headers, token: str) -> None:
        """Sets a token of `tokens`."""
        for name in self.credential_headers:
            headers.remove(name)
        headers.set(self.token_header, f"Bearer {token}" if self.token_header == "authorization" else token)

    def adapt_reply(self, reply: HTTPReply) -> HTTPReply:
        """Where `adapts_replies`: a reply of this provider in the form that its dialect reads, such as a stream in
        another framing."""
        return reply

    @stable
    def forward_credential(self, headers: Headers, token: str) -> None:
        """Sets the caller's own credential (`credentials: client`) in the place where this provider looks for it."""
        headers.set("authorization", f"Bearer {token}")

    @stable
    def prepare(self, wire: WireRequest) -> tuple[str, str, Headers, bytes]:
        """(method, URL, headers, body) of the call that is made; the place to sign requests (SigV4)."""
        headers = wire.headers
        for name, value in self.settings.headers.items():
            headers.set(name, value)
        if self.tokens is not None and (token := self.tokens.value) is not None:
            self.authorize_by_token(headers, token)
        elif self.settings.credentials == "gateway":
            self.authorize(headers)
        return wire.method, self.url(wire), headers, wire.body

    @property
    def origin(self) -> str:
        """Scheme and authority, for messages and metrics."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")

    def secrets(self) -> tuple[str, ...]:
        """Strings that may not reach a client, a log or a trace."""
        known = self.tokens.known() if self.tokens is not None else ()
        return (self.settings.api_key, *known) if self.settings.api_key else known

    async def close(self) -> None:
        """Ends what refreshes the credential."""
        if self.tokens is not None:
            await self.tokens.aclose()
        if self._credential is not None:
            await self._credential.close()

    http: HTTPClient
    """The pooled client, given by the gateway before the first call."""


def parse_duration(value: Any) -> float:
    """Seconds: a bare number is milliseconds, a string takes a unit (`250ms`, `15s`, `2m`, `1h`). Raises ValueError."""
    if isinstance(value, bool):
        raise ValueError("a duration is a number of milliseconds or a string such as '15s'")
    if isinstance(value, int | float):
        if not 0 <= value < inf:
            raise ValueError("a duration is not negative, and finite")
        return value / 1000
    match = _DURATION.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f"'{value}' is not a duration; write milliseconds (1500) or a unit (250ms, 15s, 2m, 1h)")
    seconds = float(match[1]) * _UNITS[match[2] or "ms"]
    if seconds == inf:
        raise ValueError("a duration is not negative, and finite")
    return seconds


def _command_of(written: Any, config: Mapping[str, Any]) -> TokenCommand:
    lifetime = config.get("tokenLifetime")
    try:
        command = TokenCommand(written, None if lifetime is None else parse_duration(lifetime))
    except ValueError as error:
        raise ConfigError([ConfigProblem(f"expected a program and its arguments: {error}", "tokenCommand")]) from None
    if (problem := command.problem()) is not None:
        raise ConfigError([ConfigProblem(problem, "tokenCommand")])
    return command


_MAX_TARGETS = 256
"""With `bypassModel` names come from clients: what is kept of them must not grow."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATIONS = {
    "timeout": "timeout",
    "connectTimeout": "connect_timeout",
    "firstTokenTimeout": "first_token_timeout",
    "streamIdleTimeout": "stream_idle_timeout",
    "retryDelay": "retry_delay",
}

_DURATION_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h)?$"}],
    "x-parsed-duration": True,
}


def _duration(description: str, default: str) -> dict[str, Any]:
    return {**_DURATION_SCHEMA, "description": description, "default": default}


HTTP_PROVIDER_PROPERTIES: dict[str, Any] = {
    "apiKey": {"type": "string", "description": "The provider's key, usually `${SOME_VARIABLE}`.", "writeOnly": True},
    "credentials": {
        "enum": ["gateway", "client"],
        "default": "gateway",
        "description": "`client` forwards the caller's own credential in place of `apiKey`.",
    },
    "tokenCommand": {
        "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
        "description": "A program that prints a token, in place of `apiKey`: as it is, or in a JSON object with its "
        "end. It is called without a shell, and again before the token ends.",
    },
    "auth": {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"type": "string", "description": "The kind of credential."},
            "clientSecret": {"type": "string", "writeOnly": True, "description": "Of an application's account."},
        },
        "description": "A credential that ends, in place of `apiKey`: `type` is `oauth` (client credentials), or a "
        "kind that a wheel adds: `entra` of `llm-gateway[azure]`, `google` of `llm-gateway[vertex]`.",
    },
    "tokenLifetime": _duration("How long its token lasts, where it does not say so itself.", "300s"),
    "tokenHeader": {
        "type": "string",
        "pattern": "^[A-Za-z0-9-]+$",
        "default": "authorization",
        "description": "The header for the token: `authorization` (as `Bearer …`), or another that holds only it.",
    },
    "baseUrl": {"type": "string", "pattern": "^https?://", "description": "The API's address."},
    "model": {
        "type": "string",
        "description": "The provider's name of the model; without it the client's is passed on.",
    },
    "bypassModel": {"type": "boolean", "default": False, "description": "Pass the client's model name on in any case."},
    "headers": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "Further headers of each call.",
    },
    "timeout": _duration("Limit of the whole call.", "600s"),
    "connectTimeout": _duration("Limit for making a connection.", "5s"),
    "firstTokenTimeout": _duration("Limit until the first content of a reply.", "300s"),
    "streamIdleTimeout": _duration("Limit between two pieces of a stream.", "300s"),
    "retryAttempts": {
        "type": "integer",
        "minimum": 1,
        "default": 3,
        "description": "Tries per target, the first included; with 1 there are no retries.",
    },
    "retryDelay": _duration("First pause between tries; it doubles, with jitter.", "1000ms"),
    "onLeave": {
        "enum": ["cancel", "drain", "full"],
        "default": "cancel",
        "description": "When a client leaves: `cancel` ends the call and counts what came; `drain` reads the reply to "
        "its end, so that its use is known exactly; `full` ends the call and counts the most that the request allows, "
        "for providers that bill the whole answer.",
    },
    "includeUsage": {
        "type": "boolean",
        "default": True,
        "description": "Ask for usage on streams where that is needed.",
    },
    "proxy": {"type": "string", "description": "HTTP proxy for calls, `http://host:port`."},
    "caFile": {"type": "string", "description": "PEM file of the authorities to trust."},
    "clientCert": {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2}],
        "description": "PEM file of the client certificate, or [certificate, key].",
    },
    "version": {"type": "string", "description": "API version to send."},
    "quirks": {"type": "object", "description": "What this server does otherwise than the API's document."},
}


def http_provider_schema(**more: Any) -> dict[str, Any]:
    """JSON Schema of an HTTP provider's configuration, with further properties."""
    return {"type": "object", "properties": {**HTTP_PROVIDER_PROPERTIES, **more}, "additionalProperties": False}
