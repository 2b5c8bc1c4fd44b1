"""Counts what happens, in plain dictionaries and lists; everything else is left to the moment of a scrape.

A request that went well costs one look-up by its labels and a few additions. Series hold more than one metric, and are
folded into the metrics' own labels when somebody asks.
"""

from __future__ import annotations

import logging
import math
import os
import re
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol, get_args

from llm_gateway_sdk import (
    Attempt,
    ErrorClass,
    GatewayError,
    ModelError,
    PluginError,
    Prices,
    RequestContext,
    RequestRejected,
    Usage,
)
from llm_gateway_sdk.charges import charge_of, cost_of
from llm_gateway_sdk.errors import SHUTTING_DOWN

from .. import __version__
from ..models import ModelTarget
from .families import DURATION_BUCKETS, FAMILIES, PLUGIN_PREFIX, TOKEN_TIME_BUCKETS
from .labels import LabelFigures
from .teams import TeamFigures

__all__ = ["Metrics", "Watched"]

log = logging.getLogger("llm_gateway.monitoring")

MAX_SERIES = 20_000
"""Label combinations; what would be beyond is booked under `other`."""

MAX_PLUGIN_FIGURES = 100
"""Figures of one plugin's own."""


class Watched(Protocol):
    """What is read of a worker's control when it is asked for its figures."""

    gateway: Any
    app: Any
    last_reload: dict[str, Any]
    reloads: Mapping[str, int]


Target = tuple[str, str, str]
"""Project, model, provider."""


class _Series:
    """One combination of labels."""

    __slots__ = (
        "asked", "attempt_seconds", "attempts_ok", "cache_read", "cache_write", "cost", "costed", "durations",
        "first_tokens", "input", "key", "output", "prices", "reasoning", "target", "token_times", "varies",
        "without_usage",
    )  # fmt: skip

    def __init__(self, key: tuple[str, str, str, str, str, str, bool]) -> None:
        self.key = key
        self.target: Target = (key[0], key[3], key[4])
        self.prices: Prices | None = None
        self.asked: str | None = ""
        """What the last request asked for, where that decides the price."""
        self.varies = False
        """Its requests go to several models, which have prices of their own."""
        self.durations = [0.0] * (len(DURATION_BUCKETS) + 2)
        self.first_tokens: list[float] | None = None
        self.token_times: list[float] | None = None
        self.attempt_seconds = [0.0] * (len(DURATION_BUCKETS) + 2)
        self.attempts_ok = 0
        self.input = 0
        self.output = 0
        self.cache_read = 0
        self.cache_write = 0
        self.reasoning = 0
        self.without_usage = 0
        self.cost = 0.0
        self.costed = False


