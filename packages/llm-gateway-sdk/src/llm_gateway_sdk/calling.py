"""Calls one hook of one plugin, and states what became of it.

A hook may be plain, a coroutine, or run in a thread. It may fail, hang, hold the event loop, raise what would end the
process, or go on after its request was cancelled: whatever it does concerns its own request alone.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from types import CoroutineType
from typing import Any, Literal

from .context import Engine, RequestContext
from .errors import GatewayError, InvalidRequest, ModelError, PluginError, RequestRejected
from .failures import is_failure
from .plugin import Plugin, PluginResult

__all__ = [
    "Hook",
    "MountedPlugin",
    "Verdict",
    "call_hook",
    "call_plain",
    "decide",
    "decide_now",
    "refuse",
    "run_authentication",
    "run_detached",
    "run_phase",
]

log = logging.getLogger("llm_gateway.plugins")

WATCHDOG_SECONDS = 0.05
"""A hook that keeps the event loop for longer is named in the log."""

MAX_THREADS = 8
"""Hooks of one `blocking` plugin that run at once."""


@dataclass(slots=True)
class MountedPlugin:
    """A configured plugin in its place in a project's chain."""

    name: str
    """As configured; unique in its project."""
    plugin: Plugin
    """The instance, shared by all requests."""
    priority: int = 1000
    """Lower runs first."""
    condition: Callable[[RequestContext], bool] | None = None
    """Whether the plugin is active for a request; None is always."""
    late_condition: Callable[[RequestContext], bool] | None = None
    """Asked before each hook call: conditions on what other plugins find out first, such as the caller."""
    on_error: Literal["fail_closed", "fail_open"] = "fail_closed"
    """What a hook that raises, or takes too long, does to its request: `fail_closed` refuses it, `fail_open` goes on
    without the hook."""
    timeout: float | None = None
    """Seconds that one hook call may take."""
    threads: ThreadPoolExecutor | None = None
    """For the hooks of a `blocking` plugin; made when first needed."""


@dataclass(slots=True, frozen=True)
class Verdict:
    """How a phase ended, where it did not simply end.

    `refuse`: reply with `error`. `reply`: answer now with `ctx.response`. `again`: start the request again. `end`
    (streams): close the reply here.
    """

    action: Literal["refuse", "reply", "again", "end"]
    """What happens next."""
    plugin: str
    """Name of the plugin that decided it."""
    error: GatewayError | None = None
    """With `refuse`: the error for the client."""


@dataclass(slots=True)
class Hook:
    """One hook of one plugin, ready to be called."""

    mounted: MountedPlugin
    """The plugin that it belongs to."""
    call: Callable[[RequestContext], Any]
    """The hook itself."""
    phase: str
    """Its name, such as `before_model`."""
    key: str
    """`plugin.phase`, under which `RequestContext.timings` has its time."""
    asynchronous: bool
    """It is an `async def`."""
    threaded: bool
    """It runs in a thread."""
    held: int = 0
    """How often it held the event loop for too long."""
    is_plain: bool = field(init=False)
    """A plain function that runs on the event loop."""
    is_direct: bool = field(init=False)
    """A plain function, whose failure refuses the request: nothing is to be awaited, nor undone."""

    def __post_init__(self) -> None:
        self.is_plain = not (self.asynchronous or self.threaded)
        self.is_direct = self.is_plain and self.mounted.on_error != "fail_open"


async def run_phase(hooks: Sequence[Hook], ctx: RequestContext) -> Verdict | None:
    try:
        for hook in hooks:
            result = decide_now(hook, ctx)
            if result is None:
                continue
            if isinstance(result, CoroutineType):
                result = await result
                if result is None:
                    continue
            if not result.success:
                if hook.phase == "on_model_error":
                    continue  # the model's own error stays
                return refuse(result, hook, ctx)
            if result.reevaluate_request:
                return Verdict("again", hook.mounted.name)
            if result.terminate:
                if ctx.response is not None:
                    return Verdict("reply", hook.mounted.name)
                return refuse(result, hook, ctx)
            if result.skip_remaining:
                return None
    except BaseException:
        # The phase did not come to its end: who would have hidden something may not have had its turn.
        _withhold(hooks[0].phase, ctx)
        raise
    return None


