"""When a plugin takes part in a request: compiled predicates over what the YAML's `conditions` say.

AND between kinds, OR within one; a string is a prefix, `/…/` a regular expression, headers and methods without case, an
empty list matches all. What a condition names is what the router understands: a path in any spelling of its route, a
model by the name that was asked for and by that of the configured model which answers to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from llm_gateway_sdk import RequestContext

from .config.schema import ConditionsConfig
from .spellings import Spellings

__all__ = ["compile_conditions"]

Predicate = Callable[[RequestContext], bool]
Match = Callable[[str], bool]


ModelName = Callable[[str | None], str | None]


def compile_conditions(
    conditions: ConditionsConfig | None, *, spellings: Spellings | None = None, model_name: ModelName | None = None
) -> tuple[Predicate | None, Predicate | None]:
    """(asked once when the request comes, asked before each hook call); None where there is nothing to ask.

    `spellings` of the project's routes; `model_name` gives the configured model that answers to a name.
    """
    if conditions is None:
        return None, None
    early: list[Predicate] = []
    if conditions.paths:
        paths = _any(conditions.paths)
        known = spellings or Spellings(())
        early.append(lambda ctx: any(map(paths, known.of(ctx))))
    if conditions.methods:
        methods = _any(conditions.methods, ignore_case=True)
        early.append(lambda ctx: methods(ctx.http_request.method))
    for name, wanted in conditions.headers.items():
        early.append(_header(name.lower(), _any([wanted], ignore_case=True)))
    if conditions.models:
        models = _any(conditions.models)
        early.append(lambda ctx: any(map(models, _models(ctx, model_name))))
    late = _late(conditions)
    if not early:
        return None, late
    if len(early) == 1:
        return early[0], late
    return (lambda ctx: all(predicate(ctx) for predicate in early)), late


def _late(conditions: ConditionsConfig) -> Predicate | None:
    """What can be asked only after authentication."""
    late: list[Predicate] = []
    if conditions.user_ids:
        users = _any(conditions.user_ids)
        late.append(lambda ctx: any(users(user) for user in _users(ctx)))
    if conditions.principals:
        ids = _any(conditions.principals)
        late.append(lambda ctx: ctx.principal is not None and (ids(ctx.principal.id) or ids(ctx.principal.name)))
    if conditions.teams:
        teams = _any(conditions.teams)
        late.append(
            lambda ctx: ctx.principal is not None and ctx.principal.team is not None and teams(ctx.principal.team)
        )
    for name, wanted in conditions.labels.items():
        late.append(_label(name, _any([wanted])))
    if len(late) < 2:
        return late[0] if late else None
    return lambda ctx: all(predicate(ctx) for predicate in late)


def _label(name: str, match: Match) -> Predicate:
    def has_label(ctx: RequestContext) -> bool:
        value = ctx.principal.labels.get(name) if ctx.principal is not None else None
        return value is not None and match(value)

    return has_label


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


def _models(ctx: RequestContext, model_name: ModelName | None) -> list[str]:
    asked = ctx.requested_model
    named = [asked] if asked is not None else []
    if model_name is not None and ctx.operation != "models":
        answering = model_name(asked)
        named += [answering] if answering is not None else []
    return named


def _users(ctx: RequestContext) -> list[str]:
    """The authenticated caller, else the header, else the field of the body: only then is the body read."""
    if ctx.caller is not None:
        return [ctx.caller]
    named = ctx.http_request.raw_headers.get("x-user-id")
    if named is not None:
        return [named]
    if ctx.has_request and ctx.request.user:
        return [ctx.request.user]
    return []
