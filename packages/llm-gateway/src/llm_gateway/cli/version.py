"""`llm-gateway version`."""

from __future__ import annotations

import click

from .commands import ExampleCommand

__all__ = ["command", "print_version"]


def print_version() -> None:
    """Prints the versions of gateway, SDK and Python in one line."""
    import platform

    import llm_gateway_sdk
    from llm_gateway import __version__

    sdk = llm_gateway_sdk.__version__
    click.echo(f"llm-gateway {__version__} (llm-gateway-sdk {sdk}, Python {platform.python_version()})")


@click.command("version", cls=ExampleCommand, help="Print the versions of gateway, SDK and Python.")
def command() -> int:
    """Prints the versions."""
    print_version()
    return 0