async def run_authentication(hooks: Sequence[Hook], ctx: RequestContext) -> Verdict | None:
    """`before_model` of the plugins that authenticate. Their order is free: where one does not know a credential (401,
    or 429 for one wrong credential too many), those after it are asked too, and the first refusal counts only if none
    of them finds out who is asking."""
    unknown: tuple[PluginResult, Hook] | None = None
    try:
        for hook in hooks:
            result = decide_now(hook, ctx)
            if result is None:
                continue
            if isinstance(result, CoroutineType):
                result = await result
                if result is None:
                    continue
            if not result.success and _is_unknown(result, ctx):
                unknown = unknown or (result, hook)
            elif not result.success or (result.terminate and ctx.response is None):
                return refuse(result, hook, ctx)
            elif result.reevaluate_request or result.terminate:
                return Verdict("again" if result.reevaluate_request else "reply", hook.mounted.name)
            elif result.skip_remaining:
                break
    except BaseException:
        _withhold(hooks[0].phase, ctx)
        raise
    if unknown is not None and ctx.principal is None and ctx.caller is None:
        return refuse(*unknown, ctx)
    return None


def _is_unknown(result: PluginResult, ctx: RequestContext) -> bool:
    """Whether a refusal means that the credential is not known here. It is another matter where the caller is known."""
    status = result.status or getattr(result.error, "status", None)
    return status == 401 or (status == 429 and ctx.principal is None and ctx.caller is None)


def decide_now(hook: Hook, ctx: RequestContext) -> PluginResult | CoroutineType[Any, Any, PluginResult | None] | None:
    """As `decide`. Most hooks return at once, and are called without a coroutine; for another one it is returned."""
    if not hook.is_direct:
        return decide(hook, ctx)  # type: ignore[return-value]  # what `async def` gives is a CoroutineType
    started = perf_counter()
    try:
        result = hook.call(ctx)
    except BaseException as error:
        return _failed(hook, ctx, _raised(error) if isinstance(error, GeneratorExit) else error, None)
    finally:
        spent = perf_counter() - started
        timings, key = ctx.timings, hook.key
        timings[key] = timings[key] + spent if key in timings else spent
        if spent > WATCHDOG_SECONDS:
            _watch(hook, spent)
    if result is None or (type(result) is PluginResult and result.context is None):
        return result
    return decide(hook, ctx, lambda _: result)  # type: ignore[return-value]


def call_plain(hook: Hook, ctx: RequestContext) -> Any:
    """What a plain hook returns, which may be an awaitable. Raises what it raises."""
    started = perf_counter()
    try:
        return hook.call(ctx)
    except GeneratorExit as error:
        raise _raised(error) from error
    finally:
        spent = perf_counter() - started
        timings, key = ctx.timings, hook.key
        timings[key] = timings[key] + spent if key in timings else spent
        if spent > WATCHDOG_SECONDS:
            _watch(hook, spent)


async def decide(
    hook: Hook, ctx: RequestContext, call: Callable[[RequestContext], Any] | None = None
) -> PluginResult | None:
    """Calls one hook under its error policy and merges the context that it returned. `call` takes the hook's place
    where that has been called already."""
    undo = _snapshot(ctx) if hook.mounted.on_error == "fail_open" else None
    try:
        result = await call_hook(hook, ctx, call=call)
        if result is not None and not isinstance(result, PluginResult):
            raise TypeError(f"{hook.phase} must return a PluginResult or None, not {type(result).__name__}")
    except BaseException as error:
        return _failed(hook, ctx, error, undo)
    if result is not None and result.context is not None and result.context is not ctx:
        _merge_context(ctx, result.context)
    decision: PluginResult | None = result
    return decision


