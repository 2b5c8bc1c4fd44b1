"""`llm-gateway completion`: click's completion scripts."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from .commands import ExampleCommand

__all__ = ["command"]

_EXAMPLES = """\
examples:
  llm-gateway completion bash >> ~/.bashrc
  llm-gateway completion zsh >> ~/.zshrc
  llm-gateway completion fish > ~/.config/fish/completions/llm-gateway.fish
"""


@click.command(
    "completion",
    cls=ExampleCommand,
    epilog=_EXAMPLES,
    help="Print the script that completes commands and options in SHELL.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Prints the script of one shell."""
    found = get_completion_class(shell)
    assert found is not None  # click.Choice lists click's own shells
    root = ctx.find_root()
    complete = found(root.command, {}, "llm-gateway", "_LLM_GATEWAY_COMPLETE")
    click.echo(complete.source())
    return 0
