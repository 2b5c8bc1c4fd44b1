"""The composition root: a loaded configuration becomes projects that can serve. The one room that knows all others."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from typing import Any, Protocol, cast

from llm_gateway_model_book import shipped_book

from llm_gateway_sdk import (
    Adapter,
    Attempt,
    ConfigError,
    ConfigProblem,
    Dialect,
    GatewayServices,
    HookChain,
    HTTPClient,
    HTTPProvider,
    ModelFacts,
    MountedPlugin,
    Plugin,
    Prices,
    Store,
)
from llm_gateway_sdk.background import end_tasks
from llm_gateway_sdk.failures import is_failure
from llm_gateway_sdk.operations.owned import OwnedForm
from llm_gateway_sdk.upstream_quota import UpstreamQuota

from .authenticating import is_authenticating
from .breaker import Breaker, BreakerSettings
from .closing import Closing
from .conditions import compile_conditions
from .config.project import GatewayConfig, ProjectConfig
from .config.schema import ModelConfig, PluginConfig, UpstreamConfig
from .describing import ModelDescriptions
from .exchange.batches.pending import PendingBatches
from .exchange.batches.settling import Settler
from .exchange.belongings import Belongings
from .exchange.detached import DetachedSupervisor, KeptBudget
from .exchange.held_body import body_memory
from .exchange.long_replies import LongReplies
from .exchange.realtime.session_limits import RealtimeLimits
from .exchange.services import Memory, Observer, ProjectScope, Services
from .extensions import Extensions
from .memory import Bounds, ResponsesMemory
from .models import ModelRegistry, ModelTarget
from .providers.shared_client import SharedClient
from .providers.transport import TransportSettings, create_client
from .spellings import Spellings
from .store_settings import build_store, state_folder
from .wire.crossing import Crossing

__all__ = ["Gateway", "Loaded", "ServedProject", "Shared"]

log = logging.getLogger("llm_gateway")


class Loaded(Protocol):
    """What is needed of a loaded configuration."""

    @property
    def config(self) -> GatewayConfig: ...
    @property
    def extensions(self) -> Extensions: ...
    @property
    def version(self) -> str: ...
    @property
    def notices(self) -> list[str]: ...


class Shared:
    """Objects that outlive a generation of the configuration: pools, breakers, files. Counted, closed with their last
    user."""

    def __init__(self) -> None:
        self._objects: dict[str, Any] = {}
        self._users: dict[str, int] = {}

    def get(self, key: str, factory: Callable[[], Any]) -> Any:
        if key not in self._objects:
            self._objects[key] = factory()
            self._users[key] = 0
        self._users[key] += 1
        return self._objects[key]

    def peek(self, prefix: str) -> dict[str, Any]:
        return {key: value for key, value in self._objects.items() if key.startswith(prefix)}

    async def release(self, key: str) -> None:
        if key not in self._users:
            return
        self._users[key] -= 1
        if self._users[key] > 0:
            return
        del self._users[key]
        gone = self._objects.pop(key)
        for name in ("aclose", "close"):
            close = getattr(gone, name, None)
            if callable(close):
                result = close()
                if asyncio.iscoroutine(result):
                    await result
                return


@dataclass(slots=True)
class ServedProject:
    config: ProjectConfig
    scope: ProjectScope
    adapters: list[Adapter]

    @property
    def authenticates(self) -> bool:
        """Whether a plugin asks callers for a credential."""
        return any(is_authenticating(type(mounted.plugin)) for mounted in self.scope.chain.plugins)


class _PluginServices(GatewayServices):
    """Belongs to the plugin's instance, not to a generation: an instance that is carried over keeps what it holds."""

    def __init__(self, gateway: Gateway, project: ProjectConfig, registry: ModelRegistry) -> None:
        self._objects = gateway.shared_objects
        self._upstream = gateway.config.upstream
        self._workers = gateway.workers
        self._admin = gateway.config.admin
        self._config = project
        self.registry = registry
        self._open_store = gateway.store_factory
        self._held: dict[str, Any] = {}
        self._store: Store | None = None
        self._http: Any = None

    def shared(self, key: str, factory: Callable[[], Any]) -> Any:
        return self._hold(f"plugin:{key}", factory)

    def _hold(self, key: str, factory: Callable[[], Any]) -> Any:
        if key not in self._held:
            self._held[key] = self._objects.get(key, factory)
        return self._held[key]

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = cast(Store, self._hold(*self._open_store()))
        return self._store

    def http_client(self) -> Any:
        if self._http is None:
            from .providers.transport.httpx_shim import httpx_client

            key, factory = _client(self._upstream, TransportSettings())
            self._http = httpx_client(self._hold(key, factory))
        return self._http

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()
        self._store = None
        while self._held:
            await self._objects.release(self._held.popitem()[0])

    @property
    def models(self) -> Sequence[str]:
        return self.registry.names

    @property
    def models_version(self) -> object:
        return self.registry

    def model_name(self, name: str) -> str | None:
        target = self.registry.answering_target(name)
        if target is None or not (target.is_one_model or not name or self.registry.is_configured(name)):
            return None
        return target.name

    def facts_of(self, model: str | None) -> ModelFacts | None:
        target = self.registry.answering_target(model)
        return target.described(model).facts if target is not None else None

    def prices_of(self, model: str | None) -> Prices | None:
        target = self.registry.answering_target(model)
        return target.described(model).prices if target is not None else None

    def prices_of_attempt(self, attempt: Attempt) -> Prices | None:
        return self.registry.prices_of_attempt(attempt)

    def model_provider(self, name: str) -> str | None:
        model = self._config.model(name)
        return None if model is None else model.provider.type

    def upstream_quota(self, model: str | None) -> UpstreamQuota | None:
        target = self.registry.answering_target(model)
        if target is None or target.http is None:
            return None
        if target.quota is None:
            target.quota = UpstreamQuota()
        return target.quota

    def secret(self, purpose: str) -> bytes:
        if not self._admin.enabled:
            return b""
        key = self._admin.api_key
        credentials = [(each.name, each.role, each.key.get_secret_value()) for each in self._admin.credentials]
        parts = (purpose, key.get_secret_value() if key else "", *chain.from_iterable(credentials))
        known = b"".join(len(part).to_bytes(4, "big") + part.encode() for part in parts)
        # What is signed with it goes to browsers: no one may be able to guess credentials by a cookie.
        return hashlib.scrypt(known, salt=purpose.encode(), n=1 << 14, r=8, p=1, dklen=32)

    @property
    def project(self) -> str:
        return self._config.name

    @property
    def workers(self) -> int:
        return self._workers