def _failed(
    hook: Hook, ctx: RequestContext, error: BaseException, undo: Callable[[], None] | None
) -> PluginResult | None:
    """What becomes of a hook that raised. Raises what is not the plugin's failure."""
    if isinstance(error, (InvalidRequest, RequestRejected)):
        # The client's body did not decode when the hook first looked, or the hook refuses by raising.
        return PluginResult(success=False, error=error, status=error.status)
    if not _is_failure_of(hook, error):
        raise error
    mounted = hook.mounted
    failure = PluginError(mounted.name, hook.phase, error, project=ctx.project)
    log.error(
        "plugin '%s' failed in %s (project '%s', request %s, %s)",
        mounted.name, hook.phase, ctx.project, ctx.request_id, mounted.on_error, exc_info=error,
    )  # fmt: skip
    if undo is None:
        return PluginResult(success=False, error=failure, status=failure.status)
    undo()
    return None


def _is_failure_of(hook: Hook, error: BaseException) -> bool:
    """Whether what leaves a hook is the plugin's failure. `SystemExit` and the like are: no plugin ends the gateway."""
    if isinstance(error, ModelError):
        # After the model: the provider's reply did not decode when the hook first looked at it.
        return hook.phase not in ("after_model", "after_chunk")
    return is_failure(error)


async def run_detached(hook: Hook, ctx: RequestContext, *, limit: float | None = None) -> Exception | None:
    """Calls one detached hook, for `limit` seconds at most where the plugin has no limit itself; its failure is
    logged and returned."""
    name = hook.mounted.name
    try:
        await call_hook(hook, ctx, hook.mounted.timeout if hook.mounted.timeout is not None else limit)
    except TimeoutError as error:
        log.error("plugin '%s' did not end in time in %s (request %s)", name, hook.phase, ctx.request_id)
        return error
    except ModelError as error:
        log.warning("plugin '%s' could not read the reply of request %s: %s", name, ctx.request_id, error)
        return error
    except BaseException as error:
        if not _is_failure_of(hook, error):
            raise
        log.exception("plugin '%s' failed in %s", name, hook.phase, exc_info=error)
        return error if isinstance(error, Exception) else PluginError(name, hook.phase, error, project=ctx.project)
    return None


async def call_hook(
    hook: Hook,
    ctx: RequestContext,
    limit: float | None = None,
    *,
    call: Callable[[RequestContext], Any] | None = None,
) -> Any:
    """What the hook returns. `limit` is the seconds that it may take, in place of what the plugin's configuration
    allows; `call` takes the hook's place. Raises what the hook raises, and TimeoutError."""
    started = perf_counter()
    waited = hook.threaded
    try:
        if hook.threaded:
            return await _limited(_in_thread(hook, ctx), hook, limit)
        try:
            result = (call or hook.call)(ctx)
        except GeneratorExit as error:
            raise _raised(error) from error
        if not hook.asynchronous:
            if result is None or type(result) is PluginResult or not inspect.isawaitable(result):
                return result
            result = result if inspect.iscoroutine(result) else _awaiting(result)
        # Most hooks never wait. Stepping the coroutine by hand distinguishes a hook that waits from one that holds
        # the loop, and needs no timer for those that do not wait.
        try:
            waiting = result.send(None)
        except StopIteration as stop:
            return stop.value
        except GeneratorExit as error:
            raise _raised(error) from error
        waited = True
        held = perf_counter() - started
        if held > WATCHDOG_SECONDS:
            _watch(hook, held)
        return await _limited(_Resumed(result, waiting, hook), hook, limit)
    finally:
        spent = perf_counter() - started
        timings, key = ctx.timings, hook.key
        timings[key] = timings[key] + spent if key in timings else spent
        if spent > WATCHDOG_SECONDS and not waited:
            _watch(hook, spent)


