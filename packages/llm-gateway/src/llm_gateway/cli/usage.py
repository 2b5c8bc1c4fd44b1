"""`llm-gateway usage`: what was used and what it cost, by model, caller, label and time."""

from __future__ import annotations

import re
import time
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from .commands import ExampleCommand, config_option
from .limits import limit_plugins, load_result, with_store
from .output import print_json, print_table, refuse

if TYPE_CHECKING:
    from llm_gateway_sdk import Store

__all__ = ["command"]

_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_SPAN = re.compile(r"(\d+)\s*([mhdw])")


@click.command(
    "usage",
    cls=ExampleCommand,
    help="Print requests, tokens and cost by model, project, key, user, team, org, label and time. The plugin `limits` "
    "adds them up with `usage: hour` or `usage: day`.",
    epilog="examples:\n"
    "  llm-gateway usage --by team,model --since 7d\n"
    "  llm-gateway usage --by day --team research --since 2026-11-01 --until 2026-12-01\n"
    "  llm-gateway usage --by user --label env=prod --json\n",
)
@config_option()
@click.option("--by", default="model", show_default=True, metavar="NAMES", help="with commas between: project, model, "
              "provider, key, user, team, org, label:NAME, hour, day, month")  # fmt: skip
@click.option("--since", metavar="TIME", help="a span before now such as 24h or 7d, or a date or time (ISO 8601)")
@click.option("--until", metavar="TIME", help="the same; periods that begin before it count")
@click.option("--project", metavar="NAME", help="of this project alone")
@click.option("--model", metavar="NAME", help="of this model alone")
@click.option("--provider", metavar="TYPE", help="of this provider alone")
@click.option("--key", metavar="ID", help="of this key alone, as SOURCE:ID")
@click.option("--user", metavar="NAME", help="of this user alone")
@click.option("--team", metavar="NAME", help="of this team alone")
@click.option("--org", metavar="NAME", help="of this organisation alone")
@click.option("--label", metavar="NAME=VALUE", help="of this label alone")
@click.option("--time-zone", metavar="NAME", help="whose days and months; this machine's if left out")
@click.option("--json", "as_json", is_flag=True, help="print JSON; costs are nano-dollars")
def command(
    config: str, by: str, since: str | None, until: str | None, label: str | None, time_zone: str | None, as_json: bool,
    **only: str | None,
) -> int:  # fmt: skip
    """Reads the store of the configuration."""
    result = load_result(config)
    plugins = limit_plugins(result)
    if not any("usage" in settings for _, settings in plugins):
        return refuse("usage is not added up: set `usage: hour` or `usage: day` of a plugin of the type `limits`")
    names = [each.strip() for each in by.split(",") if each.strip()]
    try:
        query = _query(names, since, until, label, time_zone, only)
    except ValueError as error:
        return refuse(str(error))

    async def read(store: Store) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await plugins[0][0].usage_of(query, store)
        return rows

    try:
        rows = with_store(result, read)
    except ValueError as error:
        return refuse(str(error))
    if rows is None:
        return 1
    if as_json:
        print_json(rows)
        return 0
    print_table(
        (*names, "requests", "failed", "input", "output", "USD", "note"),
        [
            (
                *(row["group"].get(name, "–") for name in names),
                *(f"{row[name]:,}" for name in ("requests", "failed", "inputTokens", "outputTokens")),
                _dollars(row["cost"]),
                _note(row),
            )
            for row in rows
        ],
    )
    return 0


def _dollars(nanos: int) -> str:
    """Four decimals, and more where these say nothing."""
    return f"{nanos / 1e9:,.4f}" if nanos >= 10**7 or not nanos else f"{nanos / 1e9:.9f}".rstrip("0")


def _note(row: dict[str, Any]) -> str:
    notes = [
        f"{row[name]:,} {words}"
        for name, words in (("unpriced", "without a price"), ("estimated", "estimated"))
        if row[name]
    ]
    return ", ".join(notes)


def _query(
    by: list[str],
    since: str | None,
    until: str | None,
    label: str | None,
    zone: str | None,
    only: dict[str, str | None],
) -> dict[str, Any]:
    """The fields of a query. Raises ValueError."""
    wanted = {name: value for name, value in only.items() if value is not None}
    if label is not None:
        name, separator, value = label.partition("=")
        if not separator:
            raise ValueError("expected a label as NAME=VALUE, e.g. `--label env=prod`")
        wanted[f"label:{name}"] = value
    place: tzinfo | None = None
    if zone is not None:
        try:
            place = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f'there is no time zone "{zone}"; expected a name such as Europe/Zurich') from None
    query: dict[str, Any] = {"by": by, "only": wanted, "zone": place}
    for name, written in (("since", since), ("until", until)):
        if written is not None:
            query[name] = _moment(written, place)
    return query


def _moment(written: str, zone: tzinfo | None) -> float:
    """Seconds since the epoch. Raises ValueError."""
    span = _SPAN.fullmatch(written.strip())
    if span is not None:
        return time.time() - int(span[1]) * _SECONDS[span[2]]
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError(f"expected a span such as 7d, or a date such as 2026-11-01, found {written!r}") from None
    return (moment if moment.tzinfo is not None or zone is None else moment.replace(tzinfo=zone)).timestamp()
