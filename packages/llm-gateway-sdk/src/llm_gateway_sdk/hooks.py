"""Runs the phases of a request through its plugins: the executable meaning of every flag of PluginResult.

The gateway and the test harness use this one implementation. Chains are compiled when the configuration is loaded; a
plugin that does not define a hook is not in that hook's list.

Order: ascending priority, then file order, in `before_model` and `on_model_error`; the reverse in `after_model`,
`after_chunk` and `detached_after_response`, so that the first plugin in is the last out.
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
from typing import Any, Literal

from .context import Engine, RequestContext
from .errors import GatewayError, InvalidRequest, ModelError, PluginError, RequestRejected
from .plugin import Plugin, PluginResult
from .response import Accumulator, LLMResponse, merge

__all__ = ["ActiveChain", "ChunkRun", "HookChain", "MountedPlugin", "Verdict", "run_detached"]

log = logging.getLogger("llm_gateway.plugins")

WATCHDOG_SECONDS = 0.05
"""A hook that keeps the event loop for longer is named in the log."""

MAX_THREADS = 8
"""Hooks of one `blocking` plugin that run at once."""

MAX_HELD_BYTES = 8 * 1024 * 1024
"""What one plugin may hold of one stream before the stream is refused."""


@dataclass(slots=True)
class MountedPlugin:
    """A configured plugin in its place in a project's chain."""

    name: str
    plugin: Plugin
    priority: int = 1000
    condition: Callable[[RequestContext], bool] | None = None
    """Whether the plugin is active for a request; None is always."""
    late_condition: Callable[[RequestContext], bool] | None = None
    """Asked before each hook call: conditions on what other plugins find out first, such as the caller."""
    on_error: Literal["fail_closed", "fail_open"] = "fail_closed"
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
    plugin: str
    error: GatewayError | None = None


@dataclass(slots=True)
class Hook:
    """One hook of one plugin, ready to be called."""

    mounted: MountedPlugin
    call: Callable[[RequestContext], Any]
    phase: str
    key: str
    asynchronous: bool
    threaded: bool


@dataclass(slots=True)
class ActiveChain:
    """The hooks that run for one request, per phase in running order."""

    before: list[Hook] = field(default_factory=list)
    after: list[Hook] = field(default_factory=list)
    chunk: list[Hook] = field(default_factory=list)
    error: list[Hook] = field(default_factory=list)
    detached: list[Hook] = field(default_factory=list)
    refuse_streams: list[str] = field(default_factory=list)
    """Names of plugins that cannot work on streams and say so."""

    async def before_model(self, ctx: RequestContext) -> Verdict | None:
        if self.refuse_streams and ctx.streaming:
            name = self.refuse_streams[0]
            message = f"Plugin '{name}' does not allow streaming here; send the request with `stream: false`."
            return Verdict("refuse", name, RequestRejected(message, status=400, plugin=name))
        return await _run(self.before, ctx) if self.before else None

    async def after_model(self, ctx: RequestContext) -> Verdict | None:
        return await _run(self.after, ctx) if self.after else None

    async def on_model_error(self, ctx: RequestContext) -> Verdict | None:
        return await _run(self.error, ctx) if self.error else None

    @property
    def reads_reply(self) -> bool:
        """Whether a plugin looks at the reply after it has left."""
        return any(hook.mounted.plugin.reads_reply for hook in self.detached)

    @property
    def detached_names(self) -> list[str]:
        """The plugins that run after the reply, in running order."""
        return [hook.mounted.name for hook in self.detached]

    async def detached_after_response(self, ctx: RequestContext) -> list[tuple[str, Exception]]:
        """Runs every hook, whatever the others do; failures are logged, and returned with the plugins' names."""
        failures: list[tuple[str, Exception]] = []
        for hook in self.detached:
            failure = await run_detached(hook, ctx)
            if failure is not None:
                failures.append((hook.mounted.name, failure))
        return failures

    def chunk_run(self, ctx: RequestContext) -> ChunkRun:
        return ChunkRun(self.chunk, ctx)


