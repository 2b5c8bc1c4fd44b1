"""`llm-gateway models list|show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .commands import DEFAULT_FILE, ExampleGroup, config_option
from .output import print_json, print_table, refuse

if TYPE_CHECKING:
    from llm_gateway.config.project import GatewayConfig
    from llm_gateway.describing import Description

__all__ = ["command"]


@click.group(
    "models",
    cls=ExampleGroup,
    help="Print what is known about models: what they accept, what they cost, and the source of each fact.",
    epilog="examples:\n"
    "  llm-gateway models list\n"
    "  llm-gateway models show claude-opus-5-5\n"
    "  llm-gateway models show us.anthropic.claude-opus-4-5-20251101-v1:0 --provider bedrock\n",
)
def command() -> None:
    """The group."""


@command.command(
    "list",
    help="List the models of the configuration, or with --all those of the model book.",
    epilog="examples:\n  llm-gateway models list\n  llm-gateway models list --all --vendor anthropic\n",
)
@config_option(required_file=False)
@click.option("--all", "everything", is_flag=True, help="the whole model book")
@click.option("--vendor", metavar="NAME", help="only models of this vendor")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@click.option("--markdown", is_flag=True, help="print the documentation's page of the whole book")
def list_(config: str | None, everything: bool, vendor: str | None, as_json: bool, markdown: bool) -> int:
    """Prints one line per model."""
    from llm_gateway_model_book import models_page, shipped_book

    from llm_gateway.describing import Description

    if markdown:
        click.echo(models_page(shipped_book()), nl=False)
        return 0

    loaded = None if everything else _configuration(config)
    found: list[tuple[str, str, Description]] = []
    if loaded is None:
        found = [(each.host, each.name, Description(each.facts, each.prices)) for each in shipped_book().entries()]
    else:
        for project in loaded.projects.values():
            found += [(project.name, name, description) for name, _, description in _configured(loaded, project.name)]
    if vendor:
        found = [each for each in found if each[2].facts is not None and each[2].facts.vendor == vendor]
    if as_json:
        print_json([{"in": place, "model": name, **as_mapping(each)} for place, name, each in found])
        return 0
    rows = [(name, place, *_row(each)) for place, name, each in found]
    head = ("MODEL", "HOST" if loaded is None else "PROJECT", "CONTEXT", "OUTPUT", "IN $/M", "OUT $/M", "FROM")
    print_table(head, rows)
    return 0


@command.command(
    "show",
    help="Print facts, prices and sources of a model, by its configured name or any provider's name of it.",
    epilog="examples:\n"
    "  llm-gateway models show gpt-5.5\n"
    "  llm-gateway models show anthropic/claude-opus-4.5 --provider openrouter --json\n",
)
@click.argument("name")
@config_option(required_file=False)
@click.option("--project", metavar="NAME", help="the project in which a configured model is looked for")
@click.option("--provider", metavar="TYPE", default="", help="the provider type whose price is wanted")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def show(name: str, config: str | None, project: str | None, provider: str, as_json: bool) -> int:
    """Prints everything that is known about one model."""
    from llm_gateway_model_book import shipped_book

    from llm_gateway.describing import Description

    description: Description | None = None
    loaded = None if provider else _configuration(config)
    if loaded is not None:
        for place in [project] if project else list(loaded.projects):
            for configured, upstream, found in _configured(loaded, place):
                if name == configured and description is None:
                    description, name = found, upstream
    if description is None:
        entry = shipped_book().find(name, provider)
        if entry is not None:
            description = Description(entry.facts, entry.prices)
    if description is None or (description.facts is None and description.prices is None):
        return refuse(
            f"nothing is known about '{name}'; `facts` and `prices` of a model in the configuration say what it takes "
            "and costs",
            code=1,
        )
    values = as_mapping(description)
    if as_json:
        print_json({"model": name, **values})
        return 0
    for part in ("facts", "prices"):
        click.echo(f"{part}:")
        for key, value in (values[part] or {"": "unknown"}).items():
            click.echo(f"  {key + ':' if key else '':<16} {_shown(value)}")
    return 0


def _configuration(config: str | None) -> GatewayConfig | None:
    """The loaded configuration; None where none is named and there is no default file. Raises ConfigError."""
    if config is None and not Path(DEFAULT_FILE).is_file():
        return None
    from llm_gateway.loading import load

    return load(config or DEFAULT_FILE).config


def _configured(loaded: GatewayConfig, project: str) -> list[tuple[str, str, Description]]:
    """(configured name, provider's name, what is known) of each model of a project."""
    from llm_gateway_model_book import shipped_book

    from llm_gateway.describing import ModelDescriptions

    found = []
    for model in loaded.projects[project].models if project in loaded.projects else ():
        upstream = str(model.provider.config.get("model") or model.name)
        found.append((model.name, upstream, ModelDescriptions(model, shipped_book()).of(upstream)))
    return found


def as_mapping(description: Description) -> dict[str, Any]:
    """Facts and prices as JSON, in the names of the configuration; prices in US dollars per million tokens."""
    from llm_gateway_model_book import unpriced_kinds, written_facts, written_prices

    facts, prices = description.facts, description.prices
    written = None if prices is None else written_prices(prices)
    if written is not None and prices is not None and (lacking := unpriced_kinds(facts, prices)):
        written["unpriced"] = lacking
    return {"facts": None if facts is None else written_facts(facts), "prices": written}


def _row(description: Description) -> tuple[str, ...]:
    facts, prices = description.facts, description.prices
    rates = prices.rates() if prices is not None else None
    source = ""
    if facts is not None:
        source = f"assumed from {facts.assumed_from}" if facts.assumed_from else facts.checked or facts.source
    return (
        _count(facts.context_window if facts is not None else None),
        _count(facts.max_output if facts is not None else None),
        _dollars(rates.input if rates is not None else None),
        _dollars(rates.output if rates is not None else None),
        source,
    )


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _dollars(nanos: int | None) -> str:
    return "–" if nanos is None else f"{nanos / 1e9:g}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
