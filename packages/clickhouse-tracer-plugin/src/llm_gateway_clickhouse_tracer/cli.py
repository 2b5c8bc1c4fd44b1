"""`llm-gateway-clickhouse-tracer`: the dashboard, the state of the spool, and sending what a dead gateway left."""

from __future__ import annotations

import difflib
import functools
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from dotenv import dotenv_values

from llm_gateway_sdk.wire import json

from . import __version__
from .counters import Counters
from .database.client import DatabaseFailure
from .database.schema import create_statements, open_database
from .settings import TracerSettings
from .tracer import open_spool

__all__ = ["command", "main"]

_PROGRAM = "llm-gateway-clickhouse-tracer"

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit status: 0, 1 where it failed, 2 for a wrong command line."""
    try:
        result = command.main(
            args=None if arguments is None else list(arguments), prog_name=_PROGRAM, standalone_mode=False
        )
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (OSError, ValueError, DatabaseFailure) as error:
        click.echo(f"{_PROGRAM}: {error}", err=True)
        return 1
    return result if isinstance(result, int) else 0


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Ends with 0 where the reader of a pipe, such as `head`, has left; click would end with 1."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # what Python would still write at its end goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(0) from None


class _Program(click.Group):
    """Suggests the nearest command."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _reader_may_leave():  # options such as --help print here
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_leave():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1) if args else []
        if near and args[0] not in self.list_commands(ctx):
            raise click.UsageError(f'There is no command "{args[0]}"; did you mean "{near[0]}"?', ctx=ctx)
        return super().resolve_command(ctx, args)


@dataclass(frozen=True)
class _Source:
    """Where the tracer's settings come from."""

    config: str | None
    plugin: str | None
    url: str | None
    database: str | None
    table: str | None


def _takes_source(function: Callable[..., int]) -> Callable[..., int]:
    """Adds the options that name a tracer, and calls `function` with its settings."""

    @functools.wraps(function)
    def run(
        config: str | None, plugin: str | None, url: str | None, database: str | None, table: str | None, **options: Any
    ) -> int:
        return function(_settings(_Source(config, plugin, url, database, table)), **options)

    for option in reversed(
        (
            click.option("--config", "-c", metavar="FILE", type=click.Path(), help="the gateway's configuration"),
            click.option("--plugin", metavar="NAME", help="which tracer, where the file has several"),
            click.option("--url", help="ClickHouse, in place of a file: http://… or chdb://…"),
            click.option("--database", help="with --url"),
            click.option("--table", help="with --url"),
        )
    ):
        run = option(run)
    return run


@click.group(
    cls=_Program, help=__doc__, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name=_PROGRAM)
def command() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # the sink itself reports what fails


@command.command("dashboard")
@_takes_source
@click.option("--host", default="127.0.0.1", show_default=True, help="the address to listen at")
@click.option("--port", type=click.IntRange(0, 65535), default=8124, show_default=True, help="0 takes a free one")
@click.option("--no-credential", is_flag=True, help="do not ask for dashboard.credential on localhost")
def _dashboard(settings: TracerSettings, host: str, port: int, no_credential: bool) -> int:
    """Look at the traces in a browser."""
    from .dashboard.app import serve

    local = host in ("127.0.0.1", "localhost", "::1")
    credential = None if no_credential and local else settings.dashboard.credential
    if not local and credential is None:
        raise ValueError("--host opens the dashboard to others: set dashboard.credential in the configuration first")
    server = serve(settings, host, port, credential=credential)
    asks = " (asks for dashboard.credential)" if credential else ""
    click.echo(f"http://{host}:{server.server_address[1]}/  traces of {settings.clickhouse.place}{asks}")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
    return 0


@command.command("send")
@_takes_source
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def _send(settings: TracerSettings, as_json: bool) -> int:
    """Send what a gateway that is gone left in the spool."""
    from .prices import PriceTable
    from .sending.rows import Recorder
    from .sending.sink import Sink

    counters = Counters()
    spool = open_spool(settings, counters)
    segments = spool.segments
    adopted = segments.adopt()
    failed: str | None = None
    if not as_json:
        click.echo(f"{adopted} segments to send")
    if adopted:
        recorder = Recorder(settings, PriceTable.load(settings.price_file, settings.price_overrides), counters)
        sink = Sink(segments, lambda: open_database(settings), recorder.rows, counters=counters)
        sink.start()
        # The bar is drawn on a terminal only.
        with click.progressbar(length=len(segments.sealed()), label="sending", file=sys.stderr) as bar:
            while (left := len(segments.sealed())) and sink.last_error is None:
                bar.update(max(0, (bar.length or 0) - left - bar.pos))
                time.sleep(0.1)
            bar.update(max(0, (bar.length or 0) - left - bar.pos))
        sink.close(5.0)
        failed = sink.last_error
    left = len(segments.sealed())
    if as_json:
        found = {"segments": adopted, "sent": counters.sent, "set_aside": counters.dead, "left": left, "error": failed}
        click.echo(json.dumps(found).decode())
    elif adopted:
        click.echo(f"{counters.sent} records sent, {counters.dead} set aside, {left} segments left")
        if failed:
            click.echo(failed, err=True)
    waits = bool(left)
    spool.close()
    return 1 if waits else 0