class HookChain:
    """All plugins of a project."""

    def __init__(self, plugins: Sequence[MountedPlugin]) -> None:
        self.plugins = sorted(plugins, key=lambda mounted: mounted.priority)  # stable: file order within a priority
        self._selective = any(
            mounted.condition is not None
            or mounted.plugin.operations is not None
            or type(mounted.plugin).wants is not Plugin.wants
            for mounted in self.plugins
        )
        self._slots = [_Slot(mounted) for mounted in self.plugins]
        self._compiled: dict[tuple[tuple[str, ...] | None, ...], ActiveChain] = {}
        self._all = self._compile([slot.phases for slot in self._slots])
        self.attempts_wanted = max((mounted.plugin.attempts_wanted() for mounted in self.plugins), default=1)

    def select(self, ctx: RequestContext) -> ActiveChain:
        """The hooks for this request: conditions, operations and `wants` are asked once, here."""
        if not self._selective:
            return self._all
        wanted: list[tuple[str, ...] | None] = []
        for slot in self._slots:
            mounted, phases = slot.mounted, None
            if slot.operations is None or ctx.operation in slot.operations:
                try:
                    if mounted.condition is None or mounted.condition(ctx):
                        phases = slot.phases
                except GatewayError:
                    raise
                except (Exception, SystemExit, KeyboardInterrupt) as error:
                    raise PluginError(mounted.name, "conditions", error, project=ctx.project) from error
            if phases is not None and slot.wants is not None:
                wants = slot.wants
                phases = tuple([phase for phase in phases if wants(phase, ctx)])
            wanted.append(phases)
        key = tuple(wanted)
        chain = self._compiled.get(key)
        if chain is None:
            chain = self._compile(wanted)
            # Requests of one kind share a chain; plugins that answer at random must not make the table grow.
            if len(self._compiled) < _MAX_COMPILED:
                self._compiled[key] = chain
        return chain

    async def close(self) -> None:
        for mounted in self.plugins:
            try:
                await mounted.plugin.close()
            except Exception:
                log.exception("plugin '%s' failed in close", mounted.name)

    def _compile(self, wanted: Sequence[tuple[str, ...] | None]) -> ActiveChain:
        chain = ActiveChain()
        lists = {
            "before_model": chain.before,
            "after_model": chain.after,
            "after_chunk": chain.chunk,
            "on_model_error": chain.error,
            "detached_after_response": chain.detached,
        }
        for slot, phases in zip(self._slots, wanted, strict=True):
            mounted, cls = slot.mounted, type(slot.mounted.plugin)
            for phase in phases or ():
                if phase != "after_chunk" or cls.after_chunk is not Plugin.after_chunk:
                    lists[phase].append(_hook(mounted, phase))
                elif cls.on_stream == "whole":
                    chain.chunk.append(_whole_stream_hook(mounted))
                else:
                    chain.refuse_streams.append(mounted.name)
        for hooks in (chain.after, chain.chunk, chain.detached):
            hooks.reverse()
        return chain


class _Slot:
    """What of a plugin is the same for all requests."""

    __slots__ = ("mounted", "operations", "phases", "wants")

    def __init__(self, mounted: MountedPlugin) -> None:
        cls = type(mounted.plugin)
        self.mounted = mounted
        self.operations = mounted.plugin.operations
        self.wants = None if cls.wants is Plugin.wants else mounted.plugin.wants
        self.phases: tuple[str, ...] = tuple(phase for phase in _PHASES if _takes_part(cls, phase))


_PHASES = ("before_model", "after_model", "after_chunk", "on_model_error", "detached_after_response")
_MAX_COMPILED = 256


def _takes_part(cls: type[Plugin], phase: str) -> bool:
    if getattr(cls, phase) is not getattr(Plugin, phase):
        return True
    return phase == "after_chunk" and cls.after_model is not Plugin.after_model and cls.on_stream in ("whole", "refuse")


