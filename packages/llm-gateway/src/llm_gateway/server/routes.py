"""Which exchange a path means: compiled once per generation of the configuration."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from urllib.parse import quote

from llm_gateway_sdk import Adapter, Route, WireRequest

from ..exchange.services import ProjectScope
from ..gateway import Gateway, ServedProject
from ..wire.native_paths import is_listed
from ..wire.route_paths import path_expression

__all__ = ["Match", "RouteTable"]


@dataclass(slots=True, frozen=True)
class Match:
    project: ProjectScope
    adapter: Adapter
    route: Route
    upstream: str
    """The path relative to a provider's base URL."""


@dataclass(slots=True)
class _Pattern:
    path: str
    match: Match
    compiled: re.Pattern[str] | None = None
    """When a request is first compared with it: of a hundred routes in each project most are never asked for."""

    def fullmatch(self, path: str) -> re.Match[str] | None:
        if self.compiled is None:
            self.compiled = path_expression(self.path)
        return self.compiled.fullmatch(path)


class RouteTable:
    """Exact paths by dictionary, paths with a model in them by pattern, a vendor's other endpoints last."""

    def __init__(self, gateway: Gateway) -> None:
        self._exact: dict[tuple[str, str], list[Match]] = {}
        self._methods: dict[str, set[str]] = {}
        self._patterns: dict[tuple[str, str], list[_Pattern]] = {}
        """By method and how the path ends, so that a request is compared with few of them."""
        self._native: list[tuple[str, ServedProject, Adapter, Route]] = []
        self._first_adapter: Adapter | None = None
        default = gateway.default_project
        self._projects = {
            "" if project is default else f"/{project.config.name}": project for project in gateway.projects.values()
        }
        for prefix, project in self._projects.items():
            for adapter in project.adapters:
                self._first_adapter = self._first_adapter or adapter
                for route in adapter.routes:
                    self._add(f"{prefix}/{adapter.name}", project, adapter, route)
                    if route.bare:
                        self._add(prefix, project, adapter, route)
        self._adapters = {
            adapter.name: adapter for project in gateway.projects.values() for adapter in project.adapters
        }

    def _add(self, prefix: str, project: ServedProject, adapter: Adapter, route: Route) -> None:
        path = prefix + route.path
        if route.operation in ("file", "batch") and is_listed(route.path, project.scope.native_paths):
            return  # the operator hands it on as it is
        match = Match(project.scope, adapter, route, route.upstream or route.path)
        if "{rest}" in route.path:
            if project.scope.native_paths:
                self._native.append((prefix, project, adapter, route))
        elif "{" in route.path:
            ending = "" if path.endswith("}") else _ending(path)
            self._patterns.setdefault((route.method, ending), []).append(_Pattern(path, match))
        else:
            self._exact.setdefault((route.method, path), []).append(match)
            self._methods.setdefault(path, set()).add(route.method)

    def find(self, method: str, path: str, wire: WireRequest) -> Match | None:
        found = self._exact.get((method, path))
        if found is None and path.endswith("/") and len(path) > 1:
            found = self._exact.get((method, path[:-1]))
        if found is not None:
            return found[0] if len(found) == 1 else _claimed(found, wire)
        candidates: list[Match] = []
        for pattern in (*self._patterns.get((method, _ending(path)), ()), *self._patterns.get((method, ""), ())):
            if (groups := pattern.fullmatch(path)) is not None:
                if not all(map(_is_name, groups.groupdict().values())):
                    continue
                match = pattern.match
                named = {name: quote(value, safe="") for name, value in groups.groupdict().items()}
                upstream = match.upstream.format(**named)
                candidates.append(Match(match.project, match.adapter, match.route, upstream))
        if candidates:
            return _claimed(candidates, wire)
        return self._find_native(method, path, wire)

    def is_project_page(self, method: str, path: str) -> bool:
        """Whether a client's base URL, which is a project's path, is opened in a browser or tried by the client."""
        return method in ("GET", "HEAD") and path.rstrip("/") in self._projects

    def addresses(self) -> dict[str, dict[str, list[str]]]:
        """For each project's path the paths at which each of its APIs generates, in their usual spelling."""
        found: dict[str, dict[str, list[str]]] = {}
        for prefix, project in self._projects.items():
            apis: dict[str, list[str]] = found.setdefault(prefix, {})
            for adapter in project.adapters:
                routes = [route for route in adapter.routes if route.operation == "generate"]
                if not routes:
                    continue
                versioned = [route for route in routes if re.match(r"/v\d", route.path)] or routes
                # Of several versions and folders the first.
                usual = {(route.dialect, route.path.rpartition("/")[2]): route.path for route in reversed(versioned)}
                apis[adapter.name] = [f"{prefix}/{adapter.name}{path}" for path in reversed(usual.values())]
        return found

    def suggest(self, path: str) -> str | None:
        """What was probably meant by a path that has no route: a project or an endpoint spelled alike."""
        first, _, rest = path.lstrip("/").partition("/")
        names = [prefix[1:] for prefix in self._projects if prefix]
        if first not in names and (near := difflib.get_close_matches(first, names, n=1, cutoff=0.7)):
            corrected = f"/{near[0]}/{rest}"
            if corrected in self._methods or self._begins_a_route(corrected):
                return corrected
        doubled = re.sub(r"/(v\d\w*)/\1(?=/)", r"/\1", path)
        if doubled != path and doubled in self._methods:
            return doubled
        return next(iter(difflib.get_close_matches(path, self._methods, n=1, cutoff=0.85)), None)

    def _begins_a_route(self, path: str) -> bool:
        return any(pattern.fullmatch(path) for found in self._patterns.values() for pattern in found)

    def allowed(self, path: str) -> list[str]:
        """The methods that a known path takes."""
        return sorted(self._methods.get(path, ()))

    def adapter_of(self, path: str, wire: WireRequest) -> Adapter | None:
        """Whose shape an error on an unknown path should have."""
        for segment in path.split("/")[1:3]:
            if segment in self._adapters:
                return self._adapters[segment]
        adapters = list(self._adapters.values())
        claiming = next((adapter for adapter in adapters if adapter.claims(wire)), None)
        # An adapter that claims nothing is the one for clients that do not identify themselves.
        unassuming = next((adapter for adapter in adapters if type(adapter).claims is Adapter.claims), None)
        return claiming or unassuming or self._first_adapter

    def _find_native(self, method: str, path: str, wire: WireRequest) -> Match | None:
        found: list[Match] = []
        if any(segment in (".", "..") for segment in path.split("/")):
            return None  # it would lead out of what is listed
        for prefix, project, adapter, route in self._native:
            if route.method not in (method, "*") or not path.startswith(prefix + "/"):
                continue
            head = route.path.partition("{rest}")[0]
            below = path[len(prefix) :]
            if not below.startswith(head) or not is_listed(below, project.scope.native_paths):
                continue
            rest = quote(below[len(head) :], safe="/:@!$&'()*+,;=~")
            upstream = (route.upstream or route.path).replace("{rest}", rest)
            found.append(Match(project.scope, adapter, route, upstream))
        return _claimed(found, wire) if found else None


def _ending(path: str) -> str:
    """The last segment or method of a path: `/invoke`, `:generateContent`."""
    return path[max(path.rfind("/"), path.rfind(":")) :]


def _is_name(value: str) -> bool:
    """Whether a part of a path can be a model's name: no step to another folder, no slash at either end. Some hold two
    slashes in a row (`s3://bucket/model`)."""
    segments = value.split("/")
    return bool(segments[0] and segments[-1]) and not any(segment in (".", "..") for segment in segments)


def _claimed(found: list[Match], wire: WireRequest) -> Match:
    if len(found) == 1:
        return found[0]
    return next((match for match in found if match.adapter.claims(wire)), found[0])
