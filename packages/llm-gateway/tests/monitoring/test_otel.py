"""Spans and metrics against the published conventions."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import pytest
from monitored_gateway import Monitored

from llm_gateway.config.schema import OtelConfig
from llm_gateway.loading import load_text
from llm_gateway.monitoring import conventions as names
from llm_gateway.server.observers import make_observers
from llm_gateway_sdk import ConfigError, Plugin, RequestContext, plugin_metadata

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from llm_gateway.monitoring.otel import OpenTelemetry, _resource, _sampler

ECHO = "models: [{name: echo, isDefault: true, provider: {type: echo, config: {model: echo-1}}}]\n"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@plugin_metadata(name="noop")
class Noop(Plugin):
    def before_model(self, ctx: RequestContext) -> None:
        ctx.caller = "team-a"

    def after_model(self, ctx: RequestContext) -> None:
        pass

    on_stream = "skip"


class Telemetry:
    """A gateway whose spans and metrics stay in memory."""

    def __init__(self, monitored: Callable[..., Monitored], configuration: str, **settings: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        observer = OpenTelemetry(
            OtelConfig.model_validate({"enabled": True, **settings}),
            processor=SimpleSpanProcessor(self.exporter),
            reader=self.reader,
        )
        self.client = monitored(configuration, observers=[observer], extensions=[Noop])

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}

    @property
    def measured(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def test_a_request_has_a_span_and_each_attempt_and_plugin_one_below(monitored: Callable[..., Monitored]) -> None:
    reported = Telemetry(monitored, ECHO + "plugins: [{name: mine, type: noop}]")
    answer = reported.client.chat("hello", temperature=0.5, max_tokens=9, stop=["x"], headers={"x-request-id": "req-7"})

    spans = reported.spans
    request, attempt = spans["POST openai/generate"], spans["chat echo-1"]
    assert request.kind is SpanKind.SERVER
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "url.path": "/v1/chat/completions",
        "http.response.status_code": 200,
        "llm_gateway.request_id": "req-7",
        "llm_gateway.project": "default",
        "llm_gateway.adapter": "openai",
        "llm_gateway.operation": "generate",
        "llm_gateway.attempts": 1,
        "llm_gateway.caller": "team-a",
    }
    assert attempt.kind is SpanKind.CLIENT
    assert attempt.parent == request.context
    found = dict(attempt.attributes or {})
    usage = answer.json()["usage"]
    assert found["gen_ai.operation.name"] == "chat"
    assert found["gen_ai.provider.name"] == "echo"
    assert found["gen_ai.request.model"] == "echo-1"
    assert found["gen_ai.request.temperature"] == 0.5
    assert found["gen_ai.request.max_tokens"] == 9
    assert found["gen_ai.request.stop_sequences"] == ("x",)
    assert found["gen_ai.usage.input_tokens"] == usage["prompt_tokens"]
    assert found["gen_ai.usage.output_tokens"] == usage["completion_tokens"]
    assert found["gen_ai.response.finish_reasons"] == ("stop",)
    assert found["gen_ai.response.model"]
    plugin = [span for span in reported.exporter.get_finished_spans() if span.name == "plugin mine"]
    assert {dict(span.attributes or {})["llm_gateway.plugin.phase"] for span in plugin} == {
        "before_model",
        "after_model",
    }
    assert all(span.parent == request.context for span in plugin)


def test_content_stays_out_unless_it_is_asked_for(monitored: Callable[..., Monitored]) -> None:
    reported = Telemetry(monitored, ECHO)
    reported.client.chat("my secret plan")

    assert "my secret plan" not in "".join(span.to_json() for span in reported.exporter.get_finished_spans())


def test_content_that_is_asked_for_has_the_published_form(monitored: Callable[..., Monitored]) -> None:
    reported = Telemetry(monitored, ECHO, captureContent=True)
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": 'call look {"at": "sky"}'},
    ]
    reported.client.chat(messages=messages, tools=[tool])

    found = dict(reported.spans["chat echo-1"].attributes or {})
    assert json.loads(str(found["gen_ai.system_instructions"])) == [{"type": "text", "content": "Be brief."}]
    assert json.loads(str(found["gen_ai.input.messages"])) == [
        {"role": "user", "parts": [{"type": "text", "content": 'call look {"at": "sky"}'}]}
    ]
    (output,) = json.loads(str(found["gen_ai.output.messages"]))
    assert output["role"] == "assistant"
    assert output["finish_reason"] == "tool_call"
    assert {"name": "look", "arguments": {"at": "sky"}}.items() <= output["parts"][-1].items()
    assert json.loads(str(found["gen_ai.tool.definitions"]))[0]["name"] == "look"


def test_a_stream_reports_the_time_to_its_first_chunk(monitored: Callable[..., Monitored]) -> None:
    reported = Telemetry(monitored, ECHO)
    reported.client.chat("one two three", stream=True)

    found = dict(reported.spans["chat echo-1"].attributes or {})
    assert found["gen_ai.request.stream"] is True
    assert float(str(found["gen_ai.response.time_to_first_chunk"])) >= 0
    assert {"gen_ai.client.operation.time_to_first_chunk", "gen_ai.server.time_to_first_token"} <= set(
        reported.measured
    )


def test_a_failure_is_an_error_on_the_attempt_and_the_fallback_is_another_span(
    monitored: Callable[..., Monitored],
) -> None:
    reported = Telemetry(
        monitored,
        """
