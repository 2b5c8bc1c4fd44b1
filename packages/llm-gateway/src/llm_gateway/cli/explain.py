"""`llm-gateway explain`."""

from __future__ import annotations

import click

from .commands import ExampleCommand, config_option
from .output import print_json, refuse

__all__ = ["command"]

_EXAMPLES = """\
examples:
  llm-gateway explain                                            # ./gateway.yaml, the default project
  llm-gateway explain --config gateway.yaml --project production
  llm-gateway explain --changed                                  # without what has its default
  llm-gateway explain --json                                     # each value as {"value": …, "origin": …}
"""


@click.command(
    "explain",
    cls=ExampleCommand,
    epilog=_EXAMPLES,
    help="Print the effective configuration of a project, and where each value comes from. Secrets are masked.",
)
@config_option()
@click.option("-p", "--project", metavar="NAME", help="the project; the default project if left out")
@click.option("--changed", is_flag=True, help="leave out what has its default")
@click.option("--json", "as_json", is_flag=True, help="print JSON: each value with its origin")
def command(config: str, project: str | None, changed: bool, as_json: bool) -> int:
    """Prints YAML with comments, or JSON. Raises ConfigError."""
    from llm_gateway.config import explain as explaining
    from llm_gateway.config.problems import unknown
    from llm_gateway.config.project import DEFAULT_PROJECT
    from llm_gateway.loading import load

    result = load(config)
    projects = result.config.projects
    name = project or (DEFAULT_PROJECT if DEFAULT_PROJECT in projects else next(iter(projects)))
    if name not in projects:
        return refuse(unknown("project", name, projects))

    def schema_of(kind: str, type_name: str) -> dict[str, object]:
        return result.extensions.get(kind, type_name).schema  # type: ignore[arg-type]

    parts = (result.config, projects[name], result.draft, schema_of)
    if as_json:
        print_json(explaining.explain_json(*parts, changed=changed))
    else:
        click.echo(explaining.explain(*parts, changed=changed), nl=False)
    return 0
