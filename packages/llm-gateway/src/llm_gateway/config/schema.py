"""Every setting of the configuration file with its type, default and meaning; the reference page is made from it.

Names are camelCase in the file and snake_case here; the founding description's own snake_case keys (`health_check`,
`file_path`, `user_ids`) keep their spelling. Durations are seconds once loaded, as their names say; sizes are bytes.
Unknown keys are errors. The `config` blocks of extensions stay plain mappings: their own schemas check them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, StrictBool, model_validator

from llm_gateway.config.value_types import (
    Date,
    Duration,
    ExtensionSettings,
    ForwardedHeader,
    ForwardedName,
    FreeMapping,
    HostName,
    HttpAddress,
    Level,
    Network,
    PagePath,
    ProjectName,
    Settings,
    Size,
)


class CorsConfig(Settings):
    """Which web pages may call the gateway from a browser."""

    enabled: bool = Field(default=False, description="Answer cross-origin requests at all.")
    origins: list[str] = Field(
        default=[], description="Origins that may call, e.g. `https://app.example.com`; `*` allows any."
    )
    methods: list[str] = Field(default=["GET", "POST", "OPTIONS"], description="Methods that may be used.")
    headers: list[str] = Field(
        default=[], description="Request headers that may be sent; empty allows what the browser asks for."
    )
    credentials: bool = Field(
        default=False, description="Allow cookies and authorization of the browser. Not with origin `*`."
    )
    max_age_seconds: Duration = Field(
        default=600.0, alias="maxAge", description="How long a browser may remember the answer."
    )


class LimitsConfig(Settings):
    """Bounds of one worker. What exceeds them is refused in the shape of the client's API."""

    max_body_bytes: Size = Field(
        default=64 << 20, description="Largest request body, after decompression. Beyond it: 413."
    )
    max_upload_bytes: Size = Field(
        default=1 << 30,
        description="Largest body of an endpoint that takes files, which go on while they arrive. Beyond it: 413.",
    )
    max_items: int = Field(
        default=200_000,
        ge=1000,
        description="Maximum number of values in the JSON of one request: elements of lists count one, fields of "
        "objects two, each list and object one more. Beyond it: 413.",
    )
    max_batch_items: int = Field(
        default=2_000_000,
        ge=1000,
        description="The same for all requests of one batch together; a short request has about 20. Beyond it: 413.",
    )
    max_header_bytes: Size = Field(
        default=64 << 10, description="Largest header block of a request and of a provider's reply."
    )
    max_event_bytes: Size = Field(default=16 << 20, description="Largest single event of a provider's stream.")
    max_long_replies_bytes: Size = Field(
        default=128 << 20,
        description="Total size of replies (and single events of streams) over 1 MiB that are read and worked on at "
        "once. Further ones wait at their providers; one always goes on, however long it is.",
    )
    max_concurrent: int = Field(default=4096, ge=1, description="Requests in flight.")
    max_queued: int = Field(
        default=1024, ge=0, description="Requests that wait for a place. Beyond it: 503 with `Retry-After`."
    )
    queue_timeout_seconds: Duration = Field(default=30.0, alias="queueTimeout", description="Longest wait for a place.")
    max_in_flight_bytes: Size | None = Field(
        default=None,
        description="Total memory for the bodies of requests in flight, but for those up to 16 KiB. As much again may "
        "wait, for `queueTimeout`. Beyond it: 503 with `Retry-After`. Default: an eighth of the worker's memory.",
    )
    max_kept_bytes: Size = Field(
        default=64 << 20, description="Total memory for copies of replies that plugins asked for."
    )
    max_kept_reply_bytes: Size = Field(
        default=8 << 20, description="Of these, for one reply; a longer copy is cut and marked as cut."
    )
    keep_alive_seconds: Duration = Field(
        default=15.0,
        alias="keepAlive",
        description="Time without data on a stream after which a keep-alive is sent; `0` sends none.",
    )
    header_timeout_seconds: Duration = Field(
        default=30.0, alias="headerTimeout", description="Longest time for a request's header."
    )
    idle_timeout_seconds: Duration = Field(
        default=75.0, alias="idleTimeout", description="How long a client's idle connection stays open."
    )
    drain_timeout_seconds: Duration = Field(
        default=30.0,
        alias="drainTimeout",
        description="How long requests in flight may take to finish at shutdown.",
    )


