"""`llm-gateway keys create|list|show|rotate|revoke|import`, on the store of a configuration."""

from __future__ import annotations

import asyncio
import getpass
import importlib
import json
import re
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from llm_gateway_sdk import ConfigError, StoreError, parse_duration

from .keyring import Keyring, Minted, UnknownKey

__all__ = ["command"]

T = TypeVar("T")


@click.group(
    "keys",
    help="Create, list, show, rotate, revoke or import API keys of the plugin virtual-keys.",
    epilog="A key is shown once, when it is made: the store keeps a hash of it.",
)
def command() -> None:
    """The group."""


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="print JSON"),
        click.option(
            "--pepper",
            envvar="LLM_GATEWAY_KEY_PEPPER",
            default="",
            metavar="SECRET",
            help="the plugin's pepper, where it is not in the configuration as such",
        ),
        click.option(
            "-c", "--config", default="gateway.yaml", metavar="FILE", envvar="LLM_GATEWAY_CONFIG",
            help="the configuration, whose store holds the keys; default: gateway.yaml",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def _owner_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--expires", metavar="WHEN", help="a duration from now (90d) or a date (2027-01-31)"),
        click.option("--project", "projects", multiple=True, metavar="NAME", help="may use this project; repeatable"),
        click.option("--model", "models", multiple=True, metavar="PATTERN", help="may ask for such models; repeatable"),
        click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="a label; repeatable"),
        click.option("--org", metavar="NAME", help="the organisation it belongs to"),
        click.option("--team", metavar="NAME", help="the team it belongs to"),
        click.option("--user", metavar="NAME", help="the person it belongs to"),
        click.option("--name", required=True, help="what logs, traces and limits call its holder"),
    ):
        function = option(function)
    return function


def _owner(owner: dict[str, Any]) -> dict[str, Any]:
    labels = {}
    for each in owner.pop("labels"):
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--label {each}: expected NAME=VALUE")
        labels[name] = value
    expires = owner.pop("expires")
    return {
        **{name: owner[name] for name in ("user", "team", "org")},
        "labels": labels,
        "models": tuple(owner["models"]) or None,
        "projects": tuple(owner["projects"]) or None,
        "expires": None if expires is None else _moment(expires),
    }


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        pass
    try:
        return time.time() + _seconds(text)
    except ValueError:
        raise click.UsageError(f"{text}: expected a duration such as 90d, or a date such as 2027-01-31") from None


def _seconds(text: str) -> float:
    """A duration, which may also be in days. Raises ValueError."""
    number = text.strip().removesuffix("d")
    if number != text.strip() and re.fullmatch(r"[0-9]+(\.[0-9]+)?", number) is not None:
        return float(number) * 86_400
    return parse_duration(text)


@command.command("create", help="Create a key, and print it.")
@_owner_options
@_options
def create(config: str, pepper: str, as_json: bool, name: str, **owner: Any) -> int:
    """Prints the key on standard output, what else there is to know on standard error."""
    values = _owner(owner)
    minted = _run(config, pepper, lambda keys: keys.create(name, by=_operator(), source=_host(), **values))
    _print_key(minted, as_json)
    return 0


@command.command("import", help="Import a key of another system, read from standard input; it stays valid as it is.")
@_owner_options
@_options
def import_(config: str, pepper: str, as_json: bool, name: str, **owner: Any) -> int:
    """Needs `imported: true` in the plugin's settings."""
    values = _owner(owner)
    key = sys.stdin.readline().strip()
    minted = _run(config, pepper, lambda keys: keys.take_in(key, name, by=_operator(), source=_host(), **values))
    _print_records([minted.record.public()], as_json)
    return 0


@command.command("list", help="List all keys.")
@_options
def list_(config: str, pepper: str, as_json: bool) -> int:
    """Prints one line per key."""
    _print_records([record.public() for record in _run(config, pepper, lambda keys: keys.all())], as_json)
    return 0


@command.command("show", help="Print one key's record.")
@click.argument("key_id", metavar="ID")
@_options
def show(config: str, pepper: str, as_json: bool, key_id: str) -> int:
    """Prints everything but hashes."""
    record, _ = _run(config, pepper, lambda keys: keys.get(key_id))
    if as_json:
        click.echo(json.dumps(record.public(), indent=2))
        return 0
    for name, value in record.public().items():
        click.echo(f"{name + ':':<14} {_shown(name, value)}")
    return 0


@command.command("rotate", help="Give a key another secret, and print the new key.")
@click.argument("key_id", metavar="ID")
@click.option("--grace", default="0s", metavar="DURATION", help="how long the former secret stays valid")
@_options
def rotate(config: str, pepper: str, as_json: bool, key_id: str, grace: str) -> int:
    """The id, and with it limits and history, stays."""
    try:
        seconds = _seconds(grace)
    except ValueError as error:
        raise click.UsageError(f"--grace: {error}") from None
    minted = _run(config, pepper, lambda keys: keys.rotate(key_id, grace=seconds, by=_operator(), source=_host()))
    _print_key(minted, as_json)
    return 0


@command.command("revoke", help="End a key permanently.")
@click.argument("key_ids", nargs=-1, required=True, metavar="ID...")
@_options
def revoke(config: str, pepper: str, as_json: bool, key_ids: Sequence[str]) -> int:
    """All gateways on the store refuse it within seconds."""

    async def revoke_all(keys: Keyring) -> list[dict[str, Any]]:
        return [(await keys.revoke(each, by=_operator(), source=_host())).public() for each in key_ids]

    _print_records(_run(config, pepper, revoke_all), as_json)
    return 0


def _run(config: str, pepper: str, action: Callable[[Keyring], Awaitable[T]]) -> T:
    """Carries out `action` on the keys of a configuration's store."""
    try:
        open_store = importlib.import_module("llm_gateway.store_access").open_store
    except ImportError:
        raise click.ClickException("this command needs the distribution llm-gateway") from None

    async def run() -> T:
        store, settings = open_store(config, "virtual-keys")
        try:
            secret = pepper or str(settings.get("pepper") or "")
            return await action(Keyring(store, secret.encode()))
        finally:
            await store.aclose()

    try:
        return asyncio.run(run())
    except UnknownKey as error:
        raise click.ClickException(f"there is no key {error}") from None
    except StoreError as error:
        raise click.ClickException(f"the store does not answer: {error}") from None
    except ConfigError:
        raise
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _operator() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _host() -> str:
    return f"command line on {socket.gethostname()}"


def _print_key(minted: Minted, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"key": minted.key, **minted.record.public()}, indent=2))
        return
    click.echo(minted.key)
    click.echo(f"id {minted.record.id}, for {minted.record.name}. It is shown this once.", err=True)


def _print_records(records: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(list(records), indent=2))
        return
    columns = ("id", "name", "team", "state", "expires")
    rows = [columns, *(tuple(_shown(name, record[name]) for name in columns) for record in records)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(columns))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _shown(name: str, value: Any) -> str:
    if value is None or value == {}:
        return "–"
    if name in ("expires", "created", "changed", "former_until"):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, dict):
        return ", ".join(f"{key}={inner}" for key, inner in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
