"""What a plugin is: a class with the hooks that it needs, and its metadata."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

from .admin import AdminRoute, Role
from .context import Attempt, PluginResult, RequestContext
from .hook_contexts import ChunkContext, ResponseContext
from .model_facts import ModelFacts, Prices
from .page_host import ConsoleArea
from .principal import Principal
from .store import Store
from .upstream_quota import UpstreamQuota

__all__ = [
    "API_VERSION",
    "HOOKS",
    "GatewayServices",
    "HookReturn",
    "Plugin",
    "PluginMetadata",
    "PluginResult",
    "plugin_metadata",
]

API_VERSION = (0, 1)
"""Version of these interfaces. A plugin built for another first number, or for a newer second one, is refused when it
is loaded."""

HOOKS = (
    "before_request",
    "before_model",
    "after_model",
    "after_chunk",
    "on_model_error",
    "after_request",
    "detached_after_response",
)


HookReturn: TypeAlias = PluginResult | None


class GatewayServices:
    """What the gateway offers to a plugin while it is configured (`self.gateway`)."""

    async def aclose(self) -> None:
        """Ends what the services hold."""

    def shared(self, key: str, factory: Callable[[], Any]) -> Any:
        """The one object of this key in this process, made by `factory` when first asked for. It outlives reloads of
        the configuration, and its `close` (or `aclose`) is called when its last user is gone."""
        raise LookupError("no gateway is running")

    def http_client(self) -> Any:
        """An `httpx.AsyncClient` over the gateway's own connection pool, without cookies, redirects or environment."""
        raise LookupError("no gateway is running")

    @property
    def store(self) -> Store:
        """The gateway's store, for counters, documents and logs that all workers and gateways share. Connects when it
        is first used. Raises ConfigError or ValueError where it can't be used."""
        raise LookupError("no gateway is running")

    @property
    def models(self) -> Sequence[str]:
        """The names of the project's models."""
        return ()

    @property
    def models_version(self) -> object:
        """Another object as soon as the project's models are configured anew. What a plugin has worked out from their
        names, facts and prices is current for as long as this is the same object."""
        return None

    def model_provider(self, name: str) -> str | None:
        """The provider's type of the project's model of this name or alias."""
        return None

    def model_name(self, name: str) -> str | None:
        """The project's model that answers where a client asks for `name`, be it an alias of it; None where `name` is
        only one of many that an alias with `*` or a default passes on."""
        return None

    def facts_of(self, model: str | None) -> ModelFacts | None:
        """The facts of the model that answers where a client or a plugin asks for `model` (None: the default one); None
        where nothing is known of it."""
        return None

    def prices_of(self, model: str | None) -> Prices | None:
        """What that model costs. `assumed_from` names the other model whose price it is; None where it is unknown."""
        return None

    def prices_of_attempt(self, attempt: Attempt) -> Prices | None:
        """What the model costs that was asked in this attempt, whatever name the client or a router gave it."""
        return self.prices_of(attempt.model)

    def upstream_quota(self, model: str | None) -> UpstreamQuota | None:
        """What the provider of the model that answers for `model` reports to be left of its rates, kept from the first
        time that it is asked for; None where there is no such model, or its provider has no HTTP API."""
        return None

    def secret(self, purpose: str) -> bytes:
        """32 bytes for signing, which follow from the administration's credentials: the same in all workers and
        gateways of one configuration, and others as soon as a credential changes. Empty where administration is off."""
        return b""

    @property
    def project(self) -> str:
        """Name of the project that the plugin is configured in."""
        return "default"

    @property
    def workers(self) -> int:
        """How many worker processes serve this configuration."""
        return 1