class RealtimeConfig(Settings):
    """Bounds of a realtime session (WebSocket)."""

    max_message_bytes: Size = Field(default=16 << 20, description="Largest message of either side.")
    max_session_seconds: Duration = Field(default=3600.0, alias="maxSession", description="Longest time of a session.")
    idle_timeout_seconds: Duration = Field(
        default=900.0,
        alias="idleTimeout",
        description="Time without a message of either side after which a session is closed.",
    )
    ping_seconds: Duration = Field(
        default=20.0,
        alias="ping",
        description="Time between pings; a client that misses two in a row is considered gone. `0` sends none.",
    )
    messages_per_second: float = Field(
        default=200.0,
        ge=0,
        allow_inf_nan=False,
        description="Messages of a client, on average over five seconds; further ones are delayed. `0` sets no bound.",
    )


class ServerConfig(Settings):
    """Where the gateway listens."""

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on; `0.0.0.0` for all. Without authentication stay on loopback.",
    )
    port: int = Field(default=3000, ge=0, le=65535, description="Port to listen on; `0` takes a free one.")
    workers: int = Field(default=1, ge=1, le=1024, description="Worker processes.")
    worker_timeout_seconds: Duration = Field(
        default=30.0,
        alias="workerTimeout",
        description="How long a worker of several may not answer before it is replaced; `0` waits forever.",
    )
    trust_proxy: StrictBool | Annotated[int, Field(strict=True, ge=0, le=32)] | list[Network] = Field(
        default=False,
        description="Take the client's address from `X-Forwarded-For`: `true` behind one proxy that appends to it, a "
        "number behind several, or the networks of the proxies, e.g. `[10.0.0.0/8]`. Entries further left are the "
        "client's own and are never believed.",
    )
    allowed_hosts: list[HostName] = Field(
        default=[],
        description="Host names, without port, by which projects without an authenticating plugin may be called, "
        "besides IP addresses, single-label names and names that can't be registered (`.local`, `.internal`, `.svc`, "
        "…); `*` allows any. Others are refused: a web page could use them to reach the gateway.",
    )
    cors: CorsConfig = Field(default=CorsConfig(), description="Cross-origin requests of browsers.")
    limits: LimitsConfig = Field(default=LimitsConfig(), description="Bounds of one worker.")
    realtime: RealtimeConfig = Field(default=RealtimeConfig(), description="Bounds of realtime sessions.")


class UpstreamConfig(Settings):
    """The connections to providers."""

    engine: Literal["auto", "aiohttp", "httptools"] = Field(
        default="auto", description="The HTTP client; `auto` takes the fastest."
    )
    max_connections: int = Field(
        default=0,
        ge=0,
        description="Connections of one worker to one origin (scheme, host and port); further requests wait in "
        "order of arrival. `0` is 8192.",
    )
    idle_timeout_seconds: Duration = Field(
        default=55.0,
        alias="idleTimeout",
        description="How long an idle connection is kept; below the provider's own limit.",
    )
    forward_headers: list[ForwardedHeader] = Field(
        default=[],
        description="Further request headers of clients that go to providers of the client's API, by name or as "
        "`x-team-*`. What the vendors' APIs know goes without being named; credentials never go.",
    )
    forward_query: list[ForwardedName] = Field(
        default=[],
        description="Further query parameters of clients that go to providers of the client's API, by name or as "
        "`x_*`.",
    )


