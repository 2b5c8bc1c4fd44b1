"""Every hook on every route: cases made from the adapters' own routes, and the judge of one case.

A plugin that is left out on one route, one dialect or on streams is the fault that gateways have most often. An adapter
of one's own is held to the same: `for case in hook_cases(adapters=[MyAdapter()], …): assert_hooks_fire(client, case)`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk import (
    Adapter,
    Dialect,
    LLMRequest,
    Message,
    Operation,
    Plugin,
    RequestContext,
    Route,
    Target,
    TextPart,
    plugin_metadata,
)
from llm_gateway_sdk.losses import Losses

from .client import Answer, GatewayClient

__all__ = ["HookCase", "HookProbe", "assert_hooks_fire", "hook_cases"]

QUESTION = "Which hooks are called?"


@plugin_metadata(name="hook-probe", description="Writes down which hooks were called, and with what.")
class HookProbe(Plugin):
    """Notes each call in `ctx.metadata["hooks"]`; changes nothing."""

    def before_model(self, ctx: RequestContext) -> None:
        _note(ctx, "before_model", asked=_asked(ctx), target=ctx.target_model)

    def after_model(self, ctx: RequestContext) -> None:
        _note(ctx, "after_model", text=ctx.response.text if ctx.response else None)

    def after_chunk(self, ctx: RequestContext) -> None:
        _note(ctx, "after_chunk", text=ctx.chunk.text if ctx.chunk else None, final=ctx.final_chunk)

    def on_model_error(self, ctx: RequestContext) -> None:
        _note(ctx, "on_model_error", error=type(ctx.error).__name__)

    def detached_after_response(self, ctx: RequestContext) -> None:
        text = ctx.response.text if ctx.response else None
        _note(ctx, "detached_after_response", text=text, status=ctx.status)


def _note(ctx: RequestContext, hook: str, **seen: Any) -> None:
    ctx.metadata.setdefault("hooks", []).append((hook, seen))


def _asked(ctx: RequestContext) -> str | None:
    return ctx.request.messages[-1].text if ctx.has_request else None


@dataclass(slots=True, frozen=True)
class HookCase:
    """One request on one route."""

    adapter: str
    dialect: str
    operation: Operation
    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    stream: bool = False

    def __str__(self) -> str:
        streamed = " streamed" if self.stream else ""
        return f"{self.adapter}: {self.operation} {self.method} {self.path}{streamed}"


def hook_cases(
    adapters: Iterable[Adapter],
    dialects: Mapping[str, Dialect],
    *,
    prefixes: Sequence[str] = ("",),
    model: str = "model",
) -> Iterator[HookCase]:
    """A case for each route of the adapters, with and without the adapter's name in the path where it may be left
    out, below each of `prefixes` (`""` for the default project, `/shop` for another), streamed and not."""
    for adapter in adapters:
        for route in adapter.routes:
            for stream in (False, True) if route.operation == "generate" else (False,):
                made = _request(route, dialects[route.dialect], model=model, stream=stream)
                if made is None:
                    continue
                path, body, headers = made
                bare = [""] if route.bare and _only_its_own(route) else []
                for start in [f"/{adapter.name}", *bare]:
                    for prefix in prefixes:
                        yield HookCase(
                            adapter.name,
                            route.dialect,
                            route.operation,
                            "POST" if route.method == "*" else route.method,
                            f"{prefix}{start}{path}",
                            body,
                            tuple(headers),
                            stream,
                        )


def assert_hooks_fire(client: GatewayClient, case: HookCase, *, text: str | None = None, fails: bool = False) -> Answer:
    """Runs the case on a gateway that has a HookProbe; AssertionError where a hook was left out, ran twice, or saw
    another request than this. `text` is what the model answers, `fails` whether it fails instead."""
    answer = client.request(case.method, case.path, body=case.body, headers=dict(case.headers))
    ctx = answer.context
    assert ctx is not None, f"{case}: no exchange was begun: {answer.status} {answer.text[:300]}"
    calls: list[tuple[str, dict[str, Any]]] = ctx.metadata.get("hooks", [])
    counts = Counter("after_chunk.final" if seen.get("final") else hook for hook, seen in calls)
    del counts["after_chunk"]  # how many there are is up to the provider; the last one is counted by itself
    assert counts == _expected(case, fails=fails), f"{case}: hooks were called {dict(counts)} times, {answer.status}"
    assert (ctx.operation, ctx.adapter, ctx.client_dialect) == (case.operation, case.adapter, case.dialect), f"{case}"
    assert ctx.streaming == case.stream, f"{case}: ctx.streaming is {ctx.streaming}"
    seen = dict(calls)
    if case.operation in ("generate", "count_tokens", "embed"):
        assert seen["before_model"]["asked"] == QUESTION, f"{case}: before_model saw {seen['before_model']['asked']!r}"
    if case.operation == "generate" and not fails:
        assert answer.status == 200, f"{case}: {answer.status} {answer.text[:300]}"
        heard = "".join(each["text"] for hook, each in calls if hook == "after_chunk")
        hooked = heard if case.stream else seen["after_model"]["text"]
        assert text is None or hooked == text, f"{case}: the hooks saw {hooked!r}"
        kept = seen["detached_after_response"]["text"]
        assert kept == hooked, f"{case}: the detached hook saw {kept!r} after {hooked!r}"
    return answer


def _expected(case: HookCase, *, fails: bool) -> Counter[str]:
    expected = Counter(["before_model", "detached_after_response"])
    if case.operation != "generate":
        return expected
    if fails:
        expected["on_model_error"] = 1
    else:
        expected["after_chunk.final" if case.stream else "after_model"] = 1
    return expected


def _request(
    route: Route, dialect: Dialect, *, model: str, stream: bool
) -> tuple[str, bytes, list[tuple[str, str]]] | None:
    """(path, body, headers) of a request on this route; None where the route is not for such a one."""
    if route.operation == "models":
        return route.path.replace("{model}", model).replace("{place}", "publishers/google"), b"", []
    if route.operation in ("native", "stored"):
        return route.path.replace("{rest}", "files"), b'{"native": true}', []
    if route.operation == "embed":
        if "{model}" in route.path:
            return None  # bodies of their own, which the dialect does not write
        return route.path, json.dumps({"model": model, "input": QUESTION}).encode(), []
    request = LLMRequest(model=model, messages=[Message("user", [TextPart(QUESTION)])], max_tokens=100, stream=stream)
    target = Target(model, include_usage=False)
    wire = dialect.encode_count(request, target, Losses("request")) if route.operation == "count_tokens" else None
    wire = wire or dialect.encode_request(request, target, Losses("request"))
    if not _leads_to(route, wire.path):
        return None
    path = route.path.replace("{model}", model).replace("{place}", "publishers/google")
    return f"{path}?{wire.query}" if wire.query else path, wire.body, list(wire.headers)


def _leads_to(route: Route, upstream: str) -> bool:
    """Whether the route is the one by which such a request comes."""
    wanted = re.escape(route.upstream or route.path).replace(r"\{model\}", "[^/:]+")
    return re.fullmatch(wanted, upstream) is not None


def _only_its_own(route: Route) -> bool:
    """Bare lists of models and native paths are several adapters', which tell their clients by headers."""
    return route.operation not in ("models", "stored", "native")