class ChunkRun:
    """`after_chunk` over one stream: each plugin has its own hold, and what it lets go is the next one's chunk."""

    __slots__ = ("_ctx", "_held", "_held_bytes", "_hooks", "verdict")

    def __init__(self, hooks: Sequence[Hook], ctx: RequestContext) -> None:
        self._hooks = hooks
        self._ctx = ctx
        self._held: list[Accumulator | None] = [None] * len(hooks)
        self._held_bytes = [0] * len(hooks)
        self.verdict: Verdict | None = None
        """Set when a hook ended the stream: nothing more may be pushed."""

    @property
    def holding(self) -> bool:
        return any(held is not None for held in self._held)

    async def push(self, chunk: LLMResponse) -> LLMResponse | None:
        """The chunk for the client, or None while a plugin holds. `chunk.final` drains every hold.

        After the call `verdict` may be set; a chunk returned along with it goes out first.
        """
        try:
            final = chunk.final
            ctx = self._ctx
            current: LLMResponse = chunk
            ctx.final_chunk = final
            for position, hook in enumerate(self._hooks):
                held = self._held[position]
                ctx.chunk = current
                if held is None:
                    Engine.set_buffer(ctx, current, None)
                else:
                    held.add(current)
                    Engine.set_buffer(ctx, None, held)
                result = await _decide(hook, ctx)
                if result is None or result.success:
                    if result is not None and result.reevaluate_request and not ctx.stream.committed:
                        self.verdict = Verdict("again", hook.mounted.name)
                        return None
                    if result is not None and result.reevaluate_request:
                        log.warning("plugin '%s' asked for another attempt after content was sent", hook.mounted.name)
                    if result is not None and not result.emit_chunk and not final and not result.terminate:
                        if held is None:
                            held = self._held[position] = Accumulator()
                            held.add(ctx.buffered_chunk or current)
                        elif ctx.buffered_chunk is not None:
                            # The hook may have changed what it holds.
                            held = self._held[position] = Accumulator()
                            held.add(ctx.buffered_chunk)
                        self._held_bytes[position] += _weight(current)
                        if self._held_bytes[position] > MAX_HELD_BYTES:
                            name = hook.mounted.name
                            error = RequestRejected(f"Plugin '{name}' held back too much of the reply.", plugin=name)
                            self.verdict = Verdict("refuse", name, error)
                            Engine.withhold_reply(ctx)
                        return None
                    current = ctx.buffered_chunk or current
                    if final and not current.final:
                        current.final = True
                    self._held[position] = None
                    self._held_bytes[position] = 0
                    if result is not None and (result.terminate or result.skip_remaining):
                        current = self._release_after(position, current)
                        if result.terminate:
                            self.verdict = Verdict("end", hook.mounted.name)
                        return current
                else:
                    self.verdict = _refuse(result, hook, ctx)
                    return None
            return current
        except BaseException:
            Engine.withhold_reply(self._ctx)
            raise

    def _release_after(self, position: int, current: LLMResponse) -> LLMResponse:
        for later in range(position + 1, len(self._hooks)):
            held = self._held[later]
            if held is not None:
                current = merge(held.value(), current)
                self._held[later] = None
                self._held_bytes[later] = 0
        return current


async def _run(hooks: Sequence[Hook], ctx: RequestContext) -> Verdict | None:
    try:
        for hook in hooks:
            result = await _decide(hook, ctx)
            if result is None:
                continue
            if not result.success:
                if hook.phase == "on_model_error":
                    continue  # the model's own error stands
                return _refuse(result, hook, ctx)
            if result.reevaluate_request:
                return Verdict("again", hook.mounted.name)
            if result.terminate:
                if ctx.response is not None:
                    return Verdict("reply", hook.mounted.name)
                return _refuse(result, hook, ctx)
            if result.skip_remaining:
                return None
    except BaseException:
        # The phase did not come to its end: who would have hidden something may not have had its turn.
        _withhold(hooks[0].phase, ctx)
        raise
    return None