models:
  - {name: first, isDefault: true, provider: {type: echo, config: {model: one, failWith: 503}}}
  - {name: second, provider: {type: echo, config: {model: two}}}
plugins: [{name: router, type: model-router, config: {model: first, fallbacks: [second]}}]
""",
    )
    reported.client.chat("hello")

    first, second = reported.spans["chat one"], reported.spans["chat two"]
    assert first.status.status_code is StatusCode.ERROR
    assert dict(first.attributes or {})["error.type"] == "overloaded"
    assert second.status.status_code is StatusCode.UNSET
    assert dict(second.attributes or {})["http.request.resend_count"] == 1
    assert dict(reported.spans["POST openai/generate"].attributes or {})["llm_gateway.attempts"] == 2
    durations = reported.measured["gen_ai.client.operation.duration"]
    assert [dict(point.attributes).get("error.type") for point in durations].count("overloaded") == 1


def test_metrics_have_the_published_names_units_and_buckets(monitored: Callable[..., Monitored]) -> None:
    reported = Telemetry(monitored, ECHO)
    reported.client.chat("hello")

    measured = reported.measured
    tokens = {dict(point.attributes)["gen_ai.token.type"]: point for point in measured["gen_ai.client.token.usage"]}
    assert set(tokens) == {"input", "output"}
    assert list(tokens["input"].explicit_bounds) == [4**power for power in range(14)]
    duration = measured["gen_ai.client.operation.duration"][0]
    assert {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"} <= set(duration.attributes)
    assert duration.explicit_bounds[0] == 0.01
    assert duration.explicit_bounds[-1] == 81.92
    assert measured["gen_ai.server.request.duration"][0].count == 1


def test_made_up_models_do_not_multiply_metrics(monitored: Callable[..., Monitored]) -> None:
    reported = Telemetry(monitored, "models: [{name: any, isDefault: true, provider: {type: echo}}]")
    for number in range(230):
        reported.client.chat("hello", model=f"made-up-{number}")

    models = {
        dict(point.attributes)["gen_ai.request.model"] for point in reported.measured["gen_ai.client.token.usage"]
    }

    assert len(models) == 201
    assert "_OTHER" in models


def test_our_names_are_those_that_are_published() -> None:
    attributes = pytest.importorskip("opentelemetry.semconv._incubating.attributes.gen_ai_attributes")
    metrics = pytest.importorskip("opentelemetry.semconv._incubating.metrics.gen_ai_metrics")
    published = _strings(attributes) | _strings(metrics)

    ours = {text for text in _strings(names) if text.startswith("gen_ai.")}

    assert len(ours) > 30
    assert ours - published == set()
    providers = {member.value for member in attributes.GenAiProviderNameValues}
    assert set(names.PROVIDERS.values()) - providers == {"moonshot_ai"}  # newer than the package


def test_stable_names_are_those_that_are_published() -> None:
    from opentelemetry.semconv._incubating.attributes import (
        error_attributes,
        http_attributes,
        server_attributes,
        service_attributes,
        url_attributes,
        user_agent_attributes,
    )

    published: set[str] = set()
    for module in (
        error_attributes, http_attributes, server_attributes, service_attributes, url_attributes, user_agent_attributes,
    ):  # fmt: skip
        published |= _strings(module)

    ours = {text for text in _strings(names) if not text.startswith(("gen_ai.", "llm_gateway."))}

    assert {text for text in ours if "." in text} - published == set()


def _strings(module: ModuleType) -> set[str]:
    return {value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}


# Over the wire.


class Collector:
    """Receives OTLP over HTTP, and plays a Chat Completions provider."""

    def __init__(self) -> None:
        received: list[tuple[str, dict[str, str], bytes]] = []
        self.received = received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received.append((self.path, headers, body))
                reply = b"{}"
                if self.path.endswith("/chat/completions"):
                    message = {"role": "assistant", "content": "hi"}
                    reply = json.dumps(
                        {
                            "id": "c1", "object": "chat.completion", "created": 1, "model": "m-1",
                            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
                        }
                    ).encode()  # fmt: skip
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, path: str) -> list[tuple[dict[str, str], bytes]]:
        return [(headers, body) for each, headers, body in self.received if each == path]


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.server.shutdown()
    found.server.server_close()


def upstream(url: str) -> str:
    provider = f"{{type: openai, config: {{baseUrl: '{url}/v1', apiKey: sk-test, model: m, api: chat}}}}"
    return f"models: [{{name: m, isDefault: true, provider: {provider}}}]\n"


def test_a_trace_goes_on_from_the_client_through_the_gateway_to_the_provider(
    monitored: Callable[..., Monitored], collector: Collector
) -> None:
    reported = Telemetry(monitored, upstream(collector.url))
    answer = reported.client.chat("hello", headers={"traceparent": TRACEPARENT, "tracestate": "vendor=1"})
    assert answer.status == 200

    headers, _ = collector.of("/v1/chat/completions")[0]
    spans = reported.spans
    request, attempt = spans["POST openai/generate"], spans["chat m"]
    assert request.parent is not None
    assert format(request.parent.span_id, "016x") == "b7ad6b7169203331"
    assert attempt.context is not None
    version, trace, span, _ = headers["traceparent"].split("-")
    assert (version, trace) == ("00", "0af7651916cd43dd8448eb211c80319c")
    assert span == format(attempt.context.span_id, "016x")
    assert headers["tracestate"] == "vendor=1"
    found = dict(attempt.attributes or {})
    assert found["server.address"] == "127.0.0.1"
    assert found["server.port"] == int(collector.url.rpartition(":")[2])


def test_answers_that_pass_through_unread_are_captured_where_that_is_asked_for(
    monitored: Callable[..., Monitored], collector: Collector
) -> None:
    reported = Telemetry(monitored, upstream(collector.url), captureContent=True)
    reported.client.chat("hello")

    found = dict(reported.spans["chat m"].attributes or {})
    (output,) = json.loads(str(found["gen_ai.output.messages"]))
    assert output == {"role": "assistant", "parts": [{"type": "text", "content": "hi"}], "finish_reason": "stop"}
    assert found["gen_ai.response.model"] == "m-1"
    kept = reported.client.gateway.services.kept
    assert kept.left == reported.client.gateway.config.server.limits.max_kept_bytes


def test_without_tracing_the_clients_own_trace_reaches_the_provider(
    monitored: Callable[..., Monitored], collector: Collector
) -> None:
    monitored(upstream(collector.url)).chat("hello", headers={"traceparent": TRACEPARENT})

    assert collector.of("/v1/chat/completions")[0][0]["traceparent"] == TRACEPARENT


def test_a_collector_accepts_what_is_sent(monitored: Callable[..., Monitored], collector: Collector) -> None:
    trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    metrics_service = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
    settings = f"""