async def _limited(work: Awaitable[Any], hook: Hook, limit: float | None) -> Any:
    """Within `limit` seconds, or those of the plugin's configuration."""
    seconds = hook.mounted.timeout if limit is None else limit
    if seconds is None:
        return await work
    async with asyncio.timeout(seconds):
        return await work


async def _in_thread(hook: Hook, ctx: RequestContext) -> Any:
    """In a thread of the plugin's own few: threads that hang are missing to no other plugin."""
    mounted = hook.mounted
    if mounted.threads is None:
        mounted.threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix=f"plugin {mounted.name}")
    work = functools.partial(contextvars.copy_context().run, _outcome, hook, ctx)
    result, error = await asyncio.get_running_loop().run_in_executor(mounted.threads, work)
    if error is not None:
        raise _raised(error) if isinstance(error, (GeneratorExit, StopIteration)) else error
    return result


def _outcome(hook: Hook, ctx: RequestContext) -> tuple[Any, BaseException | None]:
    """What the hook returns or raises. Not every exception can be handed to another thread by its future."""
    try:
        return hook.call(ctx), None
    except BaseException as error:
        return None, error


def _raised(error: BaseException) -> RuntimeError:
    """`GeneratorExit` closes a coroutine from outside. What a hook raises by itself must not be taken for that, or its
    request would end without an answer."""
    return RuntimeError(f"the hook raised {type(error).__name__}")


