"""OpenTelemetry: a span for each request, for each call of a provider and for each plugin, and the metrics of the
conventions for generative AI. The only importer of OpenTelemetry; imported where `monitoring.otel` is enabled."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from llm_gateway_sdk import (
    Attempt,
    GatewayError,
    LLMRequest,
    LLMResponse,
    RequestContext,
)
from llm_gateway_sdk.context import Engine

from .. import __version__
from ..config.schema import OtelConfig
from . import content
from . import conventions as names
from .otel_extra import without_otel

try:
    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
    from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    from .small_batches import SmallBatches
except ImportError as missing:
    raise without_otel(missing) from None

__all__ = ["OpenTelemetry", "open_telemetry"]

MAX_DECODED_BYTES = 64 * 1024
"""A request's settings are read for its span where a plugin or a translation has read them anyway, or where its body is
no larger than this."""

MAX_MODELS = 200
"""Model names in metrics; what clients make up beyond is `_OTHER`."""

CLOSE_SECONDS = 5.0

_KEY = "llm_gateway.otel"


class Watched(Protocol):
    gateway: Any


def open_telemetry(config: OtelConfig) -> OpenTelemetry:
    """An observer that sends by OTLP over HTTP. Raises ConfigError where its packages are missing."""
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as missing:
        raise without_otel(missing) from None
    # What is None is taken from the environment: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS.
    base = config.endpoint.rstrip("/") if config.endpoint else None
    headers = {name: value.get_secret_value() for name, value in config.headers.items()} or None
    processor = None
    if config.traces:
        endpoint = f"{base}/v1/traces" if base else None
        processor = BatchSpanProcessor(SmallBatches(OTLPSpanExporter(endpoint=endpoint, headers=headers)))
    reader = None
    if config.metrics:
        endpoint = f"{base}/v1/metrics" if base else None
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint, headers=headers))
    return OpenTelemetry(config, processor=processor, reader=reader)


class _Trace:
    """One request's spans."""

    __slots__ = ("attempt", "context", "request")

    def __init__(self, request: Span) -> None:
        self.request = request
        self.context = set_span_in_context(request)
        self.attempt: Span | None = None


