"""The plugin: records every request after its reply has left."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

from llm_gateway_sdk import Plugin, PluginResult, RequestContext, plugin_metadata
from llm_gateway_sdk.heavy import is_heavy_exchange, run_aside
from llm_gateway_sdk.page_host import ConsoleArea
from llm_gateway_sdk.wire import json

from . import __version__
from .prices import PriceTable
from .settings import CONFIGURATION_SCHEMA, TracerSettings
from .tracer import Tracer

__all__ = ["ClickHouseTracer"]

logger = logging.getLogger(__name__)

_DONE: Final = "clickhouse-tracer.recorded"
_ROOM_PAUSE_SECONDS: Final = 0.02


@plugin_metadata(
    name="clickhouse-tracer",
    version=__version__,
    description="Records every request, reply, tool call, token count and error in ClickHouse, and loses none.",
    configuration_schema=CONFIGURATION_SCHEMA,
    keywords=("tracing", "clickhouse", "observability"),
)
class ClickHouseTracer(Plugin):
    """Put it first in the list of plugins: the first in is the last out, so that it sees what the client gets."""

    tracer: Tracer
    settings: TracerSettings

    async def validate_config(self, config: Any) -> bool | str | None:
        try:
            settings = TracerSettings.load(config)
            PriceTable.load(settings.price_file, settings.price_overrides)
        except (OSError, ValueError) as error:
            return str(error)
        return True

    @classmethod
    def is_single_process(cls, config: Mapping[str, Any]) -> bool:
        """The engine in this process opens its folder for one process only."""
        url = (config.get("clickhouse") or {}).get("url") if isinstance(config.get("clickhouse"), dict) else None
        return not isinstance(url, str) or url.startswith("chdb:")

    @classmethod
    def record_place(cls, config: Mapping[str, Any]) -> str | None:
        """The table, which is one for all tracers of it."""
        try:
            server = TracerSettings.load(config).clickhouse
        except (OSError, ValueError):
            return None  # `validate_config` reports it
        return f"{server.place.rstrip('/')} {server.database}.{server.table}"

    async def configure(self, config: Any) -> None:
        """Starts the threads. No database is needed for that: the table is made when the server is first reached."""
        self.config = config
        self.settings = settings = TracerSettings.load(config)
        embedded = settings.clickhouse.embedded_path
        if embedded is not None and self.gateway.workers > 1:
            raise ValueError(
                f"clickhouse.url '{settings.clickhouse.url}' is the engine in this process, which one process only can "
                "have open: start the gateway with --workers 1, or name a server"
            )
        # The bytes of a reply are decoded by the process that sends; where the row is made at once, the gateway decodes
        # a long one in slices before.
        capture = settings.capture
        self.reads_reply = "metadata" in (capture.request, capture.response) and capture.response != "none"
        try:
            # Tracers of several projects, and of two generations of a configuration, share what is exclusive.
            self.tracer = self.gateway.shared(f"clickhouse-tracer:{_fingerprint(config)}", lambda: _started(config))
            self._shared = True
        except LookupError:
            self.tracer = _started(config)
            self._shared = False
        if embedded is not None:
            logger.info("traces go into the embedded ClickHouse at %s: one worker process", embedded)

    async def close(self) -> None:
        if not self._shared:
            await asyncio.to_thread(self.tracer.close)

    def hooks(self) -> Collection[str]:
        """A hook costs something in every request, and `after_chunk` takes streams off the short way: an instance uses
        only those which its settings need."""
        spool, used = self.settings.spool, ["detached_after_response"]
        if spool.on_full == "block":
            used.append("before_model")
        if spool.durability == "power":
            used += ("after_model", "after_chunk")
        return used

    async def before_model(self, ctx: RequestContext) -> PluginResult | None:
        """`onFull: block`: a request begins only when its record will have a place."""
        while self.tracer.crowded:  # noqa: ASYNC110 - it is another thread that makes room
            await asyncio.sleep(_ROOM_PAUSE_SECONDS)
        return None

    async def after_model(self, ctx: RequestContext) -> PluginResult | None:
        """`durability: power`: the last of a reply goes out when its record is on the disk."""
        await self._record_and_wait(ctx)
        return None

    async def after_chunk(self, ctx: RequestContext) -> PluginResult | None:
        if ctx.final_chunk:
            await self._record_and_wait(ctx)
        return None

    def detached_after_response(self, ctx: RequestContext) -> Awaitable[None] | None:
        return None if _DONE in ctx.plugin_data else self._record(ctx)

    async def _record_and_wait(self, ctx: RequestContext) -> None:
        """Returns when the record is on disk, or is given up; the client waits for that long."""
        loop = asyncio.get_running_loop()
        written = loop.create_future()

        def acknowledged(_kept: bool) -> None:
            loop.call_soon_threadsafe(_finish, written)

        recording = self._record(ctx, acknowledged)
        if recording is not None:
            await recording
        await written
        ctx.plugin_data[_DONE] = True

    def _record(
        self, ctx: RequestContext, acknowledged: Callable[[bool], None] | None = None
    ) -> Awaitable[None] | None:
        """To be awaited where the record is large: writing it out takes longer than the event loop can wait."""
        if is_heavy_exchange(ctx):
            return run_aside(self._submit, ctx, acknowledged)
        self._submit(ctx, acknowledged)
        return None

    def _submit(self, ctx: RequestContext, acknowledged: Callable[[bool], None] | None) -> None:
        self.tracer.record(ctx, acknowledged)

    def pages(self) -> Mapping[str, Any]:
        """The dashboard, where it is enabled."""
        if not self.settings.dashboard.enabled:
            return {}
        from .dashboard import dashboard_app

        return {self.settings.dashboard.path: dashboard_app(self.settings)}

    def console_areas(self) -> Sequence[ConsoleArea]:
        """The same pages, for a console, which has its own login."""
        from .dashboard import dashboard_app

        links = (("Overview", "/", "o"), ("Interactions", "/interactions", "i"), ("Sessions", "/sessions", "s"))
        return (ConsoleArea("traces", dashboard_app(self.settings, guarded=True), links),)

    def metrics(self) -> dict[str, float]:
        return dict(self.counters)

    @property
    def counters(self) -> Mapping[str, float]:
        """Figures for metrics: records by fate, and how much waits in the spool for how long."""
        return self.tracer.figures()


def _fingerprint(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(config)).hexdigest()


def _started(config: Mapping[str, Any]) -> Tracer:
    tracer = Tracer(config)
    tracer.start()
    return tracer


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
