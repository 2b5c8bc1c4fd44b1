"""Health: readiness, workers, configuration, breakers, providers, the store, and the plugins' own figures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from llm_gateway_sdk.web import Child, Markup, tag

from ..figures import Sample, Target, samples, targets
from .view import View, moment, table

__all__ = ["shown"]


async def shown(view: View) -> Response:
    health = await view.host.state("health")
    try:
        version, breakers = await view.host.state("version"), await view.host.state("breakers")
    except TimeoutError:
        return view.message("Health", "A worker does not answer in time.", 504)
    figures = list(samples(await view.host.figures()))
    store = await view.ask("GET", "/store")
    reload_ = version.get("last_reload") or {}
    return view.page(
        "Health",
        tag(
            "section",
            _tile("Gateway", health["status"], f"version {health['version']}", bad=health["status"] != "ok"),
            _tile("Running for", _span(health["uptime_seconds"]), "this worker"),
            _tile(
                "Workers",
                str(len(version["workers"])),
                "one configuration" if version["consistent"] else "with different configurations",
                bad=not version["consistent"],
            ),
            _tile(
                "Configuration",
                version["version"][:8],
                [_reloaded(reload_), " · ", tag("a", "compare with its file", href=view.address("/configuration"))],
                bad=bool(reload_.get("error")),
            ),
            _tile(
                "Store", _store(store.ok, store.body), store.detail, bad=not store.ok or bool(store.body["warnings"])
            ),
            class_="tiles",
            aria_label="State",
        ),
        _failed(health["checks"], reload_, store.body if store.ok else {}),
        tag("h2", "Models and their providers"),
        _targets(view, targets(iter(figures)), breakers["workers"], time.time() - health["uptime_seconds"]),
        tag("p", "Since the gateway's start. ", tag("a", "Requests that failed in the last day", href=traced))
        if (traced := view.traces(status="failed", range="24h"))
        else None,
        _plugins(figures),
    )


def _tile(name: str, value: str, note: Child, *, bad: bool = False) -> Markup:
    return tag(
        "div",
        tag("h2", name),
        tag("p", value, class_="value bad" if bad else "value"),
        tag("p", note, class_="note"),
        class_="tile",
    )


def _store(ok: bool, body: Any) -> str:
    return f"{body['milliseconds']:.1f} ms" if ok else "does not answer"


def _reloaded(found: Mapping[str, Any]) -> Child:
    if not found:
        return "unchanged since the start"
    if found.get("error"):
        return "the last reload was refused"
    return ["taken ", moment(found.get("at"))]


def _failed(checks: Mapping[str, Any], reload_: Mapping[str, Any], store: Mapping[str, Any]) -> Markup | None:
    lines = [f"Not {name}" for name, good in checks.items() if not good]
    lines += [str(problem) for problem in reload_.get("problems") or [reload_["error"]]] if reload_.get("error") else []
    lines += [f"Takes effect only after a restart: {name}" for name in reload_.get("needs_restart", ())]
    lines += [f"Store: {warning}" for warning in store.get("warnings", ())]
    if not lines:
        return None
    return tag("ul", [tag("li", line) for line in lines], class_="failure")


def _targets(view: View, found: list[Target], workers: Mapping[str, Mapping[str, str]], started: float) -> Markup:
    since = datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d %H:%M:%S")
    states: dict[str, set[str]] = {}
    for worker in workers.values():
        for name, state in (worker or {}).items():
            states.setdefault(name, set()).add(state)
    known = {f"{each.project}/{each.model}": each for each in found}
    rows = []
    for name in sorted({*states, *known}, key=lambda name: -(known[name].requests if name in known else 0)):
        target = known.get(name)
        project, _, model = name.partition("/")
        listed = view.traces(project=project, model=model or "(none)", since=since)
        open_ = sorted(states.get(name, {"closed"}) - {"closed"})
        rows.append(
            (
                [
                    tag("a", model or "no model reached", href=listed) if listed else model or "no model reached",
                    tag("div", project, class_="sub"),
                ],
                target.provider or "–" if target else "–",
                tag("span", ", ".join(open_) or "closed", class_=f"badge {'error' if open_ else 'ok'}")
                if model
                else "–",
                _requests(target, listed),
                _errors(target),
                _milliseconds(target.mean if target else None),
                _milliseconds(target.slower_than(0.95) if target else None),
                f"${target.cost:,.4f}" if target else "–",
            )
        )
    heads = ("Model", "Provider", "Breaker", "Requests", "Errors", "Mean time", "p95", "Cost")
    return table(heads, rows, empty="There are no models.", numbers=heads[3:])


def _requests(target: Target | None, listed: str | None) -> Child:
    number = f"{target.requests if target else 0:,.0f}"
    return tag("a", number, href=listed) if listed and target else number


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:,.0f} ms"


def _errors(target: Target | None) -> Child:
    if target is None:
        return "0"
    failed = tag("div", f"{target.failed_attempts:,.0f} failed calls", class_="sub") if target.failed_attempts else None
    if not target.errors:
        return ["0", failed]
    kinds = ", ".join(f"{count:,.0f} {kind}" for kind, count in sorted((target.by_class or {}).items()))
    return [tag("span", f"{target.errors:,.0f}", class_="bad"), tag("div", kinds, class_="sub"), failed]


def _plugins(figures: list[Sample]) -> list[Child] | None:
    """Spools, caches, losses: what plugins report of themselves."""
    own = [
        each
        for each in figures
        if each.name.startswith("llm_gateway_plugin_") and "phase" not in each.labels and "le" not in each.labels
    ]
    if not own:
        return None
    rows = [
        (
            each.name.removeprefix("llm_gateway_plugin_").replace("_", " "),
            ", ".join(f"{name} {value}" for name, value in each.labels.items()) or "–",
            f"{each.value:,.6g}",
        )
        for each in own
    ]
    shown = table(("Figure", "Of", "Value"), rows, empty="", numbers=("Value",))
    return [tag("h2", "Figures of plugins"), tag("details", tag("summary", f"{len(rows)} figures"), shown)]


def _span(seconds: float) -> str:
    for length, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {name}"
    return f"{seconds:.0f} s"
