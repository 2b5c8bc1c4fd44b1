"""The plugin: its configuration, its hooks by need, its start without a database, its end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer import ClickHouseTracer
from llm_gateway_clickhouse_tracer.capture.frames import decode_frame
from llm_gateway_clickhouse_tracer.spool.framing import records_of

from llm_gateway_sdk import Attempt, Choice, GatewayServices, LLMResponse, Message, Plugin, RequestContext, TextPart

HOOKS = ("before_model", "after_model", "after_chunk", "on_model_error", "detached_after_response")


def config(folder: Path, **spool: Any) -> dict[str, Any]:
    """A tracer whose database does not run."""
    return {
        "clickhouse": {"url": "http://127.0.0.1:9", "database": "traces"},
        "flushInterval": 60000,
        "spool": {"path": str(folder / "spool"), "sending": "normal", **spool},
    }


def finished(request_id: str = "r1") -> RequestContext:
    ctx = RequestContext(request_id=request_id, started=1_790_000_000.0)
    ctx.response = LLMResponse(choices=[Choice(0, Message("assistant", [TextPart("Hello.")]), "stop")])
    return ctx


def hooks_of(plugin: Plugin) -> set[str]:
    used = plugin.hooks()
    return set(HOOKS if used is None else used)


def spooled(folder: Path) -> list[str]:
    """Ids of the records that wait."""
    files = [file for file in (folder / "spool").rglob("*.*") if file.suffix in (".open", ".seg")]
    return [decode_frame(record)["id"] for file in files for record in records_of(file.read_bytes())]


@pytest.mark.parametrize(
    ("spool", "hooks"),
    [
        ({}, {"detached_after_response"}),
        ({"onFull": "block"}, {"detached_after_response", "before_model"}),
        ({"durability": "power"}, {"detached_after_response", "after_model", "after_chunk"}),
        ({"durability": "power", "onFull": "block"}, set(HOOKS) - {"on_model_error"}),
    ],
)
def test_an_instance_has_the_hooks_which_its_settings_need(
    tmp_path: Path, spool: dict[str, Any], hooks: set[str]
) -> None:
    async def run() -> set[str]:
        plugin = ClickHouseTracer()
        await plugin.configure(config(tmp_path, **spool))
        await plugin.close()
        return hooks_of(plugin)

    assert asyncio.run(run()) == hooks


def test_what_is_recorded_while_there_is_no_database_stays_in_the_spool(tmp_path: Path) -> None:
    async def run() -> None:
        plugin = ClickHouseTracer()
        await plugin.configure(config(tmp_path))
        plugin.detached_after_response(finished())
        await plugin.close()

    asyncio.run(run())

    assert spooled(tmp_path) == ["r1"]


@pytest.mark.parametrize("hook", ["after_model", "after_chunk"])
def test_with_power_the_reply_s_end_waits_for_the_disk_and_is_recorded_once(tmp_path: Path, hook: str) -> None:
    async def run() -> list[str]:
        plugin = ClickHouseTracer()
        await plugin.configure(config(tmp_path, durability="power"))
        ctx = finished()
        ctx.final_chunk = True
        await getattr(plugin, hook)(ctx)
        on_disk = spooled(tmp_path)
        plugin.detached_after_response(ctx)
        await plugin.close()
        return on_disk

    assert asyncio.run(run()) == ["r1"]
    assert spooled(tmp_path) == ["r1"]


def test_figures_for_metrics_tell_what_waits(tmp_path: Path) -> None:
    async def run() -> dict[str, float]:
        plugin = ClickHouseTracer()
        await plugin.configure(config(tmp_path))
        written = asyncio.Event()
        loop = asyncio.get_running_loop()
        plugin.tracer.record(finished(), lambda kept: loop.call_soon_threadsafe(written.set))
        await written.wait()
        await asyncio.sleep(0.3)
        figures = dict(plugin.counters)
        await plugin.close()
        return figures

    figures = asyncio.run(run())

    assert (figures["submitted"], figures["acknowledged"], figures["sent"]) == (1, 1, 0)
    assert figures["spool_bytes"] > 100
    assert figures["oldest_seconds"] > 0


def test_tracers_of_equal_configuration_share_one_spool(tmp_path: Path) -> None:
    class Services(GatewayServices):
        def __init__(self) -> None:
            self.held: dict[str, Any] = {}

        def shared(self, key: str, factory: Any) -> Any:
            assert "CANARY" not in key
            if key not in self.held:
                self.held[key] = factory()
            return self.held[key]

    async def run() -> None:
        services = Services()
        first, second = ClickHouseTracer(), ClickHouseTracer()
        first.gateway = second.gateway = services
        await first.configure(config(tmp_path) | {"dashboard": {"credential": "CANARY"}})
        await second.configure(config(tmp_path) | {"dashboard": {"credential": "CANARY"}})
        assert first.tracer is second.tracer
        await first.close()
        second.detached_after_response(finished())
        await second.tracer.aclose()

    asyncio.run(run())


def test_the_engine_in_this_process_and_several_workers_exclude_each_other(tmp_path: Path) -> None:
    class TwoWorkers(GatewayServices):
        @property
        def workers(self) -> int:
            return 2

    async def run() -> None:
        plugin = ClickHouseTracer()
        plugin.gateway = TwoWorkers()
        await plugin.configure({"spool": {"path": str(tmp_path)}})

    with pytest.raises(ValueError, match="--workers 1"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"clickhouse": {"url": "localhost:8123"}}, "clickhouse.url"),
        ({"prices": {"file": "/nowhere/prices.json"}}, "prices.json"),
        ({"dashboard": {"enabled": True}}, "credential"),
    ],
)
def test_a_wrong_configuration_is_reported_before_the_start(wrong: dict[str, Any], words: str) -> None:
    answer = asyncio.run(ClickHouseTracer().validate_config(wrong))

    assert isinstance(answer, str)
    assert words in answer


def test_text_that_is_not_to_be_kept_is_not_in_the_spool_either(tmp_path: Path) -> None:
    async def run() -> None:
        plugin = ClickHouseTracer()
        await plugin.configure(config(tmp_path) | {"capture": {"response": "metadata"}})
        ctx = finished()
        ctx.attempts = [Attempt("gpt", "openai/gpt-4.1", 1_790_000_000.0, status=200)]
        plugin.detached_after_response(ctx)
        await plugin.close()

    asyncio.run(run())

    spooled = b"".join(file.read_bytes() for file in (tmp_path / "spool").rglob("*.seg"))
    row = json.loads(spooled)["row"]
    assert (row["request_id"], row["model_routed"], row["finish_reason"]) == ("r1", "gpt", "stop")
    assert b"Hello." not in spooled


@pytest.mark.parametrize(("capture", "reads"), [("all", False), ("metadata", True), ("none", False)])
def test_a_long_reply_is_read_in_slices_where_its_row_is_made_at_once(
    tmp_path: Path, capture: str, reads: bool
) -> None:
    async def run() -> bool:
        plugin = ClickHouseTracer()
        await plugin.configure(config(tmp_path) | {"capture": {"response": capture}})
        await plugin.close()
        return plugin.reads_reply

    assert asyncio.run(run()) == reads
