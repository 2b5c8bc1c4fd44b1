"""`llm-gateway version`."""

from __future__ import annotations

import click

from .commands import ExampleCommand, print_version, versions
from .output import print_json

__all__ = ["command"]


@click.command("version", cls=ExampleCommand, help="Print the versions of gateway, SDK and Python.")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def command(as_json: bool) -> int:
    """Prints the versions."""
    if as_json:
        print_json(versions())
    else:
        print_version()
    return 0
