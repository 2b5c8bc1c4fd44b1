"""`llm-gateway schema`."""

from __future__ import annotations

import click

from .commands import ExampleCommand, config_option
from .output import extensions_of, importable, print_json

__all__ = ["command"]

_EXAMPLES = """\
examples:
  llm-gateway schema > gateway.schema.json
  llm-gateway schema --markdown > configuration.md

in VS Code (YAML extension), as the first line of gateway.yaml:
  # yaml-language-server: $schema=./gateway.schema.json
"""


@click.command(
    "schema",
    cls=ExampleCommand,
    epilog=_EXAMPLES,
    help="Print the JSON Schema of the configuration, with the settings of every installed extension in it.",
)
@config_option(required_file=False)
@click.option("--markdown", is_flag=True, help="print the reference page instead")
def command(config: str | None, markdown: bool) -> int:
    """Prints the schema, or the reference page."""
    if markdown:
        from llm_gateway.reference import configuration_page

        click.echo(configuration_page(), nl=False)
        return 0
    from llm_gateway.config.json_schema import whole_schema

    print_json(whole_schema((each.kind, each.name, each.schema) for each in importable(extensions_of(config))))
    return 0