class Plugin:
    """Base of all plugins. Define the hooks that you need, `async def` or plain `def`; the others cost nothing.

    One instance serves many requests at once: what belongs to a request goes into `ctx.plugin_data`, what belongs to
    one attempt or stream into `ctx.attempt_data`, nothing on `self`.
    """

    metadata: ClassVar[PluginMetadata]
    """From `@plugin_metadata`."""

    operations: ClassVar[frozenset[str] | None] = None
    """The operations (`generate`, `count_tokens`, `embed`, `models`, `native`) that the hooks run for; None is all. An
    instance may set others in `configure`."""

    on_stream: ClassVar[Literal["skip", "whole", "refuse"] | None] = None
    """For plugins with `after_model` and no `after_chunk`: on a stream leave it out, hold the stream and run it once on
    the whole, or refuse the request. Unset is `skip`, with a warning at start."""

    authenticates: bool = False
    """`before_model` finds out who is asking, and sets `ctx.principal`. It then runs in its own phase: once per
    request, before all plugins that do not authenticate, and never again for fallbacks or follow-ups. A plugin that
    does not know the form of a credential returns None; where none of them has set a principal, the request is refused
    with 401."""

    authenticates_from_head: bool = False
    """With `authenticates`: `before_model` looks at nothing but the request's head (headers, method, path, query) and
    `ctx.client_ip`. Where all authenticating plugins of a project declare it, a body that takes time to arrive is
    waited for only after they have let the caller in, so that strangers can't fill the memory for uploads. They are
    called once more when such a body is whole."""

    principal_fields: ClassVar[frozenset[str] | None] = None
    """With `authenticates`: which fields of the principal (`id`, `user`, `team`, `org`, `labels`) it can set; None is
    all. `check` gives a notice of settings that need another one."""

    edits_request: ClassVar[bool] = False
    """The plugin must see what is sent. Native calls, whose body it can't see, are refused where it is active, unless
    the project allows them; so are keys that a body has twice. What a dialect does not read of a request is left
    out."""

    edits_reply: ClassVar[bool | None] = None
    """The plugin must see what is answered: what a dialect does not read of a reply is left out. None is as
    `edits_request`."""

    blocking: ClassVar[bool] = False
    """Plain `def` hooks run in a thread."""

    reads_reply: bool = True
    """The detached hook or `after_request` looks at `ctx.response`. A long streamed reply that passed through unread is
    decoded before the detached hook, in slices that delay no other stream; a plugin that never looks, or takes the
    bytes of `ctx.upstream_response` in the detached hook, sets False and saves that work."""

    single_process: ClassVar[bool] = False
    """Cannot run in several worker processes at once."""

    @classmethod
    def is_single_process(cls, config: Mapping[str, Any]) -> bool:
        """Whether it cannot with these settings; `config` is valid by the schema. Found before anything starts."""
        return cls.single_process

    @classmethod
    def record_place(cls, config: Mapping[str, Any]) -> str | None:
        """Where it records each request with these settings, spelled alike for the same place; None where it records
        none. `check` gives a notice of two plugins of one project that record to the same place. It is not shown, so
        that it may hold what is secret. `config` is valid by the schema."""
        return None

    api_version: ClassVar[tuple[int, int]] = API_VERSION
    """(major, minor) of this interface that the plugin was written for."""

    gateway: GatewayServices = GatewayServices()
    """What the gateway offers; set before `configure`."""

    async def configure(self, config: Any) -> None:
        """Takes the validated configuration: a dict, or the pydantic model given as `configuration_schema`. Called
        once, before any request."""
        self.config = config

    async def validate_config(self, config: Any) -> bool | str | Sequence[str] | None:
        """Checks what JSON Schema can't express. True or None is valid; a string is what is wrong, a list of strings
        several problems. One that begins with a place, as in `patterns[2].pattern: missing )`, is shown with its
        line."""
        return True

    async def close(self) -> None:
        """Called once, after the last request."""

    def hooks(self) -> Collection[str] | None:
        """Names of the hooks that this instance uses with its configuration, of those which its class has; None: all.
        Asked once after `configure`, before any request. A hook that is left out costs nothing: without `after_chunk`
        streams stay on the fast path."""
        return None

    def wants(self, phase: str, ctx: RequestContext) -> bool:
        """Whether the hook of that phase has anything to do for this request, asked once before the first hook. False
        for `after_chunk` keeps a stream on the fast path. Must be cheap and must not open the body."""
        return True

    def metrics(self) -> dict[str, float]:
        """Figures of the plugin's own for the metrics page, by name: backlogs, losses, cache hits. Cheap; called when
        the page is asked for. Names that end in `_total` are counters."""
        return {}

    def pages(self) -> Mapping[str, Any]:
        """ASGI applications that the gateway serves for the plugin, by absolute path (`/traces`). They ask for a
        credential themselves; nothing is in front of them."""
        return {}

    def console_areas(self) -> Sequence[ConsoleArea]:
        """What the plugin shows in a console, to those who have signed in to it."""
        return ()

    def admin_routes(self) -> Sequence[AdminRoute]:
        """What the plugin adds to the administration API. Asked once per generation of the configuration."""
        return ()

    def still_knows(self, principal: Principal) -> bool | Awaitable[bool]:
        """With `authenticates`: False where a principal of this plugin may not ask any more, as when its key was
        revoked or has expired; True of other plugins' principals. Asked where a request comes without a credential:
        official clients go on with an upload by its address alone."""
        return True

    async def admin_identity(self, credential: str) -> tuple[str, Role] | None:
        """Name and role of a credential for the administration API, for plugins that check credentials; None where it
        is not one of theirs, or has no role. Raises AdminError where it can't be checked at the moment."""
        return None

    def attempts_wanted(self) -> int:
        """How many passes after failures the plugin may need; raises `maxRetries`."""
        return 1

    def before_request(self, ctx: RequestContext) -> HookReturn | Awaitable[HookReturn]:
        """Once per request of any operation: after authentication, before the first `before_model`, and not again for
        retries, fallbacks and follow-ups. May refuse (with `status`, `retry_after`, `limit`) and set
        `ctx.reply_headers`; sees `ctx.operation`, `ctx.principal`, `ctx.requested_model` and `ctx.estimate()`."""

    def after_request(self, ctx: RequestContext) -> Awaitable[None] | None:
        """Exactly once for each `before_request` that was begun, however the request ended: success, failure, refusal,
        a client that left, a gateway that ends. `ctx.metrics` is final. Not on the client's time; ends after 5 s."""

    async def defer_request(self, ctx: RequestContext) -> Any:
        """The request has begun what ends later and elsewhere, such as a batch: what this plugin holds for it lasts
        until `settle_deferred`. Returns what that needs, as a value that JSON can hold, or None for nothing.
        `after_request` follows as always, for what is not deferred."""

    async def settle_deferred(self, held: Any, ctx: RequestContext) -> None:
        """What was deferred has ended: `ctx.attempts` has what it has used. `held` is what `defer_request` returned,
        perhaps in another process, before a restart. May be called again for the same `held`, after a crash: the
        second time it must change nothing."""

    def before_model(self, ctx: RequestContext) -> HookReturn | Awaitable[HookReturn]:
        """Before the model is called: authentication, validation, changes to `ctx.request`, choice of
        `ctx.target_model`."""

    def after_model(self, ctx: ResponseContext) -> HookReturn | Awaitable[HookReturn]:
        """After a whole reply came: look at or change `ctx.response`."""

    def after_chunk(self, ctx: ChunkContext) -> HookReturn | Awaitable[HookReturn]:
        """For each chunk of a stream: read `ctx.chunk`, change `ctx.buffered_chunk`; `ctx.final_chunk` marks the
        last."""

    def on_model_error(self, ctx: RequestContext) -> HookReturn | Awaitable[HookReturn]:
        """The model failed with `ctx.error`: set another `ctx.target_model` and return
        `PluginResult(reevaluate_request=True)`, or set `ctx.response` and return `PluginResult(terminate=True)`."""

    def detached_after_response(self, ctx: RequestContext) -> Awaitable[None] | None:
        """After the reply has left, whatever became of it: logging, accounting. Never delays a client."""


