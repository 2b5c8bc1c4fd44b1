"""What the metrics page states of requests, and that its labels stay few."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from monitored_gateway import Monitored, samples_of, value
from prometheus_client.openmetrics import parser as openmetrics

from llm_gateway.exchange.ending import EndReason, error_of
from llm_gateway.monitoring import metrics as module
from llm_gateway.monitoring.families import FAMILIES
from llm_gateway.monitoring.metrics import Metrics
from llm_gateway_sdk import Attempt, ModelError, Plugin, PluginResult, RequestContext, plugin_metadata

Start = Callable[..., Monitored]

ECHO = """
models:
  - name: echo
    isDefault: true
    provider: {type: echo}
    metadata: {prices: {input: 2, output: 10}}
"""

FALLBACK = """
models:
  - {name: first, isDefault: true, provider: {type: echo, config: {failWith: 503}}}
  - {name: second, provider: {type: echo}}
plugins:
  - {name: router, type: model-router, config: {model: first, fallbacks: [second]}}
"""


def test_requests_are_counted_by_project_model_status_and_stream(monitored: Start) -> None:
    client = monitored(ECHO + "projects: [{name: shop}]")
    client.chat("hello")
    client.chat("hello", project="shop")
    client.message("hello", stream=True)
    client.chat("fail 429")

    found = client.scrape()

    name = "llm_gateway_requests_total"
    assert value(found, name, project="default", adapter="openai", model="echo", provider="echo", status="200") == 1
    assert value(found, name, project="shop", operation="generate") == 1
    assert value(found, name, adapter="anthropic", stream="true", status="200") == 1
    assert value(found, name, status="429") == 1
    assert value(found, "llm_gateway_errors_total", class_="rate_limit", source="upstream") == 1
    assert value(found, "llm_gateway_request_duration_seconds_count") == 4
    assert value(found, "llm_gateway_request_duration_seconds_bucket", le="+Inf") == 4
    assert value(found, "llm_gateway_time_to_first_token_seconds_count") == 1


def test_tokens_and_cost_are_those_of_the_reply(monitored: Start) -> None:
    client = monitored(ECHO)
    usage = client.chat("hello there").json()["usage"]

    found = client.scrape()

    tokens = "llm_gateway_tokens_total"
    assert value(found, tokens, kind="input") == usage["prompt_tokens"]
    assert value(found, tokens, kind="output") == usage["completion_tokens"]
    cost = (2 * usage["prompt_tokens"] + 10 * usage["completion_tokens"]) / 1e6
    assert value(found, "llm_gateway_cost_usd_total", model="echo") == pytest.approx(cost)


def test_a_model_without_prices_has_no_cost(monitored: Start) -> None:
    client = monitored("models: [{name: echo, isDefault: true, provider: {type: echo}}]")
    client.chat("hello")

    assert value(client.scrape(), "llm_gateway_cost_usd_total") is None


def test_a_kind_without_a_price_is_counted_and_the_rest_is_booked(monitored: Start) -> None:
    client = monitored("models: [{name: echo, isDefault: true, provider: {type: echo}, prices: {input: 2}}]")
    usage = client.chat("hello there").json()["usage"]

    found = client.scrape()

    cost = 2 * usage["prompt_tokens"] / 1e6
    assert value(found, "llm_gateway_cost_usd_total", model="echo") == pytest.approx(cost)
    assert value(found, "llm_gateway_unpriced_total", model="echo", kind="output") == 1


def test_a_price_that_cannot_be_read_is_reported_and_left_out(
    monitored: Start, caplog: pytest.LogCaptureFixture
) -> None:
    client = monitored("models: [{name: m, isDefault: true, provider: {type: echo}, metadata: {prices: {input: x}}}]")
    client.chat("hello")

    assert value(client.scrape(), "llm_gateway_cost_usd_total") is None
    assert "metadata.prices" in caplog.text


def test_attempts_fallbacks_and_upstream_time_are_counted(monitored: Start) -> None:
    client = monitored(FALLBACK)
    assert client.chat("hello").status == 200

    found = client.scrape()

    attempts = "llm_gateway_upstream_attempts_total"
    assert value(found, attempts, model="first", outcome="overloaded") == 1
    assert value(found, attempts, model="second", outcome="ok") == 1
    assert value(found, "llm_gateway_fallbacks_total", model="first", to_model="second") == 1
    assert value(found, "llm_gateway_requests_total", model="second", status="200") == 1
    assert value(found, "llm_gateway_upstream_duration_seconds_count") == 2
    assert value(found, "llm_gateway_errors_total") is None


def test_an_opened_breaker_shows(monitored: Start) -> None:
    client = monitored(FALLBACK + "breaker: {failures: 2}")
    for _ in range(3):
        client.chat("hello")

    found = client.scrape()

    assert value(found, "llm_gateway_breaker_state", model="first", state="open") == 1
    assert value(found, "llm_gateway_breaker_state", model="second", state="closed") == 1
    assert value(found, "llm_gateway_breaker_openings_total", model="first") == 1


@plugin_metadata(name="gauged")
class Gauged(Plugin):
    def before_model(self, ctx: RequestContext) -> PluginResult | None:
        if "refused" in ctx.http_request.body.decode():
            return PluginResult(success=False, status=403, error="no")
        return None

    def metrics(self) -> dict[str, float]:
        return {"backlog": 3, "lost_total": 2, "cache hits": 1.5, "odd": float("nan")}


@plugin_metadata(name="broken")
class Broken(Plugin):
    def metrics(self) -> dict[str, float]:
        raise ValueError("no figures today")


PLUGINS = (
    ECHO
    + """
