"""When a plugin takes part in a request: compiled predicates over what the YAML's `conditions` say.

AND between kinds, OR within one; a string is a prefix, `/…/` a regular expression, headers and methods without case, an
empty list matches all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from llm_gateway_sdk import RequestContext

from .config.schema import ConditionsConfig

__all__ = ["compile_conditions"]

Predicate = Callable[[RequestContext], bool]
Match = Callable[[str], bool]


def compile_conditions(conditions: ConditionsConfig | None) -> tuple[Predicate | None, Predicate | None]:
    """(asked once when the request comes, asked before each hook call); None where there is nothing to ask."""
    if conditions is None:
        return None, None
    early: list[Predicate] = []
    if conditions.paths:
        paths = _any(conditions.paths)
        early.append(lambda ctx: paths(ctx.http_request.path) or paths(_behind_project(ctx)))
    if conditions.methods:
        methods = _any(conditions.methods, ignore_case=True)
        early.append(lambda ctx: methods(ctx.http_request.method))
    for name, wanted in conditions.headers.items():
        early.append(_header(name.lower(), _any([wanted], ignore_case=True)))
    if conditions.models:
        models = _any(conditions.models)
        early.append(lambda ctx: ctx.requested_model is not None and models(ctx.requested_model))
    late: Predicate | None = None
    if conditions.user_ids:
        users = _any(conditions.user_ids)
        late = lambda ctx: any(users(user) for user in _users(ctx))  # noqa: E731
    if not early:
        return None, late
    if len(early) == 1:
        return early[0], late
    return (lambda ctx: all(predicate(ctx) for predicate in early)), late


def _any(wanted: Sequence[str], *, ignore_case: bool = False) -> Match:
    prefixes = tuple(one.lower() if ignore_case else one for one in wanted if not _is_expression(one))
    flags = re.IGNORECASE if ignore_case else 0
    expressions = [re.compile(one[1:-1], flags) for one in wanted if _is_expression(one)]

    def match(value: str) -> bool:
        text = value.lower() if ignore_case else value
        return (
            text.startswith(prefixes)
            if prefixes and not expressions
            else (text.startswith(prefixes) or any(expression.search(value) for expression in expressions))
        )

    return match


def _is_expression(text: str) -> bool:
    """`/…/` is an expression; a path such as `/v1/messages` is not, and `/v1/` as a prefix is written `/v1`."""
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


def _header(name: str, match: Match) -> Predicate:
    return lambda ctx: any(match(value) for value in ctx.http_request.raw_headers.get_all(name))


def _behind_project(ctx: RequestContext) -> str:
    path = ctx.http_request.path
    prefix = f"/{ctx.project}/"
    return path[len(prefix) - 1 :] if path.startswith(prefix) else path


def _users(ctx: RequestContext) -> list[str]:
    """The authenticated caller, else the header, else what the body says: only then is the body read."""
    if ctx.caller is not None:
        return [ctx.caller]
    named = ctx.http_request.raw_headers.get("x-user-id")
    if named is not None:
        return [named]
    if ctx.has_request and ctx.request.user:
        return [ctx.request.user]
    return []
