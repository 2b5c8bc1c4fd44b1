"""`llm-gateway version`."""

from __future__ import annotations

import click

from .commands import ExampleCommand, print_version

__all__ = ["command"]


@click.command("version", cls=ExampleCommand, help="Print the versions of gateway, SDK and Python.")
def command() -> int:
    """Prints the versions."""
    print_version()
    return 0