class ProviderConfig(Settings):
    """Who answers for a model."""

    type: str = Field(min_length=1, description="Provider type, e.g. `openai`, `anthropic`, `echo`.")
    config: ExtensionSettings = Field(default={}, description="Settings of that provider type.")


Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RatesConfig(Settings):
    """US dollars per million tokens, by kind of token."""

    input: Dollars | None = Field(default=None, description="Input that no cache held.")
    output: Dollars | None = Field(default=None, description="Output, reasoning included.")
    cache_read: Dollars | None = Field(default=None, description="Input that was read from a cache.")
    cache_write: Dollars | None = Field(default=None, description="Input written to a cache for five minutes.")
    cache_write_1h: Dollars | None = Field(
        default=None, alias="cacheWrite1h", description="Input written to a cache for an hour."
    )
    input_audio: Dollars | None = Field(default=None, description="Audio in.")
    output_audio: Dollars | None = Field(default=None, description="Audio out.")
    cache_read_audio: Dollars | None = Field(default=None, description="Audio read from a cache.")
    input_image: Dollars | None = Field(default=None, description="Tokens of images in.")
    output_image: Dollars | None = Field(default=None, description="Tokens of images out.")


class LongContextConfig(RatesConfig):
    """Other rates for every token of a request with a long input."""

    above: int = Field(ge=1, description="Input tokens, cache included, above which they apply.")


class TierPricesConfig(RatesConfig):
    """The rates of one service tier."""

    long_context: list[LongContextConfig] = Field(default=[], description="Other rates from certain lengths on.")


class PricesConfig(TierPricesConfig):
    """What a model costs, in place of the model book; a kind that is not named keeps the book's price."""

    tiers: dict[Literal["batch", "flex", "priority", "ultrafast"], TierPricesConfig] = Field(
        default={}, description="Other service tiers."
    )
    calls: dict[str, Dollars] = Field(
        default={},
        description="US dollars by the piece: per call of a tool that the vendor runs (`webSearch`, `fileSearch`, …), "
        "`image`, `song`, `second` of sound, `sessionSecond`, `character` that is spoken, `searchUnit`, `page`. Where "
        "nothing else has a price, tokens cost nothing.",
    )


class FactsConfig(Settings):
    """What a model takes, in place of the model book; what is not named is as the book has it."""

    vendor: str | None = Field(default=None, description="Who made it.")
    family: str | None = Field(default=None, description="The line of models that it belongs to.")
    context_window: int | None = Field(default=None, ge=1, description="Tokens of a conversation.")
    max_output: int | None = Field(default=None, ge=1, description="Maximum number of tokens in one answer.")
    endpoints: list[str] | None = Field(default=None, description="The vendor's APIs that serve it.")
    input: list[Literal["text", "image", "audio", "video", "pdf"]] | None = Field(default=None, description="Input.")
    output: list[Literal["text", "image", "audio", "video", "embedding"]] | None = Field(
        default=None, description="Output."
    )
    sampling: Literal["all", "one", "none"] | None = Field(
        default=None, description="Whether temperature, top_p and top_k are accepted; `one`: one of them at a time."
    )
    penalties: bool | None = Field(default=None, description="Penalties and log probabilities are accepted.")
    stop: bool | None = Field(default=None, description="Stop sequences are accepted.")
    thinking: list[Literal["budget", "adaptive", "effort", "always", "off"]] | None = Field(
        default=None, description="How reasoning is asked for, and whether it can be switched off."
    )
    tools: bool | None = Field(default=None, description="Tools are accepted.")
    forced_tools: bool | None = Field(default=None, description="A tool can be forced.")
    parallel_tools: bool | None = Field(default=None, description="Several tools may be called at once.")
    structured: bool | None = Field(default=None, description="Answers by a JSON schema are guaranteed.")
    strict_tools: bool | None = Field(default=None, description="Strict tools are accepted.")
    prefill: bool | None = Field(default=None, description="The conversation may end with the assistant's turn.")
    caching: bool | None = Field(default=None, description="Prompts are cached.")
    retires: Date | None = Field(default=None, description="The day from which it may be refused.")
    successor: str | None = Field(default=None, description="What the vendor recommends in its place.")


