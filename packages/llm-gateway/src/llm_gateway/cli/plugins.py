"""`llm-gateway plugins list|docs|new`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .commands import ExampleGroup, config_option
from .output import extensions_of, importable, print_json, print_table, refuse

if TYPE_CHECKING:
    from llm_gateway.extensions import Extension, Extensions

__all__ = ["command"]


@click.group(
    "plugins",
    cls=ExampleGroup,
    help="List, document or create plugins, adapters and providers.",
    epilog="examples:\n"
    "  llm-gateway plugins list\n"
    "  llm-gateway plugins docs regex-hider\n"
    "  llm-gateway plugins new my-plugin\n",
)
def command() -> None:
    """The group."""


@command.command(
    "list",
    help="List what is installed: name, kind, version, distribution, hooks.",
    epilog="examples:\n"
    "  llm-gateway plugins list\n"
    "  llm-gateway plugins list --config gateway.yaml   # also what the file names by module or path\n",
)
@config_option(required_file=False)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def list_(config: str | None, as_json: bool) -> int:
    """Prints what is available."""
    found = importable(extensions_of(config))
    if as_json:
        keys = ("name", "kind", "version", "distribution", "origin", "description", "hooks")
        print_json([{key: getattr(each, key) for key in keys} for each in found])
        return 0
    rows = [
        (each.name, each.kind, each.version, each.distribution or each.origin, ", ".join(each.hooks)) for each in found
    ]
    print_table(("NAME", "KIND", "VERSION", "FROM", "HOOKS"), rows)
    return 0


@command.command(
    "docs",
    help="Print the documentation of plugins, providers or adapters as Markdown, made from metadata and schema.",
    epilog="examples:\n"
    "  llm-gateway plugins docs                        # all plugins\n"
    "  llm-gateway plugins docs model-router\n"
    "  llm-gateway plugins docs openai                 # the provider and the adapter of that name\n"
    "  llm-gateway plugins docs --write docs/plugins   # one file for each\n",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@config_option(required_file=False)
@click.option("--write", metavar="FOLDER", type=click.Path(), help="write one file for each, and an index")
def docs(names: tuple[str, ...], config: str | None, write: str | None) -> int:
    """Prints or writes the pages of extensions."""
    from llm_gateway.reference import extension_page, index_page

    chosen = _chosen(extensions_of(config), names)
    if not write:
        click.echo("\n".join(extension_page(extension) for extension in chosen), nl=False)
        return 0
    folder = Path(write)
    folder.mkdir(parents=True, exist_ok=True)
    for extension in chosen:
        file = f"{extension.name}.md" if extension.kind == "plugin" else f"{extension.kind}-{extension.name}.md"
        (folder / file).write_text(extension_page(extension), encoding="utf-8")
    if not names:
        (folder / "README.md").write_text(index_page(chosen), encoding="utf-8")
    click.echo(f"Wrote {len(chosen)} page{'' if len(chosen) == 1 else 's'} to {folder}")
    return 0


def _chosen(extensions: Extensions, names: Sequence[str]) -> list[Extension]:
    from llm_gateway.config.problems import unknown
    from llm_gateway.extensions import KINDS
    from llm_gateway_sdk.errors import ConfigError

    if not names:
        return [each for each in importable(extensions) if each.kind == "plugin"]
    chosen = []
    for name in names:
        found = [extensions.get(kind, name) for kind in KINDS if kind != "dialect" and name in extensions.names(kind)]
        if not found:
            raise ConfigError(unknown("plugin", name, [known for kind in KINDS for known in extensions.names(kind)]))
        chosen += found
    return chosen


@command.command(
    "new",
    help="Create a distribution for an extension: source, entry point, README, and tests that pass as generated. NAME "
    "is its type in the configuration, e.g. my-plugin.",
    epilog="examples:\n"
    "  llm-gateway plugins new my-plugin\n"
    "  llm-gateway plugins new my-provider --kind provider --directory ~/code\n\n"
    "then:\n"
    "  cd my-plugin && pip install -e '.[test]' && pytest\n",
)
@click.argument("name")
@click.option("--kind", type=click.Choice(["plugin", "provider", "adapter"]), default="plugin", show_default=True)
@click.option("--directory", default=".", metavar="FOLDER", type=click.Path(), help="where its folder is created")
def new(name: str, kind: str, directory: str) -> int:
    """Creates a distribution from the SDK's scaffold."""
    from llm_gateway_sdk import scaffold

    try:
        folder = scaffold.create(name, kind, directory)
    except (ValueError, FileExistsError) as error:
        return refuse(str(error))
    click.echo(f"Created {folder}. Now: cd {folder} && pip install -e '.[test]' && pytest")
    return 0
