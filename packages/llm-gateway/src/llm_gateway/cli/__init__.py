"""The command line: `llm-gateway start|check|explain|init|plugins|models|schema|completion|version`.

Exit codes: 0 success, 1 the gateway failed, 2 the configuration or the command line is wrong, 130 interrupted. A
command is imported when it is called: `--help` answers at once. Other distributions add commands by an entry point of
the group `llm_gateway.commands`, whose object is a `click.Command`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from .commands import CommandTable, ExampleCommand, ignore_closed_output
from .output import is_config_error, print_problems

__all__ = ["ExampleCommand", "application", "main"]

_DESCRIPTION = "One address for many LLM APIs: routing, fallback, plugins. OpenAI and Anthropic clients work unchanged."

_EXAMPLES = """\
examples:
  llm-gateway start                            serve ./gateway.yaml; without one, the providers whose keys are set
  llm-gateway init                             write a commented gateway.yaml
  llm-gateway check                            report every problem in it, start nothing
  llm-gateway plugins list                     what is installed
  llm-gateway plugins new my-plugin            a distribution for your plugin, with its test
  llm-gateway completion bash                  how to switch on completion in your shell

a first request, in another terminal:
  curl http://localhost:3000/anthropic/v1/messages -H 'Content-Type: application/json' \\
    -d '{"model": "any", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}'
"""

application = CommandTable(
    "llm-gateway",
    help=_DESCRIPTION,
    epilog=_EXAMPLES,
    lazy={
        "start": ("start", "Start the gateway."),
        "check": ("check", "Report every problem in a configuration."),
        "explain": ("explain", "Print the effective configuration and where each value comes from."),
        "init": ("init", "Write a commented configuration that works as it is."),
        "plugins": ("plugins", "List, document or create plugins, adapters and providers."),
        "models": ("models", "Print what models accept and cost, with sources."),
        "limits": ("limits", "Show what limits have counted, explain refusals, try limits on recorded requests."),
        "usage": ("usage", "Print what teams, users, keys and models have used and cost."),
        "schema": ("schema", "Print the JSON Schema of the configuration."),
        "completion": ("completion", "Print the completion script of a shell."),
        "version": ("version", "Print the versions of gateway, SDK and Python."),
    },
    entry_points="llm_gateway.commands",
)
"""The command with all its subcommands, also for documentation tools."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = application.main(arguments, prog_name="llm-gateway", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except Exception as error:
        if not is_config_error(error):
            raise
        print_problems(error, as_json="--json" in arguments)
        return 2
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        ignore_closed_output()
    return result if isinstance(result, int) else 0
