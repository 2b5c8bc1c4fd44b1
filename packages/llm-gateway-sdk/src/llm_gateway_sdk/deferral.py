"""Spending that outlives its request: what plugins hold for a batch between its submission and its end.

`defer` is asked of a request's plugins before its reply leaves, so that what they answer can be kept with the batch;
`settle` gives it back to the plugins of the same names once the end is known, in whatever process that is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from .calling import MountedPlugin
from .context import RequestContext
from .failures import is_failure
from .hooks import ActiveChain
from .plugin import Plugin

__all__ = ["defer", "settle"]

log = logging.getLogger("llm_gateway.plugins")


async def defer(chain: ActiveChain, ctx: RequestContext) -> dict[str, Any]:
    """What the plugins hold, by their names. One that fails is logged and holds nothing."""
    held: dict[str, Any] = {}
    for hooks in chain.lifecycle:
        plugin, name = hooks.mounted.plugin, hooks.mounted.name
        if type(plugin).defer_request is Plugin.defer_request:
            continue
        try:
            kept = await plugin.defer_request(ctx)
        except BaseException as error:
            if not is_failure(error):
                raise
            log.error("plugin '%s' failed in defer_request (request %s)", name, ctx.request_id, exc_info=error)
            continue
        if kept is not None:
            held[name] = kept
    return held


async def settle(plugins: Sequence[MountedPlugin], held: Mapping[str, Any], ctx: RequestContext) -> bool:
    """Whether all that hold something have settled it; what fails is logged, and is to be tried again. A plugin that is
    not configured any more is left out: what it held ends by itself."""
    settled = True
    for mounted in plugins:
        if mounted.name not in held:
            continue
        try:
            await mounted.plugin.settle_deferred(held[mounted.name], ctx)
        except BaseException as error:
            if not is_failure(error):
                raise
            settled = False
            log.error("plugin '%s' failed in settle_deferred (%s)", mounted.name, ctx.request_id, exc_info=error)
    return settled
