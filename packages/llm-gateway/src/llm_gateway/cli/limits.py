"""`llm-gateway limits show|explain|simulate`: what limits have counted, why they refused, what they would refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .commands import ExampleGroup, config_option
from .output import print_json, print_table, progress, refuse

if TYPE_CHECKING:
    from llm_gateway.loading import LoadResult
    from llm_gateway_sdk import Store

__all__ = ["command", "limit_plugins", "load_result", "with_store"]

_TYPE = "limits"


@click.group(
    "limits",
    cls=ExampleGroup,
    help="Show what limits have counted, why a request was refused, and what limits would have refused.",
    epilog="examples:\n"
    "  llm-gateway limits show --team research\n"
    "  llm-gateway limits explain req_0123456789\n"
    "  llm-gateway limits simulate --file requests.jsonl\n",
)
def command() -> None:
    """The group."""


@command.command("show", help="Print each limit and whom it counts for, with what is spent, reserved and left.")
@config_option()
@click.option("--limit", "name", metavar="NAME", help="only this limit")
@click.option("--team", metavar="NAME", help="only counters of this team")
@click.option("--user", metavar="NAME", help="only counters of this user")
@click.option("--json", "as_json", is_flag=True, help="print JSON; costs are nano-dollars")
def show(config: str, name: str | None, team: str | None, user: str | None, as_json: bool) -> int:
    """Reads the store of the configuration."""
    result = load_result(config)
    plugins = limit_plugins(result)
    if not plugins:
        return refuse("the configuration has no limits: there is no plugin of the type `limits`")

    async def read(store: Store) -> list[dict[str, Any]]:
        return [row for cls, settings in plugins for row in await cls.state_of(settings, store)]

    rows = with_store(result, read)
    if rows is None:
        return 1
    wanted = {"team": team, "user": user}
    rows = [
        row
        for row in rows
        if name in (None, row["limit"])
        and all(value in (None, row["subject"].get(dimension)) for dimension, value in wanted.items())
    ]
    if as_json:
        print_json(rows)
        return 0
    cls = plugins[0][0]
    print_table(
        ("limit", "for", "spent", "reserved", "left", "of", "window"),
        [
            (
                row["limit"],
                ", ".join(f"{key} {value}" for key, value in row["subject"].items()) or "all",
                *(cls.show_amount(row["measure"], row[key]) for key in ("settled", "open", "remaining", "of")),
                row["window"],
            )
            for row in rows
        ],
    )
    return 0


@command.command("explain", help="Print why a request was refused: which limits, with which numbers.")
@config_option()
@click.argument("request_id", metavar="REQUEST_ID")
@click.option("--json", "as_json", is_flag=True, help="print JSON; costs are nano-dollars")
def explain(config: str, request_id: str, as_json: bool) -> int:
    """Looks through the store's log of refusals."""
    result = load_result(config)

    async def read(store: Store) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while events := await store.read_since("limits", cursor):
            cursor = events[-1].cursor
            found += [{"at": each.at, **each.event} for each in events if each.event.get("request") == request_id]
        return found

    events = with_store(result, read)
    if events is None:
        return 1
    if not events:
        return refuse(f"the log has no refusal of the request {request_id}: it was not refused, or is no longer kept")
    if as_json:
        print_json(events)
        return 0
    plugins = limit_plugins(result)
    for event in events:
        show_amount = plugins[0][0].show_amount if plugins else lambda measure, amount: str(amount)
        keys = ("settled", "open", "of", "asked")
        spent, reserved, most, asked = (show_amount(event["measure"], event[key]) for key in keys)
        whom = ", ".join(f"{key} {value}" for key, value in event["subject"].items()) or "all"
        word = "refused by" if event["kind"] == "refused" else "would have been refused by"
        click.echo(f"{word} the limit {event['limit']} for {whom} (project {event['project']}, {event['place']})")
        click.echo(f"  asked for {asked}; spent {spent}, reserved {reserved}, of {most}")
        if event.get("retryAfter") is not None:
            click.echo(f"  room again after {event['retryAfter']:g} s")
    return 0


@command.command(
    "simulate",
    help="Replay recorded requests against the limits of the configuration: who would have been refused.",
    epilog="The file has one JSON object per line: `time` and what is known of `key`, `user`, `team`, `org`,\n"
    "`labels`, `project`, `model`, `ip`, `input_tokens`, `output_tokens` and `cost` in US dollars.\n",
)
@config_option()
@click.option("--file", required=True, type=click.Path(exists=True, dir_okay=False), help="requests, JSON lines")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def simulate(config: str, file: str, as_json: bool) -> int:
    """Asks no store and sends nothing."""
    plugins = limit_plugins(load_result(config))
    if not plugins:
        return refuse("the configuration has no limits: there is no plugin of the type `limits`")
    try:
        records = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines() if line.strip()]
        with progress(len(records) * len(plugins), "replaying") as step:
            rows = [row for cls, settings in plugins for row in cls.simulate(settings, records, step)]
    except ValueError as error:
        return refuse(f"{file}: {error}")
    if as_json:
        print_json(rows)
        return 0
    print_table(
        ("limit", "requests", "refused", "without data", "most often"),
        [
            (
                row["limit"], str(row["seen"]), str(row["refused"]), str(row["skipped"]),
                ", ".join(f"{whom} ({number})" for whom, number in row["bySubject"][:3]),
            )
            for row in rows
        ],
    )  # fmt: skip
    return 0


def load_result(config: str) -> LoadResult:
    """The configuration and its extensions. Raises ConfigError."""
    from llm_gateway.loading import load

    return load(config)


def limit_plugins(result: LoadResult) -> list[tuple[Any, dict[str, Any]]]:
    """Class and settings of each plugin of this type; one that projects inherit comes once."""
    found: list[tuple[Any, dict[str, Any]]] = []
    for project in result.config.projects.values():
        for plugin in project.plugins:
            if plugin.type == _TYPE and all(plugin.config != settings for _, settings in found):
                found.append((result.extensions.get("plugin", _TYPE).cls, plugin.config))
    return found


def with_store(result: LoadResult, work: Any) -> Any:
    """What `work` reads from the store of the configuration; None where that can't be reached, which is then
    reported."""
    from llm_gateway.store_settings import build_store
    from llm_gateway_sdk import StoreError

    config = result.config
    store = build_store(result.extensions, config.store.url.get_secret_value(), config.store.config, config.directory)

    async def run() -> Any:
        try:
            return await work(store)
        finally:
            await store.aclose()

    try:
        coroutine: Coroutine[Any, Any, Any] = run()
        return asyncio.run(coroutine)
    except StoreError as error:
        click.echo(f"the store can't be read: {error}", err=True)
        return None