monitoring:
  otel:
    enabled: true
    endpoint: {collector.url}/
    headers: {{x-collector-key: abc}}
    serviceName: my-gateway
"""
    client = monitored(ECHO + settings)
    client.chat("hello")
    for observer in client.gateway.services.observers[1:]:
        observer.close()  # type: ignore[attr-defined]

    headers, body = collector.of("/v1/traces")[0]
    traces = trace_service.ExportTraceServiceRequest.FromString(body)
    spans = [span.name for each in traces.resource_spans for scope in each.scope_spans for span in scope.spans]
    resource = {item.key: item.value.string_value for item in traces.resource_spans[0].resource.attributes}
    _, body = collector.of("/v1/metrics")[-1]
    metrics = metrics_service.ExportMetricsServiceRequest.FromString(body)
    measured = {each.name for scope in metrics.resource_metrics[0].scope_metrics for each in scope.metrics}
    assert headers["x-collector-key"] == "abc"
    assert sorted(spans) == ["POST openai/generate", "chat echo-1"]
    assert resource["service.name"] == "my-gateway"
    assert "gen_ai.client.operation.duration" in measured


def test_unsampled_requests_send_no_spans_but_are_measured(monitored: Callable[..., Monitored]) -> None:
    reported = Telemetry(monitored, ECHO, sampleRatio=0)
    reported.client.chat("hello")

    assert reported.spans == {}
    assert reported.measured["gen_ai.server.request.duration"][0].count == 1


def test_a_missing_extra_is_a_configuration_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with pytest.raises(ConfigError, match=r"monitoring\.otel\.enabled.*tools/install\.py otel"):
        make_observers(load_text(ECHO + "monitoring: {otel: {enabled: true}}"))  # type: ignore[arg-type]


def test_nothing_of_opentelemetry_is_imported_where_it_is_off() -> None:
    import subprocess

    script = (
        "import sys\n"
        "from llm_gateway.loading import load_text\n"
        "from llm_gateway.server.observers import make_observers\n"
        f"observers, _ = make_observers(load_text({ECHO!r}))\n"
        "assert [type(each).__name__ for each in observers] == ['Metrics', 'FailureLog']\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus_client'))])\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)

    assert found.stdout.strip() == "[]", found.stderr


@pytest.mark.parametrize(
    ("written", "environ", "expected"),
    [
        ({}, {}, "llm-gateway"),
        ({}, {"OTEL_SERVICE_NAME": "team-gw"}, "team-gw"),
        ({}, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=attr-gw,team=a"}, "attr-gw"),
        ({"serviceName": "mine"}, {"OTEL_SERVICE_NAME": "team-gw"}, "mine"),
        ({}, {"OTEL_RESOURCE_ATTRIBUTES": "team=a"}, "llm-gateway"),
    ],
)
def test_the_service_is_named_by_the_setting_then_by_the_environment(
    written: dict[str, Any], environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    attributes = _resource(OtelConfig(**written)).attributes
    assert attributes["service.name"] == expected
    assert attributes.get("team") == ("a" if "team=a" in str(environ) else None)


def test_the_sampler_of_the_environment_counts_where_none_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_TRACES_SAMPLER", raising=False)
    assert _sampler(OtelConfig()) is not None
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    assert _sampler(OtelConfig()) is None
    written = _sampler(OtelConfig(sampleRatio=0.5))
    assert written is not None
    assert "0.5" in written.get_description()
