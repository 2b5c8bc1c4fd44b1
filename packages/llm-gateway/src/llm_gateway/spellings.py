"""All paths that mean the same endpoint. A policy on one of them holds for every spelling that the router takes.

Chat Completions of one project answers at `/v1/chat/completions`, `/chat/completions`, `/openai/v1/chat/completions`
and `/openai/chat/completions`, each with and without the project before it and a slash after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from llm_gateway.wire.route_paths import path_expression
from llm_gateway_sdk import Adapter, RequestContext, Route

__all__ = ["Spellings"]

_MAX_REMEMBERED = 512
_MAX_REMEMBERED_PATH = 256


class Spellings:
    """For one project's adapters."""

    def __init__(self, adapters: Iterable[Adapter]) -> None:
        self._adapters = {adapter.name: adapter for adapter in adapters}
        self._routes: dict[str, list[tuple[re.Pattern[str], Route]]] = {}
        """Of the adapters that were asked for: only conditions and policies on paths ask."""
        self._remembered: dict[tuple[str, str], tuple[str, ...]] = {}

    def of(self, ctx: RequestContext) -> tuple[str, ...]:
        """The request's path as it was written, and every other spelling of its route."""
        path, key = ctx.http_request.path, (ctx.adapter, ctx.http_request.path)
        found = self._remembered.get(key)
        if found is None:
            found = tuple(dict.fromkeys(self._find(path, ctx)))
            if len(self._remembered) < _MAX_REMEMBERED and len(path) <= _MAX_REMEMBERED_PATH:
                self._remembered[key] = found
        return found

    def _find(self, path: str, ctx: RequestContext) -> Iterable[str]:
        yield path
        project, adapter = f"/{ctx.project}", f"/{ctx.adapter}"
        inside = path.rstrip("/") or "/"
        yield inside
        if inside.startswith(f"{project}/"):
            inside = inside[len(project) :]
            yield inside
        rest_of_path = inside[len(adapter) :] if inside.startswith(f"{adapter}/") else inside
        for route, rest in self._meant(rest_of_path, ctx):
            for prefix in ("", adapter) if route.bare else (adapter,):
                yield f"{prefix}{rest}"
                yield f"{project}{prefix}{rest}"

    def _meant(self, path: str, ctx: RequestContext) -> Iterable[tuple[Route, str]]:
        """Every route that is the same endpoint as `path` (relative to the adapter), with its path filled in."""
        routes = self._routes_of(ctx.adapter)
        for expression, route in routes:
            matched = expression.fullmatch(path)
            if matched is None or route.operation != ctx.operation:
                continue
            for _, other in routes:
                if _endpoint(other) == _endpoint(route):
                    yield other, _filled(other.path, matched.groupdict())

    def _routes_of(self, name: str) -> list[tuple[re.Pattern[str], Route]]:
        if name not in self._routes and (adapter := self._adapters.get(name)) is not None:
            self._routes[name] = [(path_expression(route.path), route) for route in adapter.routes]
        return self._routes.get(name, [])


def _endpoint(route: Route) -> tuple[str, str, str, str]:
    return route.method, route.operation, route.dialect, route.upstream or route.path


def _filled(path: str, names: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], found[0]), path)