plugins:
  - {name: mine, type: gauged}
  - {name: other, type: broken}
"""
)


def test_plugins_figures_and_times_are_shown(monitored: Start, caplog: pytest.LogCaptureFixture) -> None:
    client = monitored(PLUGINS, extensions=[Gauged, Broken])
    client.chat("hello")
    client.chat("refused")

    found = client.scrape()
    client.scrape()

    assert value(found, "llm_gateway_plugin_gauged_backlog", project="default", plugin="mine") == 3
    assert value(found, "llm_gateway_plugin_gauged_lost_total", plugin="mine") == 2
    assert value(found, "llm_gateway_plugin_gauged_cache_hits") == 1.5
    assert value(found, "llm_gateway_plugin_gauged_odd") is None
    assert value(found, "llm_gateway_plugin_requests_total", plugin="mine", phase="before_model") == 2
    assert (value(found, "llm_gateway_plugin_seconds_total", plugin="mine") or 0) > 0
    assert value(found, "llm_gateway_errors_total", source="plugin") == 1
    assert caplog.text.count("plugin 'other' failed in metrics") == 1


def test_requests_refused_at_the_edge_are_counted_too(monitored: Start) -> None:
    client = monitored(ECHO)
    client.get("/no/such/route")
    client.post("/v1/chat/completions", body=b"{broken")

    found = client.scrape()

    assert value(found, "llm_gateway_requests_total", status="404") == 1
    assert value(found, "llm_gateway_requests_total", status="400", operation="generate") == 1
    assert value(found, "llm_gateway_errors_total", source="client") == 2


def test_reloads_are_counted_by_their_result(monitored: Start) -> None:
    client = monitored(ECHO)
    client.reload()
    client.text = "models: [{name: broken}]"
    client.reload()

    found = client.scrape()

    reloads = "llm_gateway_config_reloads_total"
    assert value(found, reloads, result="unchanged") == 1
    assert value(found, reloads, result="refused") == 1
    assert value(found, "llm_gateway_config_last_reload_refused") == 1
    client.text = ECHO.replace("output: 10", "output: 20")
    client.reload()
    found = client.scrape()
    assert value(found, reloads, result="taken") == 1
    assert value(found, "llm_gateway_config_last_reload_refused") == 0


def test_a_file_that_is_valid_again_is_logged(monitored: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Though nothing changes by it: the last line of the log had the refusal until then."""
    client = monitored(ECHO)
    with caplog.at_level(logging.INFO, "llm_gateway"):
        for text in (ECHO, "models: [{name: broken}]", ECHO, ECHO):
            client.text = text
            client.reload()

    found = [record.getMessage() for record in caplog.records if "configuration" in record.getMessage()]
    refused, valid = found  # an unchanged file that was valid before has no line
    assert refused.startswith("the configuration was refused, the former one stays active:")
    assert valid == f"the configuration is valid again, {client.gateway.version} stays active"


def test_prices_of_a_reload_count_from_then_on(monitored: Start) -> None:
    client = monitored(ECHO)
    client.chat("hello")
    before = value(client.scrape(), "llm_gateway_cost_usd_total")
    client.text = ECHO.replace("input: 2, output: 10", "input: 4, output: 20")
    client.reload()
    client.chat("hello")

    assert before is not None
    assert value(client.scrape(), "llm_gateway_cost_usd_total") == pytest.approx(3 * before)


def test_openmetrics_is_written_for_those_who_ask(monitored: Start) -> None:
    client = monitored(PLUGINS, extensions=[Gauged, Broken])
    client.chat("hello")

    answer = client.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in openmetrics.text_string_to_metric_families(answer.text)}
    assert {"llm_gateway_requests", "llm_gateway_request_duration_seconds", "llm_gateway_breaker_state"} <= names


@pytest.mark.parametrize("accept", ["", "text/plain;version=0.0.4", "*/*", "application/openmetrics-text;version=x"])
def test_any_accept_header_gets_an_answer(monitored: Start, accept: str) -> None:
    assert monitored(ECHO).get("/metrics", headers={"accept": accept}).status == 200


