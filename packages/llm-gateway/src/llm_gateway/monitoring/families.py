"""Every metric of the gateway: name, kind, labels and meaning.

Labels take their values from closed sets alone: what the configuration names, and what is enumerated here; never a
user, a key, or a name that a client made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DURATION_BUCKETS", "FAMILIES", "PLUGIN_PREFIX", "TOKEN_TIME_BUCKETS", "Family"]

DURATION_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
"""Seconds. A gateway's own answers take milliseconds, a reasoning model's take minutes."""

TOKEN_TIME_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0)
"""Seconds per output token."""

PLUGIN_PREFIX = "llm_gateway_plugin_"


@dataclass(frozen=True, slots=True)
class Family:
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    over_workers: Literal["sum", "max", "min"] = "sum"


_TARGET = ("project", "model", "provider")

FAMILIES: dict[str, Family] = {
    "llm_gateway_requests_total": Family(
        "counter",
        ("project", "adapter", "operation", "model", "provider", "status", "stream"),
        "Finished requests, by the configured model that answered last. The status of a stream that failed after "
        "its start is that of its error; 499 is a client that left.",
    ),
    "llm_gateway_errors_total": Family(
        "counter",
        (*_TARGET, "class", "source"),
        "Requests that ended with an error. Source: upstream, plugin, gateway or client.",
    ),
    "llm_gateway_request_duration_seconds": Family(
        "histogram",
        ("project", "operation", "model", "provider", "stream"),
        "From the request's arrival to the last byte of its reply.",
        DURATION_BUCKETS,
    ),
    "llm_gateway_time_to_first_token_seconds": Family(
        "histogram",
        _TARGET,
        "Streams: from the request's arrival to the first content that was sent to the client.",
        DURATION_BUCKETS,
    ),
    "llm_gateway_time_per_output_token_seconds": Family(
        "histogram",
        _TARGET,
        "Streams: time per output token after the first.",
        TOKEN_TIME_BUCKETS,
    ),
    "llm_gateway_tokens_total": Family(
        "counter",
        (*_TARGET, "kind"),
        "Tokens as the providers count them. Input includes cache_read and cache_write, output includes reasoning.",
    ),
    "llm_gateway_requests_without_usage_total": Family(
        "counter",
        _TARGET,
        "Answered generations whose provider reported no token counts; they are in no other figure of tokens or cost. "
        "Where a plugin keeps accounts, as `limits` does, such counts are estimated, and those requests are not in "
        "this figure.",
    ),
    "llm_gateway_cost_usd_total": Family(
        "counter",
        _TARGET,
        "US dollars, by the prices of model book and configuration. Requests of models without a price are left out.",
    ),
    "llm_gateway_unpriced_total": Family(
        "counter",
        (*_TARGET, "kind"),
        "Answered requests that used a kind without a price, such as `web_search`, `second` or `cache_read`. Tokens of "
        "such a kind are in the cost at the price of plain ones, pieces are not.",
    ),
    "llm_gateway_team_requests_total": Family(
        "counter", ("project", "team"), "Requests by the caller's team; after 1000 teams of a worker, `other`."
    ),
    "llm_gateway_team_tokens_total": Family(
        "counter", ("project", "team", "kind"), "Tokens by the caller's team, input and output."
    ),
    "llm_gateway_team_cost_usd_total": Family(
        "counter", ("project", "team"), "US dollars by the caller's team. Requests of unknown cost are left out."
    ),
    "llm_gateway_label_requests_total": Family(
        "counter",
        ("project", "label", "value"),
        "Requests by the caller's labels that `monitoring.metrics.labels` names; after 200 values of one, `other`.",
    ),
    "llm_gateway_label_tokens_total": Family(
        "counter", ("project", "label", "value", "kind"), "Tokens by these labels, input and output."
    ),
    "llm_gateway_label_cost_usd_total": Family(
        "counter", ("project", "label", "value"), "US dollars by these labels. Requests of unknown cost are left out."
    ),
    "llm_gateway_requests_in_flight": Family("gauge", (), "Requests being served."),
    "llm_gateway_requests_queued": Family("gauge", (), "Requests waiting for a place (maxConcurrent)."),
    "llm_gateway_request_bodies_bytes": Family(
        "gauge", ("state",), "Bodies above 16 KiB of requests that are served (in_flight) or wait for memory (queued)."
    ),
    "llm_gateway_long_replies_bytes": Family(
        "gauge", (), "Room that replies over 1 MiB hold while they are read and worked on (maxLongRepliesBytes)."
    ),
    "llm_gateway_long_replies_waiting": Family("gauge", (), "Replies that wait for room of this kind."),
    "llm_gateway_upstream_in_flight": Family("gauge", _TARGET, "Calls to providers that are under way."),
    "llm_gateway_upstream_attempts_total": Family(
        "counter",
        (*_TARGET, "outcome"),
        "Calls to providers: `ok`, `cancelled` (the client left), `not_sent`, or the class of the error.",
    ),
    "llm_gateway_upstream_duration_seconds": Family(
        "histogram",
        _TARGET,
        "Calls to providers: from the call to the end of the answer.",
        DURATION_BUCKETS,
    ),
    "llm_gateway_retries_total": Family("counter", _TARGET, "Further calls of the same model after a failure."),
    "llm_gateway_fallbacks_total": Family(
        "counter", ("project", "model", "to_model"), "Calls of another model after one failed."
    ),
    "llm_gateway_breaker_state": Family(
        "gauge",
        (*_TARGET, "state"),
        "Workers in which the model's circuit breaker is closed, half_open or open. A breaker that several projects "
        "share is listed with the first.",
    ),
    "llm_gateway_breaker_openings_total": Family("counter", _TARGET, "How often circuit breakers opened."),
    "llm_gateway_plugin_seconds_total": Family(
        "counter", ("project", "plugin", "phase"), "Time in plugins' hooks while requests were served."
    ),
    "llm_gateway_plugin_requests_total": Family(
        "counter", ("project", "plugin", "phase"), "Requests that a plugin's hook took part in."
    ),
    "llm_gateway_detached_backlog": Family("gauge", (), "Requests whose detached hooks have not run yet."),
    "llm_gateway_detached_dropped_total": Family(
        "counter", (), "Requests whose detached hooks were left out because they fell behind."
    ),
    "llm_gateway_config_reloads_total": Family(
        "counter", ("result",), "Reloads of the configuration: taken, unchanged or refused. Each worker counts its own."
    ),
    "llm_gateway_config_info": Family(
        "gauge",
        ("version",),
        "Workers that serve this version of the configuration. More than one version: not agreed.",
    ),
    "llm_gateway_config_last_reload_refused": Family(
        "gauge", (), "1 where the configuration file was refused when it was last read.", over_workers="max"
    ),
    "llm_gateway_label_overflow_total": Family(
        "counter", (), "Requests booked under `other` because the figures already had too many label combinations."
    ),
    "llm_gateway_build_info": Family("gauge", ("version",), "Workers that run this version of the gateway."),
    "llm_gateway_workers": Family("gauge", (), "Worker processes that answered."),
    "llm_gateway_worker_restarts_total": Family("counter", (), "Workers that ended unexpectedly and were replaced."),
    "process_cpu_seconds_total": Family("counter", (), "Processor time of all workers."),
    "process_resident_memory_bytes": Family("gauge", (), "Resident memory of all workers."),
    "process_open_fds": Family("gauge", (), "Open file descriptors of all workers."),
    "process_start_time_seconds": Family(
        "gauge", (), "When the oldest worker started, in seconds since the epoch.", over_workers="min"
    ),
}