class Metrics:
    """The figures of one worker: an observer of its exchanges, and the source of its metrics page."""

    needs_usage = True
    needs_reply = False
    follows_attempts = False

    def __init__(self, labels: Sequence[str] = ()) -> None:
        """`labels` are those of callers by which requests are counted."""
        self._labels = LabelFigures(labels) if labels else None
        self._series: dict[tuple[Any, ...], _Series] = {}
        self._errors: dict[tuple[str, str, str, str, str], int] = {}
        self._attempts: dict[tuple[str, str, str, str], int] = {}
        self._attempt_seconds: dict[Target, list[float]] = {}
        self._retries: dict[Target, int] = {}
        self._fallbacks: dict[tuple[str, str, str], int] = {}
        self._plugins: dict[tuple[str, str], list[float]] = {}
        self._overflow = 0
        self._unpriced: dict[tuple[str, str, str, str], int] = {}
        """Requests by target and a kind that has no price."""
        self._teams = TeamFigures()
        self._control: Watched | None = None
        self._priced: Any = None
        self._targets: dict[tuple[str, str], ModelTarget] = {}
        self._broken_plugins: set[str] = set()
        self._started = time.time()

    def watch(self, control: Watched) -> None:
        """Takes figures that others keep (queues, breakers, plugins) from this worker's parts."""
        self._control = control

    def close(self) -> None:
        pass

    # As an observer.

    def began(self, ctx: RequestContext) -> None:
        pass

    def attempt_began(self, ctx: RequestContext) -> None:
        pass

    def attempt_ended(self, ctx: RequestContext) -> None:
        pass

    def outgoing_headers(self, ctx: RequestContext) -> Sequence[tuple[str, str]]:
        return ()

    def ended(self, ctx: RequestContext, status: int) -> None:
        control = self._control
        if control is not None and control.gateway is not self._priced:
            self._take_prices(control.gateway)
        attempts, metrics = ctx.attempts, ctx.metrics
        cost: int | None = None
        key = (
            ctx.project, ctx.adapter, ctx.operation, attempts[-1].model if attempts else "",
            ctx.target_model_provider, status, ctx.streaming,
        )  # fmt: skip
        series = self._series.get(key) or self._find(key, ctx)
        ended = metrics.ended or metrics.started
        seconds = ended - metrics.started
        durations = series.durations
        durations[bisect_left(DURATION_BUCKETS, seconds)] += 1
        durations[-1] += seconds
        if attempts:
            attempt = attempts[-1]
            if len(attempts) == 1 and status < 400 and attempt.kind is None:
                series.attempts_ok += 1
                seconds = (attempt.ended or ended) - attempt.started
                durations = series.attempt_seconds
                durations[bisect_left(DURATION_BUCKETS, seconds)] += 1
                durations[-1] += seconds
            else:
                self._book_attempts(ctx, status, ended)
            if ctx.streaming and metrics.first_token is not None:
                self._book_stream(series, metrics.first_token - metrics.started, ended - metrics.first_token, ctx)
            if metrics.input_tokens is not None or metrics.output_tokens is not None:
                cost = self._book_tokens(series, ctx)
            elif status < 400 and ctx.operation == "generate":
                series.without_usage += 1
        if ctx.caller is not None:
            self._teams.add(ctx, cost)
            if self._labels is not None:
                self._labels.add(ctx, cost)
        if status >= 400:
            self._book_error(ctx, series.target, status)
        if ctx.timings:
            plugins, project = self._plugins, ctx.project
            for name, spent in ctx.timings.items():
                known = plugins.get((project, name))
                if known is None:
                    known = plugins[(project, name)] = [0.0, 0.0]
                known[0] += spent
                known[1] += 1

    def _find(self, key: tuple[Any, ...], ctx: RequestContext) -> _Series:
        """The series of labels that are met for the first time, or that are not what they should be.

        The provider and the status are brought into their closed sets; a key that had to be changed is not kept.
        """
        project, adapter, operation, model, _, status, stream = key
        provider = ctx.attempts[-1].target.partition("/")[0] if ctx.attempts else ""
        known = status if status in _STATUSES else "other"
        proper = (project, adapter, operation, model, provider, str(known), stream)
        series = self._series.get(proper)
        if series is None:
            if len(self._series) >= 2 * MAX_SERIES:
                self._overflow += 1
                proper = ("other", adapter, operation, "other", "other", str(known), stream)
                series = self._series.get(proper)
            if series is None:
                series = _Series(proper)
                self._price(series)
                self._series[proper] = series
        if known == status and (provider or None) == key[4] and proper[0] == project:
            self._series[key] = series
        return series

    def _book_stream(self, series: _Series, first: float, rest: float, ctx: RequestContext) -> None:
        times = series.first_tokens
        if times is None:
            times = series.first_tokens = [0.0] * (len(DURATION_BUCKETS) + 2)
        times[bisect_left(DURATION_BUCKETS, first)] += 1
        times[-1] += first
        output = ctx.metrics.output_tokens
        if output is not None and output > 1:
            each = rest / (output - 1)
            times = series.token_times
            if times is None:
                times = series.token_times = [0.0] * (len(TOKEN_TIME_BUCKETS) + 2)
            times[bisect_left(TOKEN_TIME_BUCKETS, each)] += 1
            times[-1] += each

    def _book_tokens(self, series: _Series, ctx: RequestContext) -> int | None:
        """Returns the cost in nano-dollars, None where it is unknown."""
        metrics = ctx.metrics
        series.input += metrics.input_tokens or 0
        series.output += metrics.output_tokens or 0
        if metrics.cache_read_tokens:
            series.cache_read += metrics.cache_read_tokens
        if metrics.cache_write_tokens:
            series.cache_write += metrics.cache_write_tokens
        if metrics.reasoning_tokens:
            series.reasoning += metrics.reasoning_tokens
        attempts = ctx.attempts
        usage, prices = attempts[0].usage, series.prices
        if series.varies or attempts[1:] or usage is None or usage.answered_by is not None:
            cost = self._cost(series, attempts)
        else:
            cost = cost_of(prices, usage) if prices is not None else None
            if cost is None and prices is not None:
                cost = self._known_cost(series, prices, usage)
        if cost is not None:
            series.cost += cost / 1e9
            series.costed = True
        return cost

    def _cost(self, series: _Series, attempts: Sequence[Attempt]) -> int | None:
        """Of all attempts, each at the price of its model; None where that of one is unknown."""
        total = 0
        for attempt in attempts:
            usage = attempt.usage
            if usage is None:
                continue
            if attempt.model == series.target[1] and usage.answered_by is None:
                if series.varies and series.asked != attempt.target:
                    self._price_varying(series, attempt)
                prices = series.prices
            else:
                target = self._targets.get((series.target[0], attempt.model))
                prices = target.prices_of_attempt(attempt) if target is not None else None
            cost = cost_of(prices, usage) if prices is not None else None
            if cost is None and prices is not None:
                cost = self._known_cost(series, prices, usage)
            if cost is None:
                return None
            total += cost
        return total

    def _known_cost(self, series: _Series, prices: Prices, usage: Usage) -> int | None:
        """Where the price of a kind that was used is missing. What is known is booked, and the rest counted."""
        charge = charge_of(prices, usage)
        if charge is None:
            return None
        for kind in charge.unpriced:
            key = (*series.target, kind)
            self._unpriced[key] = self._unpriced.get(key, 0) + 1
        return charge.nanos

    def _book_error(self, ctx: RequestContext, target: Target, status: int) -> None:
        error = ctx.error
        kind: str
        if status == 499:
            kind, source = "client_disconnected", "client"
        elif isinstance(error, GatewayError):
            kind = error.recorded_kind if error.recorded_kind in _KINDS else "unknown"
            if isinstance(error, ModelError):
                source = "gateway" if error.code == "model_cooling_down" else "upstream"
            elif isinstance(error, RequestRejected | PluginError):
                source = "plugin"
            else:
                source = "client" if 400 <= error.status < 500 else "gateway"
        else:
            kind, source = "unknown", "gateway"
        _count(self._errors, (*target, kind, source))

    def _book_attempts(self, ctx: RequestContext, status: int, ended: float) -> None:
        project, former = ctx.project, None
        last = len(ctx.attempts) - 1
        for number, attempt in enumerate(ctx.attempts):
            target = (project, attempt.model, attempt.target.partition("/")[0])
            if attempt.kind is not None:
                outcome = attempt.kind if attempt.kind in _KINDS else "unknown"
            elif number == last and status == 499:
                outcome = "cancelled"
            elif attempt.status is not None:
                outcome = "ok" if attempt.status < 400 else "unknown"
            else:
                outcome = "not_sent"
            _count(self._attempts, (*target, outcome))
            if outcome != "not_sent":
                seconds = (attempt.ended or ended) - attempt.started
                times = self._attempt_seconds.get(target)
                if times is None:
                    times = self._attempt_seconds[target] = [0.0] * (len(DURATION_BUCKETS) + 2)
                times[bisect_left(DURATION_BUCKETS, seconds)] += 1
                times[-1] += seconds
            if former is not None and former.kind is not None:
                if former.model == attempt.model:
                    _count(self._retries, target)
                else:
                    _count(self._fallbacks, (project, former.model, attempt.model))
            former = attempt

    def _take_prices(self, gateway: Any) -> None:
        self._priced = gateway
        self._targets = {
            (name, target.name): target
            for name, project in gateway.projects.items()
            for target in project.scope.registry.targets
        }
        for series in self._series.values():
            self._price(series)

    def _price_varying(self, series: _Series, attempt: Attempt) -> None:
        """Gives a series the prices of the model that was asked for; the next request is mostly for the same."""
        target = self._targets.get((series.target[0], series.target[1]))
        series.asked = attempt.target
        series.prices = target.prices_of_attempt(attempt) if target is not None else None

    def _price(self, series: _Series) -> None:
        """Gives a series the prices of its model, where it is one and the same model for every request of it."""
        target = self._targets.get((series.target[0], series.target[1]))
        series.varies = target is not None and not target.is_one_model
        series.asked = ""
        series.prices = target.described(None).prices if target is not None and target.is_one_model else None

    # As the source of the metrics page.

    def snapshot(self) -> dict[str, Any]:
        """This worker's figures, as JSON; `snapshots` describes the form."""
        fold = _Fold()
        self._fold_series(fold)
        self._teams.fold_into(fold)
        if self._labels is not None:
            self._labels.fold_into(fold)
        for errors, count in self._errors.items():
            fold.add("llm_gateway_errors_total", errors, count)
        for outcomes, count in self._attempts.items():
            fold.add("llm_gateway_upstream_attempts_total", outcomes, count)
        for target, times in self._attempt_seconds.items():
            fold.add_times("llm_gateway_upstream_duration_seconds", target, times)
        for target, count in self._retries.items():
            fold.add("llm_gateway_retries_total", target, count)
        for models, count in self._fallbacks.items():
            fold.add("llm_gateway_fallbacks_total", models, count)
        for unpriced, count in self._unpriced.items():
            fold.add("llm_gateway_unpriced_total", unpriced, count)
        for (project, name), (seconds, requests) in self._plugins.items():
            plugin, _, phase = name.rpartition(".")
            fold.add("llm_gateway_plugin_seconds_total", (project, plugin, phase), seconds)
            fold.add("llm_gateway_plugin_requests_total", (project, plugin, phase), requests)
        fold.add("llm_gateway_label_overflow_total", (), self._overflow)
        fold.add("llm_gateway_build_info", (__version__,), 1)
        fold.add("llm_gateway_workers", (), 1)
        fold.add("llm_gateway_worker_restarts_total", (), 0)
        self._fold_process(fold)
        plugins: dict[str, tuple[str, list[Any]]] = {}
        if self._control is not None:
            self._fold_control(fold, self._control)
            plugins = self._plugin_figures(self._control.gateway)
        return {"values": fold.as_json(), "plugins": plugins}

    def render(self, snapshots: list[Any], accept: str) -> tuple[bytes, str]:
        from .exposition import render

        return render(snapshots, accept)

    def _fold_series(self, fold: _Fold) -> None:
        for series in {id(series): series for series in self._series.values()}.values():
            project, adapter, operation, model, provider, status, streaming = series.key
            target, stream = series.target, "true" if streaming else "false"
            count = sum(series.durations[:-1])
            fold.add(
                "llm_gateway_requests_total", (project, adapter, operation, model, provider, status, stream), count
            )
            fold.add_times(
                "llm_gateway_request_duration_seconds", (project, operation, model, provider, stream), series.durations
            )
            if series.attempts_ok:
                fold.add("llm_gateway_upstream_attempts_total", (*target, "ok"), series.attempts_ok)
                fold.add_times("llm_gateway_upstream_duration_seconds", target, series.attempt_seconds)
            if series.first_tokens is not None:
                fold.add_times("llm_gateway_time_to_first_token_seconds", target, series.first_tokens)
            if series.token_times is not None:
                fold.add_times("llm_gateway_time_per_output_token_seconds", target, series.token_times)
            for kind in ("input", "output", "cache_read", "cache_write", "reasoning"):
                tokens = getattr(series, kind)
                if tokens:
                    fold.add("llm_gateway_tokens_total", (*target, kind), tokens)
            if series.without_usage:
                fold.add("llm_gateway_requests_without_usage_total", target, series.without_usage)
            if series.costed:
                fold.add("llm_gateway_cost_usd_total", target, series.cost)

    def _fold_control(self, fold: _Fold, control: Watched) -> None:
        gateway, app = control.gateway, control.app
        if app is not None:
            fold.add("llm_gateway_requests_in_flight", (), app.admission.in_flight)
            fold.add("llm_gateway_requests_queued", (), app.admission.queued)
            fold.add("llm_gateway_request_bodies_bytes", ("in_flight",), gateway.services.bodies.in_flight)
            fold.add("llm_gateway_request_bodies_bytes", ("queued",), gateway.services.bodies.queued)
            for (project, adapter, operation, status, kind, by_plugin), count in app.refusals.items():
                known = str(status if status in _STATUSES else "other")
                fold.add("llm_gateway_requests_total", (project, adapter, operation, "", "", known, "false"), count)
                blamed = "client" if status < 500 else "gateway"
                source = "plugin" if by_plugin else blamed
                fold.add("llm_gateway_errors_total", (project, "", "", kind, source), count)
        long_replies = gateway.services.long_replies
        fold.add("llm_gateway_long_replies_bytes", (), long_replies.held)
        fold.add("llm_gateway_long_replies_waiting", (), long_replies.waiting)
        supervisor = gateway.services.supervisor
        fold.add("llm_gateway_detached_backlog", (), supervisor.backlog)
        fold.add("llm_gateway_detached_dropped_total", (), supervisor.dropped)
        breakers: set[int] = set()
        for name, project in gateway.projects.items():
            for model in project.scope.registry.targets:
                target = (name, model.name, model.provider.name)
                fold.add("llm_gateway_upstream_in_flight", target, model.in_flight)
                if id(model.breaker) in breakers:
                    continue
                breakers.add(id(model.breaker))
                state = model.breaker.state
                for each in ("closed", "half_open", "open"):
                    fold.add("llm_gateway_breaker_state", (*target, each), 1 if each == state else 0)
                fold.add("llm_gateway_breaker_openings_total", target, model.breaker.opened)
        fold.add("llm_gateway_config_info", (gateway.version,), 1)
        refused = control.last_reload.get("error") is not None
        fold.add("llm_gateway_config_last_reload_refused", (), 1 if refused else 0)
        for result in ("taken", "unchanged", "refused"):
            fold.add("llm_gateway_config_reloads_total", (result,), control.reloads.get(result, 0))

    def _fold_process(self, fold: _Fold) -> None:
        times = os.times()
        fold.add("process_cpu_seconds_total", (), times.user + times.system)
        fold.add("process_start_time_seconds", (), self._started)
        try:
            with open("/proc/self/statm", "rb") as statm:
                pages = int(statm.read().split()[1])
            fold.add("process_resident_memory_bytes", (), pages * os.sysconf("SC_PAGE_SIZE"))
            fold.add("process_open_fds", (), len(os.listdir("/proc/self/fd")))
        except OSError:
            pass  # this system has no /proc

    def _plugin_figures(self, gateway: Any) -> dict[str, tuple[str, list[Any]]]:
        found: dict[str, tuple[str, list[Any]]] = {}
        for project in gateway.projects.values():
            for mounted in project.scope.chain.plugins:
                plugin = mounted.plugin
                try:
                    figures = dict(plugin.metrics())
                except BaseException:  # nothing here waits: it is the plugin's
                    if mounted.name not in self._broken_plugins:
                        self._broken_plugins.add(mounted.name)
                        log.exception("plugin '%s' failed in metrics", mounted.name)
                    continue
                type_name = getattr(getattr(plugin, "metadata", None), "name", mounted.name)
                for name, value in list(figures.items())[:MAX_PLUGIN_FIGURES]:
                    if isinstance(value, int | float) and math.isfinite(value):
                        full = f"{PLUGIN_PREFIX}{_word(type_name)}_{_word(name)}"
                        kind = "counter" if full.endswith("_total") else "gauge"
                        if full not in FAMILIES:
                            samples = found.setdefault(full, (kind, []))[1]
                            samples.append(((project.config.name, mounted.name), value))
        return found


class _Fold:
    """Values by family and labels."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[str, ...], Any]] = {}

    def add(self, family: str, labels: tuple[str, ...], value: float) -> None:
        values = self._values.setdefault(family, {})
        values[labels] = values.get(labels, 0) + value

    def add_times(self, family: str, labels: tuple[str, ...], times: Iterable[float]) -> None:
        values = self._values.setdefault(family, {})
        former = values.get(labels)
        values[labels] = list(times) if former is None else [a + b for a, b in zip(former, times, strict=True)]

    def as_json(self) -> dict[str, list[Any]]:
        return {family: list(values.items()) for family, values in self._values.items()}


def _count(counts: dict[Any, int], key: Any) -> None:
    counts[key] = counts.get(key, 0) + 1


def _word(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]+", "_", text).strip("_").lower()


_KINDS = frozenset({*get_args(ErrorClass), SHUTTING_DOWN})
_STATUSES = frozenset({*(status.value for status in HTTPStatus), 499, 529})