def test_ten_thousand_users_and_unknown_models_add_no_series(monitored: Start) -> None:
    client = monitored("models: [{name: any, isDefault: true, provider: {type: echo}}]")
    for number in range(3):
        client.chat("hello", model=f"made-up-{number}", user=f"user-{number}")
    few = client.scrape()
    metrics = client.metrics
    for number in range(10_000):
        ctx = finished(requested_model=f"made-up-{number}", caller=f"user-{number}", target=f"echo/made-up-{number}")
        ctx.target_model_provider = f"odd-{number}"  # a plugin may set it
        metrics.ended(ctx, 600 + number)  # a provider may say anything
        metrics.ended(ctx, 200)

    many = client.scrape()

    assert "made-up" not in str(many)
    assert "odd-" not in str(many)
    assert "user-" not in str(many)
    assert value(many, "llm_gateway_requests_total", status="other") == 10_000
    assert len(many) < len(few) + 60
    assert len(metrics._series) < 20


def test_beyond_the_bound_series_are_summed_under_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SERIES", 5)
    metrics = Metrics()
    for number in range(50):
        metrics.ended(finished(model=f"model-{number}"), 200)

    snapshot = metrics.snapshot()
    found = samples_of(metrics.render([snapshot], "")[0].decode())

    assert value(found, "llm_gateway_requests_total") == 50
    assert (value(found, "llm_gateway_requests_total", model="other") or 0) >= 40
    assert value(found, "llm_gateway_label_overflow_total") == value(found, "llm_gateway_requests_total", model="other")


def test_a_client_that_left_is_neither_an_error_of_the_provider_nor_of_the_gateway() -> None:
    metrics = Metrics()
    metrics.ended(finished(error=ModelError("The client left.", code="client_disconnected")), 499)

    found = samples_of(metrics.render([metrics.snapshot()], "")[0].decode())

    assert value(found, "llm_gateway_errors_total", class_="client_disconnected", source="client") == 1
    assert value(found, "llm_gateway_upstream_attempts_total", outcome="cancelled") == 1


def test_what_the_end_of_the_gateway_cut_off_is_not_counted_as_a_lack_of_room() -> None:
    metrics = Metrics()
    metrics.ended(finished(error=error_of(EndReason.SHUTDOWN)), 503)

    found = samples_of(metrics.render([metrics.snapshot()], "")[0].decode())

    assert value(found, "llm_gateway_errors_total", class_="shutting_down", source="gateway") == 1
    assert not value(found, "llm_gateway_errors_total", class_="overloaded")


def test_a_call_refused_before_it_was_sent_is_not_an_upstream_time() -> None:
    metrics = Metrics()
    ctx = finished()
    ctx.attempts[0].status = None
    metrics.ended(ctx, 400)

    found = samples_of(metrics.render([metrics.snapshot()], "")[0].decode())

    assert value(found, "llm_gateway_upstream_attempts_total", outcome="not_sent") == 1
    assert value(found, "llm_gateway_upstream_duration_seconds_count") is None


def test_snapshots_of_workers_add_up() -> None:
    one, two = Metrics(), Metrics()
    one.ended(finished(), 200)
    two.ended(finished(), 200)
    two.ended(finished(model="b"), 500)

    found = samples_of(one.render([one.snapshot(), two.snapshot()], "")[0].decode())

    assert value(found, "llm_gateway_requests_total") == 3
    assert value(found, "llm_gateway_workers") == 2
    assert value(found, "llm_gateway_request_duration_seconds_bucket", le="+Inf", model="m") == 2


def test_every_family_follows_prometheus_naming() -> None:
    for name, family in FAMILIES.items():
        assert (family.kind == "counter") == name.endswith("_total"), name
        assert family.help.endswith("."), name
        assert list(family.buckets) == sorted(family.buckets)


def test_nothing_is_imported_or_served_where_metrics_are_off(monitored: Start) -> None:
    client = monitored(ECHO + "monitoring: {metrics: {enabled: false}}")

    assert client.metrics is None
    assert client.get("/metrics").status == 404
    assert "Metrics" not in {type(each).__name__ for each in client.gateway.services.observers}


def test_monitoring_can_be_switched_off_as_a_whole(monitored: Start) -> None:
    client = monitored(ECHO + "monitoring: {enabled: false}")

    assert [client.get(path).status for path in ("/metrics", "/health", "/health/live", "/health/ready")] == [404] * 4


def finished(
    *, model: str = "m", target: str = "echo/m", error: ModelError | None = None, **fields: Any
) -> RequestContext:
    caller = fields.pop("caller", None)
    now = time.time()
    ctx = RequestContext(request_id="req_1", adapter="openai", started=now - 1, **fields)
    ctx.caller = caller
    ctx.error = error
    ctx.attempts.append(Attempt(model, target, now - 0.9, ended=now, status=200))
    ctx.target_model_provider = "echo"
    ctx.metrics.ended = now
    return ctx
