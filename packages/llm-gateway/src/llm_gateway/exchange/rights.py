"""What a principal may use: projects and models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, get_args

from llm_gateway_sdk import ModelNotFound, Operation, Principal, RequestContext, RequestRejected

from ..models import ModelTarget
from .services import ProjectScope

__all__ = ["check_entry", "check_name", "check_rights", "visible"]


def check_entry(ctx: RequestContext) -> None:
    """Raises RequestRejected (403) where the request's principal may not use the project, whatever it asks for."""
    principal = ctx.principal
    if principal is not None and not principal.may_enter(ctx.project):
        raise _refused(f"The project '{ctx.project}' is not open to this caller.", "project_not_allowed")


def check_rights(ctx: RequestContext, project: ProjectScope, target: ModelTarget | None = None) -> None:
    """Raises RequestRejected (403), or where the project hides models ModelNotFound, where the request's principal may
    not use the model that was asked for. `target` is the model that answers, where the asked name does not lead to it.

    A model is named by what was asked for only where that is its name or alias: a name that leads to the default model
    asks for the default model. Where a plugin sends the request to another model, that is the operator's choice.
    """
    _check(ctx, project, ctx.requested_model, target)


def check_name(ctx: RequestContext, project: ProjectScope, name: str) -> None:
    """The same for a model that is named elsewhere in the request."""
    _check(ctx, project, name, None)


def _check(ctx: RequestContext, project: ProjectScope, asked: str | None, target: ModelTarget | None) -> None:
    principal, registry = ctx.principal, project.registry
    if principal is None or principal.models is None or ctx.operation == "models":
        return
    target = target or registry.answering_target(asked)
    names = [target.name] if target is not None else []
    if asked is not None and (registry.find(asked) is not None or ctx.operation in _PASSED_ON):
        # At a vendor's own endpoints a name that is not configured goes to the provider as it is.
        names = [asked] if ctx.operation in _PASSED_ON and not registry.is_configured(asked) else [asked, *names]
    if not names or any(map(principal.may_use, names)):
        return
    if project.hide_refused_models:
        raise ModelNotFound(asked or names[0], [name for name in registry.names if principal.may_use(name)])
    raise _refused(f"The model '{asked or names[0]}' is not open to this caller.", "model_not_allowed")


_PASSED_ON = frozenset(get_args(Operation)) - {"generate", "count_tokens", "models"}
"""Operations whose models are rarely configured: a name that is not goes to the provider as it is."""

_Named = TypeVar("_Named")


def visible(entries: Iterable[_Named], principal: Principal | None) -> list[_Named]:
    """The entries of a model list that the principal may ask for, by name or alias."""
    if principal is None or principal.models is None:
        return list(entries)
    return [
        entry
        for entry in entries
        if any(map(principal.may_use, (entry.name, *entry.aliases)))  # type: ignore[attr-defined]
    ]


def _refused(message: str, code: str) -> RequestRejected:
    return RequestRejected(message, status=403, code=code, kind="permission")