@dataclass(slots=True)
class _MountedEntry:
    name: str
    fingerprint: str
    mounted: Plugin
    services: _PluginServices
    users: int = 1


class Gateway:
    """One generation of a configuration, in one process."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        shared: Shared | None = None,
        observers: Sequence[Observer] = (),
        workers: int = 1,
        former: Gateway | None = None,
    ) -> None:
        self.config = loaded.config
        self.extensions = loaded.extensions
        self.version = loaded.version
        self.workers = workers
        self.shared_objects: Shared = shared or (former.shared_objects if former is not None else Shared())
        self.projects: dict[str, ServedProject] = {}
        self.in_flight = 0
        self.created = time.time()
        self._used: list[str] = []
        self._providers: list[Any] = []
        self._provider_services = SharedClient(lambda: self.client(TransportSettings()))
        self._plugins: dict[str, _MountedEntry] = {}
        self._polling: list[asyncio.Task[None]] = []
        self._settlers: list[Settler] = []
        self._former = former
        limits, realtime = self.config.server.limits, self.config.server.realtime
        self.services: Services = Services(
            dialects={},
            supervisor=former.services.supervisor if former is not None else DetachedSupervisor(),
            kept=former.services.kept
            if former is not None
            else KeptBudget(limits.max_kept_bytes, limits.max_kept_reply_bytes),
            long_replies=former.services.long_replies if former is not None else LongReplies(),
            observers=observers,
            bodies=former.services.bodies if former is not None else body_memory(),
            keep_alive_seconds=limits.keep_alive_seconds,
            max_event_bytes=limits.max_event_bytes,
            max_batch_items=limits.max_batch_items,
            server_timing=self.config.monitoring.server_timing,
            crossing=Crossing(self.config.upstream.forward_headers, self.config.upstream.forward_query),
            realtime=RealtimeLimits(
                message_bytes=realtime.max_message_bytes,
                items=limits.max_items,
                longest=realtime.max_session_seconds,
                silence=realtime.idle_timeout_seconds,
                ping=realtime.ping_seconds,
                messages_per_second=realtime.messages_per_second,
            ),
        )

    async def start(self) -> None:
        """Makes everything ready. Raises ConfigError; what was started by then is closed again."""
        try:
            self.services.dialects = _Dialects(self.extensions)
            for name, project in self.config.projects.items():
                self.projects[name] = await self._project(project)
            for served in self.projects.values():
                self._look_after_batches(served)
        except BaseException:
            await self.close()
            raise
        self.services.long_replies.limit = self.config.server.limits.max_long_replies_bytes
        self._former = None

    async def close(self) -> None:
        """Closes what this generation alone uses. Its last exchange must be over."""
        closing = Closing()
        polling, self._polling = self._polling, []
        await end_tasks(*polling)
        settlers, self._settlers = self._settlers, []
        if settlers:
            await closing.close("the settlement of batches", lambda: asyncio.gather(*map(Settler.close, settlers)))
        plugins, self._plugins = self._plugins, {}
        for entry in plugins.values():
            entry.users -= 1
            if entry.users == 0:
                await closing.close(f"the plugin '{entry.name}'", entry.mounted.close)
                await closing.close(f"a connection of the plugin '{entry.name}'", entry.services.aclose)
        providers, self._providers = self._providers, []
        for provider in providers:
            await closing.close(f"the provider '{provider.name}'", provider.close)
        await closing.close("a connection of a provider", self._provider_services.aclose)
        used, self._used = self._used, []
        for key in used:
            await closing.close("a store or a pool of connections", partial(self.shared_objects.release, key))

    def use_shared(self, key: str, factory: Callable[[], Any]) -> Any:
        self._used.append(key)
        return self.shared_objects.get(key, factory)

    def store_factory(self) -> tuple[str, Callable[[], Store]]:
        """The gateway's store: what it is shared by in this process, and how it is made."""
        config, extensions = self.config, self.extensions
        url = config.store.url.get_secret_value()
        key = f"store:{url}:{state_folder(config.directory)}:{config.store.config!r}"
        return key, lambda: build_store(extensions, url, config.store.config, config.directory)

    def client(self, settings: TransportSettings) -> HTTPClient:
        """The pooled client for these settings; providers with equal settings share one."""
        return cast(HTTPClient, self.use_shared(*_client(self.config.upstream, settings)))

    @property
    def default_project(self) -> ServedProject | None:
        default = self.config.default_project
        return self.projects.get(default.name) if default is not None else None

    async def _project(self, config: ProjectConfig) -> ServedProject:
        targets = [await self._target(config, model) for model in config.models]
        registry = ModelRegistry(targets, strict=config.strict_models)
        adapters = []
        for entry in config.adapters:
            adapter = cast(Adapter, self.extensions.get("adapter", entry.type).cls())
            adapter.configure(dict(entry.config))
            for dialect in {route.dialect for route in adapter.routes}:
                self.services.dialects.get(dialect)
            adapters.append(adapter)
        spellings = Spellings(adapters)
        plugins = [await self._plugin(config, plugin, registry, spellings) for plugin in config.plugins]
        chain = HookChain(plugins)
        for name in chain.moved_ahead:
            log.info(
                "project '%s': plugin '%s' authenticates, and runs before the plugins in front of it",
                config.name, name,
            )  # fmt: skip
        scope = ProjectScope(
            name=config.name,
            registry=registry,
            chain=chain,
            strict=config.strict,
            max_retries=config.max_retries,
            max_turns=config.max_turns,
            request_timeout=config.request_timeout_seconds,
            allow_unseen_native=config.allow_unseen_native,
            hide_refused_models=config.hide_refused_models,
            native_paths=tuple(config.native_paths),
            memory=self._memory(config, adapters),
            belongings=self._belongings(config),
        )
        return ServedProject(config, scope, adapters)

    def _belongings(self, config: ProjectConfig) -> Belongings | None:
        kind = self.extensions.get("store", self.config.store.type).cls
        if self.workers > 1 and not kind.shared:
            return None
        return Belongings(self._store_when_used(), config.name)

    def _store_when_used(self) -> Callable[[], Store]:
        """Gives the gateway's store, which is made when first asked for."""
        return cache(lambda: cast(Store, self.use_shared(*self.store_factory())))

    def _look_after_batches(self, project: ServedProject) -> None:
        """Books the project's batches when they have ended, wherever they were submitted."""
        forms = [route.form for adapter in project.adapters for route in adapter.routes]
        apis = {form.api.name: form.api for form in forms if isinstance(form, OwnedForm) and form.api is not None}
        if project.scope.belongings is None or not apis:
            return
        pending = PendingBatches(self._store_when_used(), project.config.name)
        settler = project.scope.settler = Settler(project.scope, self.services, pending, apis)
        self._settlers.append(settler)
        interval = project.config.batches.poll_interval_seconds
        self._polling.append(asyncio.create_task(settler.run(interval)))

    def _memory(self, config: ProjectConfig, adapters: Sequence[Adapter]) -> Memory | None:
        """What keeps responses for the project's clients; None where nothing is kept."""
        settings = config.responses
        spoken = {route.dialect for adapter in adapters for route in adapter.routes}
        if not settings.store or ResponsesMemory.dialect not in spoken:
            return None
        kind = self.extensions.get("store", self.config.store.type).cls
        if self.workers > 1 and not kind.shared:
            log.warning(
                "project '%s': responses are not kept, the workers do not share the store '%s'",
                config.name, self.config.store.type,
            )  # fmt: skip
            return None
        try:
            self.store_factory()[1]()
        except ValueError as error:
            log.warning("project '%s': responses are not kept: %s", config.name, error)
            return None
        limits = self.config.server.limits
        read = max(limits.max_body_bytes, settings.max_bytes)
        bounds = Bounds(record=settings.max_bytes, read=read, items=limits.max_items)
        seconds = settings.time_to_live_seconds
        return ResponsesMemory(self._store_when_used(), config.name, seconds=seconds, bounds=bounds)

    async def _target(self, project: ProjectConfig, model: ModelConfig) -> ModelTarget:
        extension = self.extensions.get("provider", model.provider.type)
        provider = extension.cls()
        provider.gateway = self._provider_services
        try:
            await provider.configure(dict(model.provider.config))
        except (ValueError, OSError) as error:
            raise ConfigError([ConfigProblem(f"the provider of the model '{model.name}': {error}")]) from error
        self._providers.append(provider)
        self.services.dialects.get(provider.dialect)
        key = f"{model.provider.type}:{model.name}:{hash(repr(sorted(model.provider.config.items())))}"
        if isinstance(provider, HTTPProvider):
            settings = provider.settings
            cert = settings.client_cert
            provider.http = self.client(
                TransportSettings(
                    proxy=settings.proxy,
                    ca_file=settings.ca_file,
                    client_cert=cert if cert is None or isinstance(cert, str) else (cert[0], cert[-1]),
                    max_connections=self.config.upstream.max_connections or 8192,
                    idle_timeout=self.config.upstream.idle_timeout_seconds,
                    max_head=max(self.config.server.limits.max_header_bytes, _LEAST_HEAD_BYTES),
                )
            )
        breaker_config = self.config.breaker
        settings_of_breaker = BreakerSettings(
            enabled=breaker_config.enabled,
            failures=breaker_config.failures,
            window=breaker_config.window_seconds,
            cooldown=breaker_config.cooldown_seconds,
            max_cooldown=breaker_config.max_cooldown_seconds,
            probes=breaker_config.probes,
        )
        breaker = self.use_shared(
            f"breaker:{key}:{settings_of_breaker}", lambda: Breaker(settings_of_breaker, time.monotonic)
        )
        return ModelTarget(
            name=model.name,
            provider=provider,
            breaker=breaker,
            aliases=tuple(model.aliases),
            is_default=model.name == project.default_model,
            description=model.description,
            defaults=_canonical_defaults(model.defaults),
            descriptions=ModelDescriptions(model, shipped_book()),
            metadata=model.metadata,
        )

    async def _plugin(
        self, project: ProjectConfig, config: PluginConfig, registry: ModelRegistry, spellings: Spellings
    ) -> MountedPlugin:
        extension = self.extensions.get("plugin", config.type)
        if self.workers > 1 and extension.cls.is_single_process(config.config):
            raise ConfigError(f"plugin '{config.name}' ({config.type}) can't run in several processes")
        identity = f"{project.name}/{config.name}"
        known = [(model.name, model.provider.type, model.metadata) for model in project.models]
        fingerprint = f"{config.type}:{extension.fingerprint}:{config.config!r}:{known!r}:{self.store_factory()[0]}"
        former = self._former._plugins.get(identity) if self._former is not None else None
        if former is not None and former.fingerprint == fingerprint:
            # Nothing about it has changed: the instance, and what it holds, is carried over.
            former.users += 1
            former.services.registry = registry
            self._plugins[identity] = former
            plugin = former.mounted
        else:
            plugin = cast(Plugin, extension.cls())
            services = _PluginServices(self, project, registry)
            plugin.gateway = services
            settings: Any = dict(config.config)
            model = getattr(extension.cls.metadata, "configuration_model", None)
            if model is not None:
                settings = model.model_validate(settings)
            task = asyncio.current_task()
            try:
                await plugin.configure(settings)
            except BaseException as error:
                await services.aclose()
                if isinstance(error, ValueError | OSError):
                    problem = ConfigProblem(f"plugin '{config.name}': {error}", path=f"{config.where}.config")
                    raise ConfigError([problem]) from error
                if isinstance(error, Exception) or not is_failure(error, task):
                    raise
                raise RuntimeError(f"plugin '{config.name}' raised {type(error).__name__}: {error}") from error
            self._plugins[identity] = _MountedEntry(config.name, fingerprint, plugin, services)
        condition, late = compile_conditions(config.conditions, spellings=spellings, model_name=registry.answering)
        return MountedPlugin(
            name=config.name,
            plugin=plugin,
            priority=config.priority,
            condition=condition,
            late_condition=late,
            on_error=config.on_error,
            timeout=config.timeout_seconds,
        )