@command.command("spool")
@_takes_source
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def _spool(settings: TracerSettings, as_json: bool) -> int:
    """Show what waits in the spool, and what was set aside."""
    folder = settings.spool_folder
    segments = sorted([*folder.glob("*/*.seg"), *folder.glob("*/*.open")])
    dead = sorted(folder.glob("dead/*.record"))
    size = sum(file.stat().st_size for file in segments)
    reasons = {str(file): _reason_of(file) for file in dead}
    if as_json:
        found = {"folder": str(folder), "segments": len(segments), "bytes": size, "set_aside": reasons}
        click.echo(json.dumps(found).decode())
        return 0
    click.echo(f"{folder}\n{len(segments)} segments wait ({size:,} bytes), {len(dead)} records are set aside")
    for file, reason in reasons.items():
        click.echo(f"  {file}: {reason}")
    return 0


def _reason_of(record: Path) -> str:
    reason = record.with_suffix(".reason.txt")
    return reason.read_text()[:300] if reason.exists() else ""


@command.command("schema")
@_takes_source
def _schema(settings: TracerSettings) -> int:
    """Print the SQL that makes the table."""
    place = settings.clickhouse
    click.echo(";\n\n".join(create_statements(place.database, place.table, settings.retention_days)) + ";")
    return 0


def _settings(source: _Source) -> TracerSettings:
    if source.config is None:
        place = {"url": source.url, "database": source.database, "table": source.table}
        return TracerSettings.load({"clickhouse": {key: value for key, value in place.items() if value}})
    file = Path(source.config)
    variables = {**dotenv_values(file.resolve().parent / ".env", interpolate=False), **os.environ}
    return TracerSettings.load(_substituted(_tracer_of(file, source.plugin), variables))


def _tracer_of(file: Path, name: str | None) -> Mapping[str, Any]:
    """The tracer's block of a gateway's configuration."""
    found = [
        plugin
        for plugin in _plugins(_document(file))
        if plugin.get("type") == "clickhouse-tracer" and name in (None, plugin.get("name"))
    ]
    distinct = {json.dumps(plugin.get("config") or {}): plugin for plugin in found}
    if not distinct:
        raise ValueError(f"{file}: no plugin of type clickhouse-tracer" + (f" is called {name}" if name else ""))
    if len(distinct) > 1:
        raise ValueError(
            f"{file}: several tracers; choose one with --plugin ({', '.join(str(one.get('name')) for one in found)})"
        )
    config = next(iter(distinct.values())).get("config") or {}
    return config if isinstance(config, dict) else {}


def _plugins(document: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(document, dict):
        return
    yield from (plugin for plugin in document.get("plugins") or [] if isinstance(plugin, dict))
    for project in document.get("projects") or []:
        yield from _plugins(project)


def _document(file: Path) -> Any:
    text = file.read_text()
    if text.lstrip().startswith("{"):
        return json.loads(text)
    try:
        import yaml  # the gateway brings it; without a gateway, --url does the same
    except ImportError:
        raise ValueError("reading a YAML file needs PyYAML; install it, or use --url, --database and --table") from None
    return yaml.safe_load(text)


def _substituted(value: Any, variables: Mapping[str, str | None]) -> Any:
    """`${NAME}` and `${NAME:-default}` as the gateway reads them: the environment first, then the `.env` file."""
    if isinstance(value, dict):
        return {key: _substituted(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [_substituted(one, variables) for one in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        found = variables.get(match[1])
        if found is None or (not found and match[2] is not None):
            found = match[2]
        if found is None:
            raise ValueError(f"the configuration needs the variable {match[1]}, in the environment or in .env")
        return found

    return _VARIABLE.sub(replace, value)


if __name__ == "__main__":
    sys.exit(main())