async def _decide(hook: Hook, ctx: RequestContext) -> PluginResult | None:
    """Calls one hook under its error policy and merges the context that it returned."""
    mounted = hook.mounted
    undo = _snapshot(ctx) if mounted.on_error == "fail_open" else None
    try:
        result = await _call(hook, ctx)
        if result is not None and not isinstance(result, PluginResult):
            raise TypeError(f"{hook.phase} must return a PluginResult or None, not {type(result).__name__}")
    except (InvalidRequest, RequestRejected) as error:
        # The client's body did not decode when the hook first looked, or the hook refuses by raising.
        return PluginResult(success=False, error=error, status=error.status)
    except BaseException as error:
        if not _is_failure_of(hook, error):
            raise
        failure = PluginError(mounted.name, hook.phase, error, project=ctx.project)
        log.error(
            "plugin '%s' failed in %s (project '%s', request %s, %s)",
            mounted.name, hook.phase, ctx.project, ctx.request_id, mounted.on_error, exc_info=error,
        )  # fmt: skip
        if undo is None:
            return PluginResult(success=False, error=failure, status=failure.status)
        undo()
        return None
    if result is not None and result.context is not None and result.context is not ctx:
        _merge_context(ctx, result.context)
    decision: PluginResult | None = result
    return decision


def _is_failure_of(hook: Hook, error: BaseException) -> bool:
    """Whether what leaves a hook is the plugin's failure. `SystemExit` and the like are: no plugin ends the gateway."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or not task.cancelling()  # the request was not cancelled: the hook raised it by itself
    if isinstance(error, ModelError):
        # After the model: the provider's reply did not decode when the hook first looked at it.
        return hook.phase not in ("after_model", "after_chunk")
    return not isinstance(error, GeneratorExit)


async def run_detached(hook: Hook, ctx: RequestContext, *, limit: float | None = None) -> Exception | None:
    """Calls one detached hook, for `limit` seconds at most where the plugin has no limit of its own; its failure is
    logged and returned."""
    name = hook.mounted.name
    try:
        await _call(hook, ctx, limit)
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


async def _call(hook: Hook, ctx: RequestContext, limit: float | None = None) -> Any:
    started = perf_counter()
    waited = hook.threaded
    try:
        if hook.threaded:
            return await _limited(_in_thread(hook, ctx), hook, limit)
        result = hook.call(ctx)
        if not hook.asynchronous:
            if result is None or type(result) is PluginResult or not inspect.isawaitable(result):
                return result
            result = result if inspect.iscoroutine(result) else _awaiting(result)
        # Most hooks never wait. Stepping the coroutine by hand tells a hook that waits from one that holds the loop,
        # and needs no timer for those that do not wait.
        try:
            waiting = result.send(None)
        except StopIteration as stop:
            return stop.value
        waited = True
        _watch(hook, perf_counter() - started)
        return await _limited(_Resumed(result, waiting, hook), hook, limit)
    finally:
        spent = perf_counter() - started
        timings, key = ctx.timings, hook.key
        timings[key] = timings.get(key, 0.0) + spent
        if spent > WATCHDOG_SECONDS and not waited:
            _watch(hook, spent)


async def _limited(work: Awaitable[Any], hook: Hook, limit: float | None) -> Any:
    """`limit` seconds where the plugin's configuration sets no other limit."""
    seconds = hook.mounted.timeout if hook.mounted.timeout is not None else limit
    if seconds is None:
        return await work
    async with asyncio.timeout(seconds):
        return await work