class ModelConfig(Settings):
    """A model that clients and plugins can name."""

    name: str = Field(min_length=1, description="The name, unique within its level.")
    aliases: list[str] = Field(
        default=[],
        description="Further names that clients may ask for; `*` is any text, and is the only special character.",
    )
    is_default: bool | None = Field(
        default=None, description="Answers requests that name no model, or an unknown one unless `strictModels`."
    )
    description: str | None = Field(default=None, description="Free text, shown in model lists.")
    provider: ProviderConfig = Field(description="Who answers.")
    defaults: FreeMapping = Field(
        default={},
        alias="modelConfig",
        description="Request fields used where the client left them out, e.g. `max_tokens`.",
    )
    metadata: FreeMapping = Field(default={}, description="Free values, shown in model lists and to plugins.")
    facts: FactsConfig = Field(default=FactsConfig(), description="Corrections of what the model takes.")
    prices: PricesConfig = Field(
        default=PricesConfig(), description="Corrections of what the model costs, in US dollars per million tokens."
    )


class ConditionsConfig(Settings):
    """When a plugin takes part: every kind given must match, by any of its entries. A text matches whatever begins with
    it (`gpt-4` takes in `gpt-4o`), `/…/` is a regular expression (`/^bob$/` is `bob` alone), an empty list matches
    all."""

    paths: list[str] = Field(
        default=[],
        description="Request paths: of every spelling of the route, with or without `/{project}`, the adapter's "
        "name and `/v1`, so that `/v1/chat` holds for `/openai/chat/completions` too.",
    )
    methods: list[str] = Field(default=[], description="HTTP methods.")
    headers: dict[str, str] = Field(
        default={}, description="Header names with what the value of each begins with, or `/…/`; case is ignored."
    )
    user_ids: list[str] = Field(
        default=[],
        alias="user_ids",
        description="What the caller's name, or else the user that the request names, begins with.",
    )
    models: list[str] = Field(
        default=[],
        description="What the model asked for, or the configured model that answers to that name, begins with.",
    )
    principals: list[str] = Field(default=[], description="The id or name of the authenticated caller.")
    teams: list[str] = Field(default=[], description="The caller's team.")
    labels: dict[str, str] = Field(default={}, description="Labels of the caller with the value each must have.")


class PluginConfig(Settings):
    """A plugin in a project's chain."""

    name: str = Field(
        min_length=1, description="The name, unique within its level; a project's own replaces an inherited."
    )
    type: str = Field(
        min_length=1, description="Plugin type, e.g. `model-router`; `llm-gateway plugins list` shows all."
    )
    enabled: bool = Field(default=True, description="`false` leaves it out.")
    priority: int = Field(
        default=1000,
        ge=0,
        le=1000,
        description="Lower runs first before the model and last after it; equal: in file order.",
    )
    conditions: ConditionsConfig | None = Field(
        default=None, description="Conditions under which it runs; without any it always runs."
    )
    config: ExtensionSettings = Field(default={}, description="Settings of that plugin type.")
    on_error: Literal["fail_closed", "fail_open"] = Field(
        default="fail_closed",
        description="When the plugin fails: refuse the request, or continue without its changes.",
    )
    timeout_seconds: Duration | None = Field(
        default=None, alias="timeout", description="Time limit for one call of an asynchronous hook."
    )


class AdapterConfig(Settings):
    """An API that clients can speak."""

    name: str = Field(min_length=1, description="The path segment below the project, e.g. `openai`.")
    type: str = Field(
        default_factory=lambda known: str(known["name"]),
        min_length=1,
        description="Adapter type; the name if left out.",
    )
    enabled: bool = Field(default=True, description="`false` leaves it out.")
    config: ExtensionSettings = Field(default={}, description="Settings of that adapter type.")


class ResponsesConfig(Settings):
    """What the gateway keeps for clients of the Responses API where the provider keeps nothing: responses, for
    `previous_response_id`, `item_reference` and `/responses/{id}`, and conversations."""

    store: bool = Field(
        default=True,
        description="`false` keeps nothing: such requests work only where the provider keeps responses itself.",
    )
    time_to_live_seconds: Duration = Field(
        default=2_592_000.0, gt=0, alias="timeToLive", description="How long something is kept (30 days)."
    )
    max_bytes: int = Field(
        default=8 * 1024 * 1024,
        ge=1024,
        description="Maximum size of one response with its input, or of one conversation.",
    )