class OpenTelemetry:
    """An observer of exchanges. Without a processor there are no traces, without a reader no metrics."""

    needs_usage = True
    follows_attempts = True

    def __init__(
        self, config: OtelConfig, *, processor: SpanProcessor | None = None, reader: MetricReader | None = None
    ) -> None:
        resource = _resource(config)
        self._capture = config.capture_content
        self.needs_reply = config.capture_content and processor is not None
        self._propagator = TraceContextTextMapPropagator()
        self._control: Watched | None = None
        self._addressed: Any = None
        self._addresses: dict[tuple[str, str], dict[str, Any]] = {}
        self._models: set[str] = set()
        self._traces: TracerProvider | None = None
        self._meters: MeterProvider | None = None
        self._tracer = None
        if processor is not None:
            self._traces = TracerProvider(sampler=_sampler(config), resource=resource, shutdown_on_exit=False)
            self._traces.add_span_processor(processor)
            self._tracer = self._traces.get_tracer("llm_gateway", __version__)
        if reader is not None:
            self._meters = MeterProvider([reader], resource, shutdown_on_exit=False, views=_views())
            meter = self._meters.get_meter("llm_gateway", __version__)
            self._tokens = meter.create_histogram(names.CLIENT_TOKEN_USAGE, "{token}", "Input and output tokens.")
            self._calls = meter.create_histogram(names.CLIENT_OPERATION_DURATION, "s", "Calls of providers.")
            self._first_chunk = meter.create_histogram(
                names.CLIENT_TIME_TO_FIRST_CHUNK, "s", "From a call of a provider to its first content."
            )
            self._requests = meter.create_histogram(names.SERVER_REQUEST_DURATION, "s", "Requests of clients.")
            self._first_token = meter.create_histogram(
                names.SERVER_TIME_TO_FIRST_TOKEN, "s", "From a client's request to the first content it was sent."
            )
            self._per_token = meter.create_histogram(
                names.SERVER_TIME_PER_OUTPUT_TOKEN, "s", "Time per output token after the first."
            )

    def watch(self, control: Watched) -> None:
        """Takes the providers' addresses from this worker's configuration."""
        self._control = control

    def close(self) -> None:
        """Sends what is left. Blocks for as long as the collector takes, at most `CLOSE_SECONDS`."""
        # The exporters themselves would try a collector that is gone for several times as long.
        ends = [provider.shutdown for provider in (self._traces, self._meters) if provider is not None]
        threads = [threading.Thread(target=end, daemon=True) for end in ends]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    # As an observer.

    def began(self, ctx: RequestContext) -> None:
        if self._tracer is None:
            return
        http = ctx.http_request
        span = self._tracer.start_span(
            f"{http.method} {ctx.adapter}/{ctx.operation}",
            self._parent(http.headers),
            SpanKind.SERVER,
            start_time=_nanoseconds(ctx.metrics.started),
        )
        ctx.plugin_data[_KEY] = _Trace(span)

    def attempt_began(self, ctx: RequestContext) -> None:
        trace: _Trace | None = ctx.plugin_data.get(_KEY)
        if trace is None or self._tracer is None:
            return
        attempt = ctx.attempts[-1]
        _, _, model = attempt.target.partition("/")
        operation = names.OPERATIONS.get(ctx.operation, ctx.operation)
        trace.attempt = self._tracer.start_span(
            f"{operation} {model}", trace.context, SpanKind.CLIENT, start_time=_nanoseconds(attempt.started)
        )

    def outgoing_headers(self, ctx: RequestContext) -> Sequence[tuple[str, str]]:
        trace: _Trace | None = ctx.plugin_data.get(_KEY)
        if trace is None or trace.attempt is None:
            return ()
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(trace.attempt))
        return list(carrier.items())

    def attempt_ended(self, ctx: RequestContext) -> None:
        attempt = ctx.attempts[-1]
        if self._meters is not None:
            self._measure_attempt(ctx, attempt)
        trace: _Trace | None = ctx.plugin_data.get(_KEY)
        if trace is None or trace.attempt is None:
            return
        span = trace.attempt
        if span.is_recording():
            span.set_attributes(self._attempt_attributes(ctx, attempt))
            failure = _failure_of(attempt)
            if failure is not None:
                span.set_status(Status(StatusCode.ERROR, failure))
            if ctx.operation == "generate":
                self._describe_request(span, ctx)
            if len(ctx.attempts) > 1:
                span.set_attribute(names.HTTP_REQUEST_RESEND_COUNT, len(ctx.attempts) - 1)
            if failure is None:
                self._describe_answer(span, ctx)
        span.end(_nanoseconds(attempt.ended))

    def ended(self, ctx: RequestContext, status: int) -> None:
        if self._meters is not None:
            self._measure_request(ctx, status)
        trace: _Trace | None = ctx.plugin_data.pop(_KEY, None)
        if trace is None:
            return
        span = trace.request
        if span.is_recording():
            self._describe_exchange(span, ctx, status)
            self._draw_plugins(trace, ctx)
        span.end(_nanoseconds(ctx.metrics.ended))

    # Spans.

    def _parent(self, headers: Mapping[str, str]) -> Context | None:
        if "traceparent" not in headers:
            return None
        return self._propagator.extract(
            {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        )

    def _describe_exchange(self, span: Span, ctx: RequestContext, status: int) -> None:
        http = ctx.http_request
        attributes: dict[str, Any] = {
            names.HTTP_REQUEST_METHOD: http.method,
            names.URL_PATH: http.path,  # no query: some vendors' clients put their key there
            names.HTTP_RESPONSE_STATUS_CODE: status,
            names.REQUEST_ID: ctx.request_id,
            names.PROJECT: ctx.project,
            names.ADAPTER: ctx.adapter,
            names.OPERATION: ctx.operation,
            names.ATTEMPTS: len(ctx.attempts),
        }
        if ctx.user_agent is not None:
            attributes[names.USER_AGENT] = ctx.user_agent
        if ctx.caller is not None:
            attributes[names.CALLER] = ctx.caller
        if ctx.losses:
            attributes[names.LOSSES] = content.short([str(loss) for loss in ctx.losses])
        if status >= 400:
            attributes[names.ERROR_TYPE] = _error_type(ctx, status)
            if status >= 500:
                span.set_status(Status(StatusCode.ERROR))
        span.set_attributes(attributes)

    def _attempt_attributes(self, ctx: RequestContext, attempt: Attempt) -> dict[str, Any]:
        attributes = self._identity(ctx, attempt)
        attributes[names.REQUEST_MODEL] = attempt.target.partition("/")[2]
        attributes[names.MODEL] = attempt.model
        attributes[names.PROJECT] = ctx.project
        if ctx.operation == "generate":
            attributes[names.REQUEST_STREAM] = ctx.streaming
        if attempt.status is not None:
            attributes[names.HTTP_RESPONSE_STATUS_CODE] = attempt.status
        if attempt.first_token is not None and ctx.streaming:
            attributes[names.RESPONSE_TIME_TO_FIRST_CHUNK] = attempt.first_token - attempt.started
        failure = _failure_of(attempt)
        if failure is not None:
            attributes[names.ERROR_TYPE] = failure
        return attributes

    def _identity(self, ctx: RequestContext, attempt: Attempt) -> dict[str, Any]:
        provider, _, _ = attempt.target.partition("/")
        return {
            names.OPERATION_NAME: names.OPERATIONS.get(ctx.operation, ctx.operation),
            names.PROVIDER_NAME: names.PROVIDERS.get(provider, provider),
            **self._address(ctx.project, attempt.model),
        }

    def _describe_request(self, span: Span, ctx: RequestContext) -> None:
        request = _request_of(ctx)
        if request is None:
            return
        given: dict[str, Any] = {
            names.REQUEST_MAX_TOKENS: request.max_tokens,
            names.REQUEST_TEMPERATURE: request.temperature,
            names.REQUEST_TOP_P: request.top_p,
            names.REQUEST_TOP_K: request.top_k,
            names.REQUEST_STOP_SEQUENCES: content.short(request.stop) if request.stop else None,
            names.REQUEST_FREQUENCY_PENALTY: request.frequency_penalty,
            names.REQUEST_PRESENCE_PENALTY: request.presence_penalty,
            names.REQUEST_SEED: request.seed,
            names.REQUEST_CHOICE_COUNT: request.n if request.n != 1 else None,
        }
        if request.response_format is not None:
            given[names.OUTPUT_TYPE] = "text" if request.response_format.kind == "text" else "json"
        if self._capture:
            given[names.INPUT_MESSAGES] = content.input_messages(request)
            given[names.SYSTEM_INSTRUCTIONS] = content.system_instructions(request)
            given[names.TOOL_DEFINITIONS] = content.tool_definitions(request)
        span.set_attributes({name: value for name, value in given.items() if value is not None})

    def _describe_answer(self, span: Span, ctx: RequestContext) -> None:
        metrics = ctx.metrics
        found: dict[str, Any] = {
            names.USAGE_INPUT_TOKENS: metrics.input_tokens,
            names.USAGE_OUTPUT_TOKENS: metrics.output_tokens,
            names.USAGE_CACHE_READ_TOKENS: metrics.cache_read_tokens,
            names.USAGE_CACHE_WRITE_TOKENS: metrics.cache_write_tokens,
            names.USAGE_REASONING_TOKENS: metrics.reasoning_tokens,
        }
        response = _response_of(ctx)
        if response is not None:
            found[names.RESPONSE_ID] = response.id or None
            found[names.RESPONSE_MODEL] = response.model or None
            found[names.RESPONSE_FINISH_REASONS] = [
                choice.raw_finish_reason or choice.finish_reason
                for choice in response.choices[: content.MOST_PARTS]
                if choice.raw_finish_reason or choice.finish_reason
            ] or None
            if self._capture:
                found[names.OUTPUT_MESSAGES] = content.output_messages(response)
        span.set_attributes({name: value for name, value in found.items() if value is not None})

    def _draw_plugins(self, trace: _Trace, ctx: RequestContext) -> None:
        """A span per plugin and phase, as long as its hooks took in all.

        Only their lengths are measured: those before the model are one after the other from the request's start,
        the others one after the other up to its end.
        """
        assert self._tracer is not None
        metrics = ctx.metrics
        start = metrics.started
        end = metrics.ended or metrics.started
        rest = sum(seconds for name, seconds in ctx.timings.items() if not name.endswith(".before_model"))
        later = max(start, end - rest)
        for name, seconds in ctx.timings.items():
            plugin, _, phase = name.rpartition(".")
            begin = start if phase == "before_model" else later
            span = self._tracer.start_span(
                f"plugin {plugin}",
                trace.context,
                SpanKind.INTERNAL,
                {names.PLUGIN_NAME: plugin, names.PLUGIN_PHASE: phase},
                start_time=_nanoseconds(begin),
            )
            span.end(_nanoseconds(begin + seconds))
            if phase == "before_model":
                start += seconds
            else:
                later += seconds

    # Metrics.

    def _measure_attempt(self, ctx: RequestContext, attempt: Attempt) -> None:
        labels = self._labels(ctx, attempt)
        failure = _failure_of(attempt)
        if failure is not None:
            labels = {**labels, names.ERROR_TYPE: failure}
        if attempt.ended is not None:
            self._calls.record(max(0.0, attempt.ended - attempt.started), labels)
        if attempt.first_token is not None and ctx.streaming:
            self._first_chunk.record(max(0.0, attempt.first_token - attempt.started), labels)

    def _measure_request(self, ctx: RequestContext, status: int) -> None:
        metrics = ctx.metrics
        ended = metrics.ended or metrics.started
        if not ctx.attempts:
            labels: dict[str, Any] = {names.OPERATION_NAME: names.OPERATIONS.get(ctx.operation, ctx.operation)}
        else:
            labels = self._labels(ctx, ctx.attempts[-1])
            if metrics.input_tokens is not None:
                self._tokens.record(metrics.input_tokens, {**labels, names.TOKEN_TYPE: "input"})
            if metrics.output_tokens is not None:
                self._tokens.record(metrics.output_tokens, {**labels, names.TOKEN_TYPE: "output"})
            if metrics.first_token is not None and ctx.streaming:
                self._first_token.record(max(0.0, metrics.first_token - metrics.started), labels)
                if metrics.output_tokens is not None and metrics.output_tokens > 1:
                    each = (ended - metrics.first_token) / (metrics.output_tokens - 1)
                    self._per_token.record(max(0.0, each), labels)
        if status >= 400:
            labels = {**labels, names.ERROR_TYPE: _error_type(ctx, status)}
        self._requests.record(max(0.0, ended - metrics.started), labels)

    def _labels(self, ctx: RequestContext, attempt: Attempt) -> dict[str, Any]:
        model = attempt.target.partition("/")[2]
        if model not in self._models:
            if len(self._models) >= MAX_MODELS:
                model = "_OTHER"
            else:
                self._models.add(model)
        labels = self._identity(ctx, attempt)
        labels[names.REQUEST_MODEL] = model
        return labels

    def _address(self, project: str, model: str) -> dict[str, Any]:
        """Host and port of the provider of a configured model."""
        if self._control is None:
            return {}
        gateway = self._control.gateway
        if gateway is not self._addressed:
            self._addressed, self._addresses = gateway, {}
        known = self._addresses.get((project, model))
        if known is None:
            served = gateway.projects.get(project)
            target = served.scope.registry.find(model) if served is not None else None
            known = {} if target is None or target.http is None else _host_and_port(target.http.origin)
            self._addresses[(project, model)] = known
        return known


def _views() -> list[View]:
    buckets: dict[str, tuple[float, ...]] = {
        names.CLIENT_TOKEN_USAGE: names.TOKEN_BUCKETS,
        names.CLIENT_OPERATION_DURATION: names.DURATION_BUCKETS,
        names.CLIENT_TIME_TO_FIRST_CHUNK: names.FIRST_TOKEN_BUCKETS,
        names.SERVER_REQUEST_DURATION: names.DURATION_BUCKETS,
        names.SERVER_TIME_TO_FIRST_TOKEN: names.FIRST_TOKEN_BUCKETS,
        names.SERVER_TIME_PER_OUTPUT_TOKEN: names.TOKEN_TIME_BUCKETS,
    }
    return [
        View(instrument_name=name, aggregation=ExplicitBucketHistogramAggregation(bounds))
        for name, bounds in buckets.items()
    ]


def _host_and_port(origin: str) -> dict[str, Any]:
    parts = urlsplit(origin)
    if not parts.hostname:
        return {}
    return {
        names.SERVER_ADDRESS: parts.hostname,
        names.SERVER_PORT: parts.port or (443 if parts.scheme == "https" else 80),
    }


def _request_of(ctx: RequestContext) -> LLMRequest | None:
    """The request as it was sent, where it can be had cheaply."""
    payload = ctx.request_payload
    if payload is None:
        return None
    if payload.opened:
        return payload.value
    if len(ctx.http_request.body) > MAX_DECODED_BYTES:
        return None
    try:
        return payload.pristine()
    except GatewayError:
        return None


def _response_of(ctx: RequestContext) -> LLMResponse | None:
    """The answer, where the gateway has read it or kept it."""
    if ctx.response_payload is None:
        return Engine.beginning_of_accumulated(ctx, content.MOST_PARTS)
    if not ctx.response_payload.opened:
        reply = ctx.upstream_response
        if reply is None or len(reply.body) > MAX_DECODED_BYTES:
            return None
    try:
        return ctx.response
    except (GatewayError, ValueError):
        return None


def _failure_of(attempt: Attempt) -> str | None:
    if attempt.kind is not None:
        return attempt.kind
    if attempt.status is not None and attempt.status >= 400:
        return str(attempt.status)
    return None


def _error_type(ctx: RequestContext, status: int) -> str:
    if status == 499:
        return "client_disconnected"
    return ctx.error.recorded_kind if isinstance(ctx.error, GatewayError) else str(status)


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1_000_000_000)


def _resource(config: OtelConfig) -> Resource:
    """Who reports: the setting, else `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, else `llm-gateway`.

    `Resource.create` reads the variables, and lets what it is given win.
    """
    attributes = {names.SERVICE_VERSION: __version__, names.SERVICE_INSTANCE_ID: os.urandom(8).hex()}
    named = "service_name" in config.model_fields_set
    variables = f"{os.environ.get('OTEL_SERVICE_NAME', '')},{os.environ.get('OTEL_RESOURCE_ATTRIBUTES', '')}"
    if named or not (os.environ.get("OTEL_SERVICE_NAME") or f"{names.SERVICE_NAME}=" in variables):
        attributes[names.SERVICE_NAME] = config.service_name
    return Resource.create(attributes)


def _sampler(config: OtelConfig) -> Sampler | None:
    """The written share of requests, else what `OTEL_TRACES_SAMPLER` names (None lets the SDK read it), else all."""
    if "sample_ratio" not in config.model_fields_set and os.environ.get("OTEL_TRACES_SAMPLER"):
        return None
    return ParentBased(TraceIdRatioBased(config.sample_ratio))