async def _in_thread(hook: Hook, ctx: RequestContext) -> Any:
    """In a thread of the plugin's own few: threads that hang are missing to no other plugin."""
    mounted = hook.mounted
    if mounted.threads is None:
        mounted.threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix=f"plugin {mounted.name}")
    work = functools.partial(contextvars.copy_context().run, hook.call, ctx)
    return await asyncio.get_running_loop().run_in_executor(mounted.threads, work)


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
        try:
            while True:
                try:
                    value = yield waiting
                except BaseException as error:
                    if isinstance(error, asyncio.CancelledError):
                        overtime = overtime or _Overtime(self._hook)
                        if overtime.ends(coroutine):
                            raise
                    step: Callable[[], Any] = lambda error=error: coroutine.throw(error)  # type: ignore[misc] # noqa: E731
                else:
                    step = lambda value=value: coroutine.send(value)  # type: ignore[misc] # noqa: E731
                started = perf_counter()
                try:
                    waiting = step()
                except StopIteration as stop:
                    if overtime is not None and overtime.is_due:
                        raise asyncio.CancelledError from None
                    return stop.value
                finally:
                    _watch(self._hook, perf_counter() - started)
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
        """The cancellation still stands, and the hook has not ended by it."""
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
    if held > WATCHDOG_SECONDS:
        log.warning(
            "plugin '%s' held the event loop for %.0f ms in %s; declare `blocking = True` or wait asynchronously",
            hook.mounted.name, held * 1000, hook.phase,
        )  # fmt: skip


def _hook(mounted: MountedPlugin, phase: str) -> Hook:
    call = getattr(mounted.plugin, phase)
    asynchronous = inspect.iscoroutinefunction(call)
    if mounted.late_condition is not None:
        call = _when(mounted.late_condition, call)
    threaded = mounted.plugin.blocking and not asynchronous
    if mounted.late_condition is not None:
        asynchronous = False  # the wrapper is plain and hands on what the hook returns
    return Hook(mounted, call, phase, f"{mounted.name}.{phase}", asynchronous, threaded)


def _when(condition: Callable[[RequestContext], bool], call: Callable[[RequestContext], Any]) -> Callable[..., Any]:
    def conditional(ctx: RequestContext) -> Any:
        return call(ctx) if condition(ctx) else None

    return conditional


def _whole_stream_hook(mounted: MountedPlugin) -> Hook:
    """`after_model` for a stream that is held as a whole."""
    inner = _hook(mounted, "after_model")

    async def after_chunk(ctx: RequestContext) -> PluginResult | None:
        if not ctx.final_chunk:
            return PluginResult(emit_chunk=False)
        whole = ctx.buffered_chunk
        ctx.response = whole
        result: PluginResult | None = await _call(inner, ctx)
        if ctx.response is not None and ctx.response is not whole:
            ctx.buffered_chunk = ctx.response
        ctx.response = None
        return result

    return Hook(mounted, after_chunk, "after_chunk", f"{mounted.name}.after_model", True, False)


def _withhold(phase: str, ctx: RequestContext) -> None:
    """What a plugin refuses is not shown to those who look later: no log, no trace and no other plugin has it."""
    if phase == "before_model":
        Engine.withhold_request(ctx)
    Engine.withhold_reply(ctx)


def _refuse(result: PluginResult, hook: Hook, ctx: RequestContext) -> Verdict:
    _withhold(hook.phase, ctx)
    return Verdict("refuse", hook.mounted.name, _refusal(result, hook))


def _refusal(result: PluginResult, hook: Hook) -> GatewayError:
    error = result.error
    if isinstance(error, GatewayError):
        if result.status is not None:
            error.status = result.status
        return error
    message = str(error) if error else f"Plugin '{hook.mounted.name}' refused the request."
    return RequestRejected(message, status=result.status or 500, plugin=hook.mounted.name)


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


def _weight(chunk: LLMResponse) -> int:
    return 64 + sum(
        len(getattr(part, "text", None) or "") + len(getattr(part, "arguments", ""))
        for choice in chunk.choices
        for part in choice.message.content
    )