_LEAST_HEAD_BYTES = 8 * 1024
"""A client's headers may be held shorter; a provider's reply with its rate limits and ids needs this much."""


def _client(upstream: UpstreamConfig, settings: TransportSettings) -> tuple[str, Callable[[], Any]]:
    engine = "aiohttp" if upstream.engine == "aiohttp" else "native"
    return f"http:{engine}:{settings!r}", lambda: create_client(engine, settings)  # type: ignore[arg-type]


class _Dialects(dict[str, Dialect]):
    """Dialects by name, made when first needed: what is installed and not used is not imported."""

    def __init__(self, extensions: Extensions) -> None:
        super().__init__()
        self._extensions = extensions

    def __missing__(self, name: str) -> Dialect:
        if name not in self._extensions.names("dialect"):
            raise KeyError(name)
        dialect = self[name] = cast(Dialect, self._extensions.get("dialect", name).cls())
        return dialect

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default


_DEFAULT_NAMES: Mapping[str, str] = {
    "maxTokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "topP": "top_p",
    "topK": "top_k",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "serviceTier": "service_tier",
    "parallelToolCalls": "parallel_tool_calls",
}
_DEFAULT_FIELDS = frozenset(
    {
        "max_tokens", "temperature", "top_p", "top_k", "seed", "stop", "frequency_penalty", "presence_penalty",
        "service_tier", "parallel_tool_calls", "verbosity", "n",
    }
)  # fmt: skip


def _canonical_defaults(written: Mapping[str, Any]) -> dict[str, Any]:
    """`modelConfig` in canonical names; what is not a request field is metadata of the operator's and left alone."""
    named = {_DEFAULT_NAMES.get(key, key): value for key, value in written.items()}
    defaults = {key: value for key, value in named.items() if key in _DEFAULT_FIELDS}
    if isinstance(defaults.get("stop"), str):
        defaults["stop"] = [defaults["stop"]]
    return defaults