async def _awaiting(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


class _Resumed(Awaitable[Any]):
    """A coroutine that has been stepped once already and waits for `waiting`."""

    __slots__ = ("_coroutine", "_hook", "_waiting")

    def __init__(self, coroutine: Any, waiting: Any, hook: Hook) -> None:
        self._coroutine = coroutine
        self._waiting = waiting
        self._hook = hook

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, waiting = self._coroutine, self._waiting
        overtime: _Overtime | None = None
        closed = False
        try:
            while True:
                try:
                    value = yield waiting
                except BaseException as error:
                    closed = isinstance(error, GeneratorExit)
                    if isinstance(error, asyncio.CancelledError):
                        overtime = overtime or _Overtime(self._hook)
                        if overtime.ends(coroutine):
                            raise
                    step, given = coroutine.throw, error
                else:
                    step, given = coroutine.send, value
                started = perf_counter()
                try:
                    waiting = step(given)
                except StopIteration as stop:
                    if overtime is not None and overtime.is_due:
                        raise asyncio.CancelledError from None
                    return stop.value
                except GeneratorExit as error:
                    if closed:
                        raise
                    raise _raised(error) from error
                finally:
                    held = perf_counter() - started
                    if held > WATCHDOG_SECONDS:
                        _watch(self._hook, held)
        finally:
            if overtime is not None:
                overtime.close()


CANCEL_SECONDS = 1.0
"""How long a hook may go on after its request was cancelled, to leave things in order."""


class _Overtime:
    """The rest of a hook that was cancelled. A hook that goes on regardless is abandoned: its request ends without it.

    A hook's own time limits cancel its task as well, and take that back when they have ended what they limit; these
    are no concern here, which is what the count of `cancelling` is for.
    """

    __slots__ = ("_before", "_hook", "_over", "_task", "_timer")

    def __init__(self, hook: Hook) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._hook = hook
        self._before = task.cancelling() - 1
        self._over = False
        self._timer = task.get_loop().call_later(CANCEL_SECONDS, self._end)

    def close(self) -> None:
        self._timer.cancel()

    @property
    def is_due(self) -> bool:
        """The cancellation is still wanted, and the hook has not ended by it."""
        return self._task.cancelling() > self._before

    def _end(self) -> None:
        if self.is_due:
            self._over = True
            self._task.cancel()

    def ends(self, coroutine: Any) -> bool:
        if not self._over:
            return False
        self._task.uncancel()
        log.error("plugin '%s' went on in %s after its request had ended", self._hook.mounted.name, self._hook.phase)
        try:
            coroutine.close()
        except RuntimeError:
            pass  # it ignores even this
        return True


def _watch(hook: Hook, held: float) -> None:
    """Reports the first time, the tenth, the hundredth, …: on a busy machine any plugin is slow now and then."""
    if held <= WATCHDOG_SECONDS:
        return
    hook.held += 1
    if str(hook.held).strip("0") != "1":
        return
    log.warning(
        "plugin '%s' held the event loop for %.0f ms in %s%s; its author can declare `blocking = True` or wait "
        "asynchronously, and on a busy machine this may be a false alarm",
        hook.mounted.name, held * 1000, hook.phase, f" ({hook.held} times so far)" if hook.held > 1 else "",
    )  # fmt: skip


def _withhold(phase: str, ctx: RequestContext) -> None:
    """What a plugin refuses is not shown to those who look later: no log, no trace and no other plugin has it."""
    if phase in ("before_model", "before_request"):
        Engine.withhold_request(ctx)
    Engine.withhold_reply(ctx)


def refuse(result: PluginResult, hook: Hook, ctx: RequestContext) -> Verdict:
    _withhold(hook.phase, ctx)
    return Verdict("refuse", hook.mounted.name, _refusal(result, hook))


def _refusal(result: PluginResult, hook: Hook) -> GatewayError:
    error = result.error
    if isinstance(error, GatewayError):
        if result.status is not None:
            error.status = result.status
        if result.retry_after is not None:
            error.retry_after = result.retry_after
        if result.limit is not None and isinstance(error, RequestRejected):
            error.limit = result.limit
        return error
    message = str(error) if error else f"Plugin '{hook.mounted.name}' refused the request."
    return RequestRejected(
        message,
        status=result.status or 500,
        plugin=hook.mounted.name,
        retry_after=result.retry_after,
        limit=result.limit,
    )


def _snapshot(ctx: RequestContext) -> Callable[[], None]:
    """Remembers what a hook may change, to undo it where the hook then fails."""
    request = ctx.request_payload
    opened = copy.deepcopy(request.value) if request is not None and request.opened else None
    reply = ctx.response_payload
    answered = copy.deepcopy(reply.value) if reply is not None and reply.opened else None
    buffered = copy.deepcopy(ctx.buffered_chunk)
    metadata, target, caller, error = dict(ctx.metadata), ctx.target_model, ctx.caller, ctx.error
    reply_headers = dict(ctx.reply_headers)

    def undo() -> None:
        if request is not None and (opened is not None or request.opened):
            ctx.request = opened if opened is not None else request.pristine()
        ctx.response_payload = reply
        if reply is not None and (answered is not None or reply.opened):
            ctx.response = answered if answered is not None else reply.pristine()
        ctx.buffered_chunk = buffered
        ctx.metadata, ctx.target_model, ctx.caller, ctx.error = metadata, target, caller, error
        ctx.reply_headers = reply_headers

    return undo


_MERGED_FIELDS = ("target_model", "target_model_provider", "caller", "error")


def _merge_context(ctx: RequestContext, other: RequestContext) -> None:
    """Field by field what `other` sets; dictionaries by key."""
    for name in _MERGED_FIELDS:
        value = getattr(other, name)
        if value is not None:
            setattr(ctx, name, value)
    ctx.metadata.update(other.metadata)
    ctx.reply_headers.update(other.reply_headers)
    ctx.plugin_data.update(other.plugin_data)
    ctx.attempt_data.update(other.attempt_data)
    if other.request_payload is not None and other.request_payload.opened:
        ctx.request = other.request
    if other.response_payload is not None and other.response_payload.opened:
        ctx.response = other.response
    if other.buffered_chunk is not None:
        ctx.buffered_chunk = other.buffered_chunk
