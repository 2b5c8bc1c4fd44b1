"""Runs the phases of a request through its plugins: the executable meaning of every flag of PluginResult.

The gateway and the test harness use this one implementation. Chains are compiled when the configuration is loaded; a
plugin that does not define a hook is not in that hook's list.

Order: ascending priority, then file order, in `before_model` and `on_model_error`; the reverse in `after_model`,
`after_chunk` and `detached_after_response`, so that the first plugin in is the last out. Plugins that authenticate come
before all others, whatever their priority.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .calling import Hook, MountedPlugin, Verdict, call_hook, run_detached, run_phase
from .chunk_run import ChunkRun
from .context import RequestContext
from .errors import GatewayError, PluginError, RequestRejected
from .failures import is_failure
from .plugin import Plugin, PluginResult

__all__ = ["ActiveChain", "ChunkRun", "Hook", "HookChain", "LifecycleHooks", "MountedPlugin", "Verdict"]

log = logging.getLogger("llm_gateway.plugins")


@dataclass(slots=True, frozen=True)
class LifecycleHooks:
    """`before_request` and `after_request` of one plugin, which belong together."""

    mounted: MountedPlugin
    before: Hook | None
    after: Hook | None


@dataclass(slots=True)
class ActiveChain:
    """The hooks that run for one request, per phase in running order."""

    authentication: list[Hook] = field(default_factory=list)
    """`before_model` of the plugins that authenticate."""
    lifecycle: list[LifecycleHooks] = field(default_factory=list)
    """`before_request` and `after_request`."""
    before: list[Hook] = field(default_factory=list)
    """`before_model` of the other plugins."""
    after: list[Hook] = field(default_factory=list)
    """`after_model`."""
    chunk: list[Hook] = field(default_factory=list)
    """`after_chunk`."""
    error: list[Hook] = field(default_factory=list)
    """`on_model_error`."""
    detached: list[Hook] = field(default_factory=list)
    """`detached_after_response`."""
    refuse_streams: list[str] = field(default_factory=list)
    """Names of plugins that cannot work on streams and say so."""
    edits_request: bool = False
    """A plugin that edits requests is active: nothing goes out that it could not see."""
    edits_reply: bool = False
    """The same for replies."""
    shows_reply: bool = False
    """A plugin may look at the reply after it has left."""

    async def before_model(self, ctx: RequestContext) -> Verdict | None:
        """Runs `before`; refuses a stream that a plugin can't work on. None: go on."""
        if self.refuse_streams and ctx.streaming:
            name = self.refuse_streams[0]
            message = f"Plugin '{name}' does not allow streaming here; send the request with `stream: false`."
            return Verdict("refuse", name, RequestRejected(message, status=400, plugin=name))
        return await run_phase(self.before, ctx) if self.before else None

    async def after_model(self, ctx: RequestContext) -> Verdict | None:
        """Runs `after`. None: go on."""
        return await run_phase(self.after, ctx) if self.after else None

    async def on_model_error(self, ctx: RequestContext) -> Verdict | None:
        """Runs `error`. None: the client gets the error. Who edits replies sees it even where another plugin has
        decided what is to follow: the ledger of attempts, and the end of the last one, show its text."""
        verdict = await run_phase(self.error, ctx) if self.error else None
        if verdict is not None:
            names = [hook.mounted.name for hook in self.error]
            left = self.error[names.index(verdict.plugin) + 1 :]
            await run_phase([hook for hook in left if _edits_reply(hook.mounted.plugin)], ctx)
        return verdict

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
        """`chunk` over one stream."""
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
        only_operations = all(slot.wants is None and slot.mounted.condition is None for slot in self._slots)
        self._by_operation: dict[str, ActiveChain] | None = {} if only_operations else None
        """The hooks of all requests of an operation, where nothing else decides."""
        self._compiled: dict[tuple[tuple[str, ...] | None, ...], ActiveChain] = {}
        self._all = self._compile([slot.phases for slot in self._slots])
        self.moved_ahead = _moved_ahead(self.plugins)
        """Names of plugins that authenticate and are run before others that are in front of them by priority."""
        self.attempts_wanted = max((mounted.plugin.attempts_wanted() for mounted in self.plugins), default=1)

    def select(self, ctx: RequestContext) -> ActiveChain:
        """The hooks for this request: conditions, operations and `wants` are asked once, here."""
        if not self._selective:
            return self._all
        by_operation = self._by_operation
        if by_operation is not None and ctx.operation in by_operation:
            return by_operation[ctx.operation]
        wanted: list[tuple[str, ...] | None] = []
        for slot in self._slots:
            mounted, phases = slot.mounted, None
            if slot.operations is None or ctx.operation in slot.operations:
                try:
                    if mounted.condition is None or mounted.condition(ctx):
                        phases = slot.phases
                        if slot.wants is not None:
                            wants = slot.wants
                            phases = tuple([phase for phase in phases if wants(phase, ctx)])
                except GatewayError:
                    raise
                except BaseException as error:  # nothing here waits, so that whatever is raised is the plugin's
                    raise PluginError(mounted.name, "conditions", error, project=ctx.project) from error
            wanted.append(phases)
        key = tuple(wanted)
        chain = self._compiled.get(key)
        if chain is None:
            chain = self._compile(wanted)
            # Requests of one kind share a chain; plugins that answer at random must not make the table grow.
            if len(self._compiled) < _MAX_COMPILED:
                self._compiled[key] = chain
        if by_operation is not None:
            by_operation[ctx.operation] = chain
        return chain

    def head_authentication(self) -> list[Hook]:
        """The hooks that authenticate, where all of them need a request's head alone, for any request; else none."""
        authenticating = [mounted for mounted in self.plugins if mounted.plugin.authenticates]
        for mounted in authenticating:
            cls = type(mounted.plugin)
            conditional = mounted.condition is not None or mounted.late_condition is not None
            selective = mounted.plugin.operations is not None or cls.wants is not Plugin.wants
            if conditional or selective or not mounted.plugin.authenticates_from_head:
                return []
        return self._all.authentication if authenticating else []

    @property
    def always_authenticates(self) -> bool:
        """Whether a plugin asks every request for a credential."""
        return any(
            slot.mounted.plugin.authenticates
            and slot.mounted.condition is None
            and slot.mounted.plugin.operations is None
            and slot.wants is None
            for slot in self._slots
        )

    async def close(self) -> None:
        """Closes every plugin; one that fails is logged and keeps none of the others open."""
        for mounted in self.plugins:
            try:
                await mounted.plugin.close()
            except BaseException as error:
                if not is_failure(error):
                    raise
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
            pair = [_hook(mounted, phase, always=True) if phase in (phases or ()) else None for phase in _LIFECYCLE]
            if any(pair):
                chain.lifecycle.append(LifecycleHooks(mounted, *pair))
            for phase in phases or ():
                if phase in _LIFECYCLE:
                    continue
                if phase == "before_model" and mounted.plugin.authenticates:
                    chain.authentication.append(_hook(mounted, phase))
                elif phase != "after_chunk" or cls.after_chunk is not Plugin.after_chunk:
                    lists[phase].append(_hook(mounted, phase))
                elif cls.on_stream == "whole":
                    chain.chunk.append(_whole_stream_hook(mounted))
                else:
                    chain.refuse_streams.append(mounted.name)
        for hooks in (chain.after, chain.chunk, chain.detached):
            hooks.reverse()
        chain.edits_request = any(hook.mounted.plugin.edits_request for hook in chain.before)
        ending = [hooks.mounted.plugin for hooks in chain.lifecycle if hooks.after is not None]
        chain.shows_reply = bool(chain.detached) or any(plugin.reads_reply for plugin in ending)
        chain.edits_reply = any(_edits_reply(hook.mounted.plugin) for hook in (*chain.after, *chain.chunk))
        return chain