class BatchesConfig(Settings):
    """How the gateway looks after batches, whose cost is known when they have ended."""

    poll_interval_seconds: Duration = Field(
        default=60.0,
        ge=0.1,
        alias="pollInterval",
        description="How long after a batch was submitted its provider is first asked whether it has ended; batches "
        "that take long are polled less often.",
    )


class ProjectFlags(Settings):
    """Settings that are at the top level, for all projects, and in a project, for itself.

    None is "not written here"; the defaults are those of `ProjectConfig`, and `x-default` shows them.
    """

    strict: bool | None = Field(
        default=None,
        description="Refuse requests that the provider's API can't express in full, instead of reporting the loss.",
        json_schema_extra={"x-default": False},
    )
    strict_models: bool | None = Field(
        default=None,
        description="Answer 404 to an unknown model name instead of using the default model.",
        json_schema_extra={"x-default": False},
    )
    max_retries: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Further attempts of a request after failures.",
        json_schema_extra={"x-default": 3},
    )
    max_turns: int | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="Follow-up turns that plugins may ask for.",
        json_schema_extra={"x-default": 10},
    )
    request_timeout_seconds: Duration | None = Field(
        default=None,
        alias="requestTimeout",
        description="Time for a whole request, retries and fallbacks included.",
        json_schema_extra={"x-default": "600s"},
    )
    native_paths: list[str] | None = Field(
        default=None,
        description="Further paths of a vendor's API that are passed through, e.g. `/v1/files`.",
        json_schema_extra={"x-default": []},
    )
    responses: ResponsesConfig | None = Field(
        default=None,
        description="What is kept for clients of the Responses API.",
        json_schema_extra={"x-default": {}},
    )
    batches: BatchesConfig | None = Field(
        default=None,
        description="How the status of batches is polled.",
        json_schema_extra={"x-default": {}},
    )
    hide_refused_models: bool | None = Field(
        default=None,
        description="A model that the caller may not use is answered as unknown (404) instead of refused (403).",
        json_schema_extra={"x-default": False},
    )
    allow_unseen_native: bool | None = Field(
        default=None,
        description="Pass native bodies that a plugin which edits requests can't see, instead of refusing.",
        json_schema_extra={"x-default": False},
    )


class ProjectSettings(ProjectFlags):
    """A project as written, before it inherits from the top level."""

    name: ProjectName = Field(description="The first path segment of its addresses.")
    description: str | None = Field(default=None, description="Free text.")
    models: list[ModelConfig] = Field(default=[], description="Further models, in addition to the inherited.")
    plugins: list[PluginConfig] = Field(default=[], description="Further plugins, after the inherited.")
    limits: list[FreeMapping] = Field(
        default=[], description="Limits of this project, instead of the inherited `limits`; see the plugin `limits`."
    )
    adapters: list[AdapterConfig] | None = Field(
        default=None, description="The APIs it offers, instead of the inherited."
    )


class AvailableExtension(Settings):
    """Where plugins, adapters or providers are found that are not installed with entry points."""

    module: str | None = Field(default=None, min_length=1, description="A Python module or an installed distribution.")
    path: str | None = Field(
        default=None, min_length=1, description="A Python file or package folder, relative to this file."
    )

    @model_validator(mode="after")
    def _one_of(self) -> AvailableExtension:
        if (self.module is None) == (self.path is None):
            raise ValueError("expected either `module` or `path`")
        return self


class HealthCheckConfig(Settings):
    """The health addresses: `endpoint`, and `/live` and `/ready` below it."""

    enabled: bool = Field(default=True, description="Serve them.")
    interval_seconds: Duration = Field(
        default=30.0, alias="interval", description="Accepted; health is computed when asked for."
    )
    endpoint: PagePath = Field(default="/health", description="Their path.")


