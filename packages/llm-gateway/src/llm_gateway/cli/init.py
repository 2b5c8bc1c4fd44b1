"""`llm-gateway init`."""

from __future__ import annotations

from pathlib import Path

import click

from .commands import DEFAULT_FILE, ExampleCommand, file_argument
from .output import refuse

__all__ = ["command"]

_EXAMPLES = "examples:\n  llm-gateway init\n  llm-gateway init config/gateway.yaml\n"


@click.command(
    "init",
    cls=ExampleCommand,
    epilog=_EXAMPLES,
    help=f"Write a commented configuration that works as it is, to start from. FILE is {DEFAULT_FILE} if left out.",
)
@file_argument("file", DEFAULT_FILE)
@click.option("--force", is_flag=True, help="overwrite an existing file")
def command(file: str, force: bool) -> int:
    """Writes the commented configuration."""
    from llm_gateway.config.template import TEMPLATE

    target = Path(file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(TEMPLATE)
    except FileExistsError:
        return refuse(f"{target} exists already; --force overwrites it")
    except OSError as error:
        return refuse(f"can't write {target}: {error.strerror}", code=1)
    start = "llm-gateway start" if target == Path(DEFAULT_FILE) else f"llm-gateway start --config {target}"
    click.echo(f"Wrote {target}. Now: {start}")
    return 0