def _edits_reply(plugin: Plugin) -> bool:
    return plugin.edits_request if plugin.edits_reply is None else plugin.edits_reply


def _moved_ahead(plugins: Sequence[MountedPlugin]) -> list[str]:
    others = False
    moved = []
    for mounted in plugins:
        authenticates = mounted.plugin.authenticates
        if authenticates and others:
            moved.append(mounted.name)
        others = others or (not authenticates and "before_model" in _phases(mounted.plugin))
    return moved


class _Slot:
    """What of a plugin is the same for all requests."""

    __slots__ = ("mounted", "operations", "phases", "wants")

    def __init__(self, mounted: MountedPlugin) -> None:
        cls = type(mounted.plugin)
        self.mounted = mounted
        self.operations = mounted.plugin.operations
        self.wants = None if cls.wants is Plugin.wants else mounted.plugin.wants
        self.phases: tuple[str, ...] = _phases(mounted.plugin)


_LIFECYCLE = ("before_request", "after_request")
_PHASES = (*_LIFECYCLE, "before_model", "after_model", "after_chunk", "on_model_error", "detached_after_response")
_MAX_COMPILED = 256


def _phases(plugin: Plugin) -> tuple[str, ...]:
    """The hooks in which a plugin takes part. Raises ValueError where `hooks` names one that there is not."""
    cls, used = type(plugin), plugin.hooks()
    if used is not None and (unknown := sorted(set(used) - set(_PHASES))):
        raise ValueError(f"{cls.__name__}.hooks(): '{unknown[0]}' is not a hook: {', '.join(_PHASES)}")
    phases = [
        phase
        for phase in _PHASES
        if getattr(cls, phase) is not getattr(Plugin, phase) and (used is None or phase in used)
    ]
    if "after_model" in phases and "after_chunk" not in phases and cls.on_stream in ("whole", "refuse"):
        phases.append("after_chunk")
    return tuple(phases)


def _hook(mounted: MountedPlugin, phase: str, *, always: bool = False) -> Hook:
    """`always`: the engine asks for the plugin's late condition."""
    call = getattr(mounted.plugin, phase)
    asynchronous = inspect.iscoroutinefunction(call)
    conditional = mounted.late_condition is not None and not always
    threaded = mounted.plugin.blocking and not asynchronous
    if mounted.late_condition is not None and conditional:
        call = _when(mounted.late_condition, call)
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
        result: PluginResult | None = await call_hook(inner, ctx)
        if ctx.response is not None and ctx.response is not whole:
            ctx.buffered_chunk = ctx.response
        ctx.response = None
        return result

    return Hook(mounted, after_chunk, "after_chunk", f"{mounted.name}.after_model", True, False)