class MetricsConfig(Settings):
    """Prometheus metrics."""

    enabled: bool = Field(default=True, description="Serve them.")
    path: PagePath = Field(default="/metrics", description="Their path.")
    labels: list[str] = Field(
        default=[], description="Labels of callers by whose values requests, tokens and cost are counted."
    )


class OtelConfig(Settings):
    """OpenTelemetry traces and metrics, sent by OTLP. Needs the extra `llm-gateway[otel]`."""

    enabled: bool = Field(default=False, description="Send them.")
    endpoint: HttpAddress | None = Field(
        default=None,
        description="Base address of the collector, e.g. `http://localhost:4318`; else `OTEL_EXPORTER_OTLP_ENDPOINT`.",
        json_schema_extra={
            "x-doubtful": {
                r":4317/?$": "this is the port of OTLP over gRPC; the gateway sends over HTTP, whose port is 4318",
                r"/v1/(traces|metrics)/?$": "the paths /v1/traces and /v1/metrics are added; write the address without",
            }
        },
    )
    headers: dict[str, SecretStr] = Field(default={}, description="Headers for the collector, such as its credential.")
    service_name: str = Field(default="llm-gateway", description="The gateway's service name in traces and metrics.")
    sample_ratio: float = Field(
        default=1.0, ge=0, le=1, description="Share of the requests that are traced, from 0 to 1."
    )
    traces: bool = Field(default=True, description="Send traces.")
    metrics: bool = Field(default=True, description="Send metrics.")
    capture_content: bool = Field(default=False, description="Put prompts and answers into spans.")


class MonitoringConfig(Settings):
    """What the gateway reports about itself."""

    enabled: bool = Field(default=True, description="Serves the health addresses and the metrics.")
    health_check: HealthCheckConfig = Field(
        default=HealthCheckConfig(), alias="health_check", description="Health addresses."
    )
    metrics: MetricsConfig = Field(default=MetricsConfig(), description="Prometheus metrics.")
    otel: OtelConfig = Field(default=OtelConfig(), description="OpenTelemetry.")
    server_timing: bool = Field(
        default=False, description="Send `Server-Timing` with every reply, not only to those who ask."
    )


class LoggingConfig(Settings):
    """The gateway's own log."""

    level: Level = Field(default="info", description="Lowest level that is written.")
    levels: dict[str, Level] = Field(
        default={}, description="Levels of single modules, e.g. `llm_gateway.providers: debug`."
    )
    format: Literal["json", "simple"] = Field(
        default="simple", description="One JSON object per line, or text to read."
    )
    destinations: list[Literal["console", "file"]] = Field(default=["console"], description="Where it goes.")
    file_path: str | None = Field(default=None, alias="file_path", description="The file for the destination `file`.")


class AdminCredentialConfig(Settings):
    """A further credential for the management addresses."""

    name: str = Field(min_length=1, description="The name of its holder, as shown in the audit log.")
    key: SecretStr = Field(description="The credential, as bearer token.")
    role: Literal["viewer", "operator", "admin"] = Field(
        default="viewer", description="`viewer` reads, `operator` also changes, `admin` also makes and ends keys."
    )


class AdminConfig(Settings):
    """The management addresses: reload, version of the configuration, workers."""

    enabled: bool = Field(default=False, description="Serve them.")
    path: PagePath = Field(default="/admin", description="Their path.")
    api_key: SecretStr | None = Field(
        default=None, description="The credential, as bearer token. Required when enabled."
    )
    credentials: list[AdminCredentialConfig] = Field(
        default=[], description="Further credentials, with roles, for the administration API below `v1`."
    )
    host: str = Field(default="127.0.0.1", description="Address of the separate port.")
    port: int | None = Field(
        default=None, ge=0, le=65535, description="A separate port; else they share the gateway's."
    )