@dataclass(slots=True, frozen=True)
class PluginMetadata:
    """The name, version and settings of a plugin, as given to `@plugin_metadata`."""

    name: str
    """Its `type` in YAML."""
    version: str = "0.0.0"
    """For people and traces."""
    description: str = ""
    """One sentence; `llm-gateway plugins list` shows it."""
    configuration_schema: dict[str, Any] = field(default_factory=lambda: {"type": "object"})
    """JSON Schema of the plugin's configuration."""
    configuration_model: Any = None
    """The pydantic model that the schema came from, where it did."""
    author: str | None = None
    """For `plugins docs`."""
    homepage: str | None = None
    """An address, for `plugins docs`."""
    keywords: tuple[str, ...] = ()
    """For `plugins docs`."""


P = TypeVar("P", bound=type)


def plugin_metadata(
    *,
    name: str,
    version: str = "0.0.0",
    description: str = "",
    configuration_schema: Any = None,
    author: str | None = None,
    homepage: str | None = None,
    keywords: Sequence[str] = (),
) -> Callable[[P], P]:
    """A plugin's name (its `type` in YAML) and the configuration that it takes.

    `configuration_schema` is a JSON Schema or a pydantic model; with a model, `configure` gets an instance of it.
    Raises TypeError where it is neither, ValueError where the name is empty. Whether it is a valid JSON Schema is
    checked when the plugin is loaded.
    """
    if not name or not isinstance(name, str):
        raise ValueError("plugin_metadata: a plugin needs a name, which is its type in the configuration")
    schema, model = _schema_of(configuration_schema, name)

    def decorate(cls: P) -> P:
        cls.metadata = PluginMetadata(  # type: ignore[attr-defined]
            name, version, description, schema, model, author, homepage, tuple(keywords)
        )
        return cls

    return decorate


def _schema_of(source: Any, name: str) -> tuple[dict[str, Any], Any]:
    if source is None:
        return {"type": "object"}, None
    if isinstance(source, dict):
        return source, None
    as_schema = getattr(source, "model_json_schema", None)
    if callable(as_schema):
        schema = as_schema(by_alias=True)
        return dict(schema), source
    raise TypeError(
        f"plugin_metadata of '{name}': configuration_schema must be a JSON Schema (dict) or a pydantic model, "
        f"not {type(source).__name__}"
    )
