"""`llm-gateway-clickhouse-tracer`: the dashboard, the state of the spool, and sending what a dead gateway left."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from llm_gateway_sdk.wire import json

from .client import DatabaseFailure
from .counters import Counters
from .schema import create_statements, open_database
from .settings import TracerSettings
from .tracer import open_spool

__all__ = ["main"]

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # the sink itself says what fails
    try:
        settings = _settings(options)
        run: int = options.run(options, settings)
    except (OSError, ValueError, DatabaseFailure) as error:
        print(f"llm-gateway-clickhouse-tracer: {error}", file=sys.stderr)
        return 1
    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="llm-gateway-clickhouse-tracer", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, words in (
        ("dashboard", _dashboard, "look at the traces in a browser"),
        ("send", _send, "send what a gateway that is gone left in the spool"),
        ("spool", _spool, "what waits in the spool, and what was set aside"),
        ("schema", _schema, "print the SQL that makes the table"),
    ):
        command = commands.add_parser(name, help=words, description=words)
        command.set_defaults(run=run)
        command.add_argument("--config", metavar="FILE", help="the gateway's configuration")
        command.add_argument("--plugin", metavar="NAME", help="which tracer, where the file has several")
        command.add_argument("--url", help="ClickHouse, in place of a file: http://… or chdb://…")
        command.add_argument("--database", help="with --url")
        command.add_argument("--table", help="with --url")
        if name == "dashboard":
            command.add_argument("--host", default="127.0.0.1")
            command.add_argument("--port", type=int, default=8124)
            command.add_argument(
                "--no-credential", action="store_true", help="don't ask for dashboard.credential on localhost"
            )
    return parser


def _dashboard(options: argparse.Namespace, settings: TracerSettings) -> int:
    from .dashboard.app import serve

    local = options.host in ("127.0.0.1", "localhost", "::1")
    credential = None if options.no_credential and local else settings.dashboard.credential
    if not local and credential is None:
        raise ValueError("--host opens the dashboard to others: set dashboard.credential in the configuration first")
    server = serve(settings, options.host, options.port, credential=credential)
    asks = " (asks for dashboard.credential)" if credential else ""
    print(f"http://{options.host}:{server.server_address[1]}/  traces of {settings.clickhouse.place}{asks}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
    return 0


def _send(options: argparse.Namespace, settings: TracerSettings) -> int:
    from .prices import PriceTable
    from .record import Recorder
    from .sink import Sink

    counters = Counters()
    spool = open_spool(settings, counters)
    segments = spool.segments
    adopted = segments.adopt()
    print(f"{adopted} segments to send")
    if adopted:
        recorder = Recorder(settings, PriceTable.load(settings.price_file, settings.price_overrides), counters)
        sink = Sink(segments, lambda: open_database(settings), recorder.rows, counters=counters)
        sink.start()
        while segments.sealed() and sink.last_error is None:
            time.sleep(0.1)
        sink.close(5.0)
        print(f"{counters.sent} records sent, {counters.dead} set aside, {len(segments.sealed())} segments left")
        if sink.last_error:
            print(sink.last_error, file=sys.stderr)
    left = bool(segments.sealed())
    spool.close()
    return 1 if left else 0


def _spool(options: argparse.Namespace, settings: TracerSettings) -> int:
    folder = settings.spool_folder
    segments = sorted([*folder.glob("*/*.seg"), *folder.glob("*/*.open")])
    dead = sorted(folder.glob("dead/*.record"))
    size = sum(file.stat().st_size for file in segments)
    print(f"{folder}\n{len(segments)} segments wait ({size:,} bytes), {len(dead)} records are set aside")
    for file in dead:
        reason = file.with_suffix(".reason.txt")
        print(f"  {file}: {reason.read_text()[:300] if reason.exists() else ''}")
    return 0


def _schema(options: argparse.Namespace, settings: TracerSettings) -> int:
    place = settings.clickhouse
    print(";\n\n".join(create_statements(place.database, place.table, settings.retention_days)) + ";")
    return 0


def _settings(options: argparse.Namespace) -> TracerSettings:
    if options.config is None:
        place = {"url": options.url, "database": options.database, "table": options.table}
        return TracerSettings.load({"clickhouse": {key: value for key, value in place.items() if value}})
    file = Path(options.config)
    variables = {**dotenv_values(file.resolve().parent / ".env", interpolate=False), **os.environ}
    return TracerSettings.load(_substituted(_tracer_of(file, options.plugin), variables))


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
        raise ValueError("reading a YAML file needs PyYAML; install it, or say --url, --database and --table") from None
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
