"""`llm-gateway check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .commands import ExampleCommand, config_option
from .output import print_json, print_notice, styled

if TYPE_CHECKING:
    from llm_gateway.loading import LoadResult

__all__ = ["command"]

_EXAMPLES = """\
examples:
  llm-gateway check                            # ./gateway.yaml
  llm-gateway check --config prod.yaml
  llm-gateway check --config prod.yaml --json  # for editors and CI
  llm-gateway check --strict                   # notices count as problems

exit code: 0 it is valid, 2 it is not
"""


@click.command(
    "check",
    cls=ExampleCommand,
    epilog=_EXAMPLES,
    help="Report every problem in a configuration, each with file, line, path and what would be right, and notices of "
    "what is probably a mistake. Starts nothing.",
)
@config_option()
@click.option("--json", "as_json", is_flag=True, help="print problems and notices as JSON")
@click.option("--strict", is_flag=True, help="exit with 2 where there are notices")
def command(config: str, as_json: bool, strict: bool) -> int:
    """Loads everything, starts nothing. Raises ConfigError with every problem."""
    from llm_gateway.banner import exposure_notice
    from llm_gateway.loading import load

    result = load(config)
    notices = list(result.notices)
    exposed = exposure_notice(result.config, result.extensions, result.config.server.host)
    if exposed is not None:
        notices.append(exposed)
    code = 2 if strict and notices else 0
    if as_json:
        print_json({"valid": True, "problems": [], "notices": notices})
        return code
    for notice in notices:
        print_notice(notice)
    click.echo(f"{config} is {styled('valid', fg='green')}: {_summary(result)}")
    return code


def _summary(result: LoadResult) -> str:
    projects = result.config.projects
    models = {model.where or model.name for project in projects.values() for model in project.models}
    plugins = {plugin.where or plugin.name for project in projects.values() for plugin in project.plugins}
    counts = ((len(projects), "project"), (len(models), "model"), (len(plugins), "plugin"))
    return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
