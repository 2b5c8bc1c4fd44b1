"""`before_request` and `after_request`: one pair of hooks around everything that a request is.

The founding hooks do not fit accounting: `before_model` runs again for each attempt, and `detached_after_response` may
be left out under load. These two hold their promise whatever happens in between, for every operation:

* `before_request` runs once, after authentication and before the first `before_model`;
* `after_request` runs exactly once for each `before_request` that was begun, also where that refused or failed, and
  also where the request failed, was cancelled or was cut off by the end of the gateway. It is bounded in time.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Sequence
from typing import Any

from .calling import Hook, Verdict, call_hook, call_plain, run_phase
from .context import RequestContext
from .failures import is_failure
from .hooks import LifecycleHooks

__all__ = ["AFTER_SECONDS", "Lifecycle"]

log = logging.getLogger("llm_gateway.plugins")

AFTER_SECONDS = 5.0
"""What one `after_request` may take."""


class Lifecycle:
    """One per request that has such hooks."""

    __slots__ = ("_begun", "_hooks", "ctx")

    def __init__(self, hooks: Sequence[LifecycleHooks], ctx: RequestContext) -> None:
        self._hooks = hooks
        self.ctx = ctx
        self._begun: list[Hook] = []
        """`after_request` of those whose `before_request` was begun."""

    async def begin(self) -> Verdict | None:
        """Runs `before_request` of each plugin in ascending order of priority. A refusal leaves the others out."""
        ctx = self.ctx
        for hooks in self._hooks:
            condition = hooks.mounted.late_condition
            if condition is not None and not condition(ctx):
                continue
            if hooks.after is not None:
                self._begun.append(hooks.after)
            if hooks.before is not None:
                verdict = await run_phase((hooks.before,), ctx)
                if verdict is not None and verdict.action != "again":
                    return verdict
        return None

    @property
    def is_open(self) -> bool:
        """Whether there is anything for `end` to do."""
        return bool(self._begun)

    def end_now(self) -> Coroutine[Any, Any, None] | None:
        """As `end`, for a caller that no task runs: what need not be awaited is done, the rest is returned."""
        begun = self._begun
        while begun:
            hook = begun[-1]
            if not hook.is_plain:
                return self.end()
            begun.pop()
            try:
                result = call_plain(hook, self.ctx)
            except BaseException as error:  # nothing here waits, so that whatever is raised is the plugin's
                self._report(hook, error)
                continue
            if result is not None:
                return self._end_with(hook, result)
        return None

    async def end(self) -> None:
        """Runs `after_request`, the last begun first. Never raises but for cancellation; what fails is logged."""
        begun, self._begun = self._begun, []
        for hook in reversed(begun):
            await self._end_one(hook)

    async def _end_with(self, hook: Hook, result: Any) -> None:
        """Waits for what `hook` has returned, and goes on to the others."""
        await self._end_one(hook, result)
        await self.end()

    async def _end_one(self, hook: Hook, result: Any = None) -> None:
        """`result` is what the hook has returned, where it was called already."""
        try:
            # A hook that does not wait needs no timer: `call_hook` starts one for those that do.
            own = hook.mounted.timeout
            limit = AFTER_SECONDS if own is None else min(own, AFTER_SECONDS)
            await call_hook(hook, self.ctx, limit, call=None if result is None else lambda _: result)
        except TimeoutError as error:
            self._report(hook, error)
        except BaseException as error:
            if not is_failure(error):
                raise
            self._report(hook, error)

    def _report(self, hook: Hook, error: BaseException) -> None:
        name, request = hook.mounted.name, self.ctx.request_id
        if isinstance(error, TimeoutError):
            log.error("plugin '%s' did not end in time in after_request (request %s)", name, request)
        else:
            log.error("plugin '%s' failed in after_request (request %s)", name, request, exc_info=error)
