"""What the gateway is built from: the configuration after inheritance. Frozen values, no behaviour but look-ups."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from llm_gateway.config.schema import (
    AdapterConfig,
    AdminConfig,
    BatchesConfig,
    BreakerConfig,
    LoggingConfig,
    ModelConfig,
    MonitoringConfig,
    PluginConfig,
    ResponsesConfig,
    SecretsConfig,
    ServerConfig,
    StoreConfig,
    UpstreamConfig,
)
from llm_gateway_sdk.wildcards import matches_wildcard

DEFAULT_PROJECT = "default"
"""The default project's name; its addresses have no project segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectConfig:
    """One project, complete: what it inherits is in it."""

    name: str
    description: str | None = None
    is_default_project: bool = False
    models: list[ModelConfig] = field(default_factory=list)
    """Its own and the inherited, in the order in which model lists show them."""
    default_model: str | None = None
    """Who answers where no model is named, or an unknown one unless `strict_models`."""
    plugins: list[PluginConfig] = field(default_factory=list)
    """The enabled ones in the order in which they run before the model."""
    adapters: list[AdapterConfig] = field(default_factory=list)
    """The enabled ones."""
    strict: bool = False
    strict_models: bool = False
    max_retries: int = 3
    max_turns: int = 10
    request_timeout_seconds: float = 600.0
    native_paths: list[str] = field(default_factory=list)
    allow_unseen_native: bool = False
    hide_refused_models: bool = False
    responses: ResponsesConfig = field(default_factory=ResponsesConfig)
    batches: BatchesConfig = field(default_factory=BatchesConfig)

    def model(self, name: str) -> ModelConfig | None:
        """The model of this name or alias; names come before aliases, plain aliases before patterns."""
        for model in self.models:
            if model.name == name:
                return model
        for model in self.models:
            if name in model.aliases:
                return model
        for model in self.models:
            if any("*" in alias and matches_wildcard(name, alias) for alias in model.aliases):
                return model
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """The whole gateway."""

    server: ServerConfig = field(default_factory=ServerConfig)
    projects: dict[str, ProjectConfig] = field(default_factory=dict)
    """By name; the default project too, as `default`, unless `defaultProject: false`."""
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    monitoring: MonitoringConfig = field(default_factory=MonitoringConfig)
    admin: AdminConfig = field(default_factory=AdminConfig)
    breaker: BreakerConfig = field(default_factory=BreakerConfig)
    upstream: UpstreamConfig = field(default_factory=UpstreamConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    secrets: SecretsConfig = field(default_factory=SecretsConfig)
    read_secrets: tuple[SecretStr, ...] = ()
    """What was read from other services, for whatever masks secrets; the settings hold the same values."""
    directory: Path = field(default_factory=Path)
    """What relative paths are relative to."""

    @property
    def default_project(self) -> ProjectConfig | None:
        """The project of the addresses without a project's name, if it is served."""
        return next((project for project in self.projects.values() if project.is_default_project), None)