class BreakerConfig(Settings):
    """Sparing a provider's target that keeps failing. The caller's own mistakes never count."""

    enabled: bool = Field(default=True, description="Skip targets that keep failing.")
    failures: int = Field(
        default=5, ge=1, description="Failures in a row within `window` after which a target is skipped."
    )
    window_seconds: Duration = Field(default=30.0, alias="window", description="How long a failure counts.")
    cooldown_seconds: Duration = Field(
        default=15.0, alias="cooldown", description="How long it is skipped at first; then it doubles."
    )
    max_cooldown_seconds: Duration = Field(
        default=300.0, alias="maxCooldown", description="Longest time that it is skipped."
    )
    probes: int = Field(
        default=1, ge=1, description="Requests that may try it after that, before it counts as healthy again."
    )


DEFAULT_STORE = "sqlite:./state.db"


class StoreConfig(Settings):
    """Where counters of limits, keys and logs are kept. Used only by plugins that need it."""

    url: SecretStr = Field(
        default=SecretStr(DEFAULT_STORE),
        json_schema_extra={
            "default": DEFAULT_STORE,  # not masked: it is not secret
            "x-doubtful": {r"^redis://[^/]*:6380(/|$)": "6380 is mostly a port with TLS; write rediss:// if it is"},
        },
        description="`sqlite:PATH`, a file below the folder of this configuration, or below that which the environment "
        "variable `LLM_GATEWAY_STATE_DIR` names, made on first use and shared by the processes of one machine; "
        "`redis://…`, `rediss://…`, `redis+sentinel://…` or `redis+cluster://…` for several machines, with "
        "`llm-gateway[redis]`; `memory:` for one process that may forget.",
    )
    config: ExtensionSettings = Field(default={}, description="Settings of that kind of store.")

    @property
    def type(self) -> str:
        """The kind of store: the scheme of its URL."""
        return self.url.get_secret_value().partition(":")[0]


class SecretsConfig(Settings):
    """Secrets that lie elsewhere (`${vault:…}`, `${aws-sm:…}`, `${gcp-sm:…}`, `${azure-kv:…}`)."""

    refresh_seconds: Duration = Field(
        default=0.0,
        ge=0,
        alias="refresh",
        description="How often they are read again; changed ones are taken as by a reload. 0: only by a reload.",
    )


class GatewayFile(ProjectFlags):
    """The configuration file as written: the default project's settings, and those of the whole gateway."""

    server: ServerConfig = Field(default=ServerConfig(), description="Where the gateway listens.")
    models: list[ModelConfig] = Field(
        default=[], description="Models of the default project, inherited by all projects."
    )
    plugins: list[PluginConfig] = Field(
        default=[], description="Plugins of the default project, inherited by all projects."
    )
    limits: list[FreeMapping] = Field(
        default=[],
        description="Rates, token limits and budgets: short for a plugin of the type `limits` after the others, with "
        "these as its `limits`.",
    )
    adapters: list[AdapterConfig] | None = Field(
        default=None, description="The APIs that clients can speak; all where left out."
    )
    projects: list[ProjectSettings] = Field(
        default=[], description="Projects: models, plugins and settings under an address."
    )
    default_project: bool = Field(
        default=True, description="Serve the default project on addresses without a project's name."
    )
    available_plugins: list[AvailableExtension] = Field(default=[], description="Extensions by module or path.")
    available_extensions: list[AvailableExtension] = Field(
        default=[], description="The same as `availablePlugins`; both are joined."
    )
    monitoring: MonitoringConfig = Field(
        default=MonitoringConfig(), description="What the gateway reports about itself."
    )
    logging: LoggingConfig = Field(default=LoggingConfig(), description="The gateway's own log.")
    admin: AdminConfig = Field(default=AdminConfig(), description="Management addresses.")
    breaker: BreakerConfig = Field(
        default=BreakerConfig(), description="The circuit breaker: skips a target that keeps failing."
    )
    upstream: UpstreamConfig = Field(default=UpstreamConfig(), description="The connections to providers.")
    store: StoreConfig = Field(default=StoreConfig(), description="Where counters, keys and logs are kept.")
    secrets: SecretsConfig = Field(default=SecretsConfig(), description="Secrets of other services.")
