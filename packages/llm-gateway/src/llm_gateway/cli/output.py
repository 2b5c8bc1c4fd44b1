"""What commands print: problems, refusals, tables. Colours only on a terminal, and never with NO_COLOR."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from llm_gateway.extensions import Extension, Extensions

__all__ = [
    "extensions_of",
    "importable",
    "is_config_error",
    "print_json",
    "print_notice",
    "print_problems",
    "print_table",
    "progress",
    "refuse",
    "styled",
]

_LEAST_FOLDED = 20  # characters to which a table's last column may be folded


def styled(text: str, *, err: bool = False, **style: Any) -> str:
    """`text` in a style of click's, where the stream is a terminal that shows colours."""
    stream = sys.stderr if err else sys.stdout
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return click.style(text, **style)


def refuse(message: str, *, code: int = 2) -> int:
    """Prints why a command can't be carried out; returns the exit code."""
    click.echo(f"{styled('llm-gateway:', err=True, fg='red', bold=True)} {message}", err=True)
    return code


def print_notice(notice: str) -> None:
    """Something that an operator should know though it is not an error."""
    click.echo(f"{styled('notice:', fg='yellow')} {notice}")


def print_json(value: object) -> None:
    """`value` as indented JSON."""
    import json

    click.echo(json.dumps(value, indent=2))


@contextmanager
def progress(steps: int, label: str) -> Iterator[Callable[[int], object]]:
    """A bar on standard error, where that is a terminal; what it gives is called with the number of steps done."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    with click.progressbar(length=steps, label=label, file=sys.stderr, update_min_steps=max(1, steps // 200)) as bar:
        yield bar.update


def is_config_error(error: Exception) -> bool:
    """Whether `error` is the SDK's ConfigError. Imports the SDK, so that `--help` need not."""
    from llm_gateway_sdk.errors import ConfigError

    return isinstance(error, ConfigError)


def print_problems(error: Exception, *, as_json: bool) -> None:
    """All problems of a configuration: one line each to stderr, or one JSON object to stdout."""
    from llm_gateway_sdk.errors import ConfigProblem

    problems: list[ConfigProblem] = getattr(error, "problems", [])
    if as_json:
        import dataclasses

        print_json({"valid": False, "problems": [dataclasses.asdict(problem) for problem in problems]})
        return
    for problem in problems:
        place, separator, rest = str(problem).partition(": ")
        located = problem.file is not None and separator
        click.echo(f"{styled(place, err=True, bold=True)}: {rest}" if located else str(problem), err=True)
    if any(problem.file for problem in problems):
        count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
        click.echo(f"\n{styled(count, err=True, fg='red')}.", err=True)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their cells. On a terminal no line is wider than it: the last column is folded, and where even
    that leaves too little room, each row has its last cells on lines of their own below it, with their names."""
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    width = _terminal_width()
    fitting = _columns_that_fit(widths, width)
    for number, row in enumerate(table):
        for line in _lines_of_row(header, row, widths, fitting, width):
            click.echo(styled(line.rstrip(), bold=True) if number == 0 else line.rstrip())


def _columns_that_fit(widths: Sequence[int], width: int) -> int:
    """How many columns are printed side by side; the last of all may be folded to 20 characters."""
    used = 0
    for column, needed in enumerate(widths):
        least = min(needed, _LEAST_FOLDED) if column == len(widths) - 1 else needed
        if column and used + least > width:
            return column
        used += needed + 2
    return len(widths)


def _lines_of_row(
    header: Sequence[str], row: Sequence[str], widths: Sequence[int], fitting: int, width: int
) -> list[str]:
    start = "".join(cell.ljust(room) + "  " for cell, room in zip(row[: fitting - 1], widths, strict=False))
    folded = _fold(row[fitting - 1], width - len(start))
    lines = [start + folded[0], *(" " * len(start) + line for line in folded[1:])]
    if row == list(header):
        return lines
    for name, cell in zip(header[fitting:], row[fitting:], strict=True):
        if cell:
            lines += _fold(f"    {name.lower()}: {cell}", width, indent="      ")
    return lines


def extensions_of(config: str | None) -> Extensions:
    """The installed extensions, and those that a configuration names by module or path."""
    if config is None:
        from llm_gateway.extensions import installed

        return installed()
    from llm_gateway.loading import load_extensions

    return load_extensions(config)


def importable(extensions: Extensions) -> list[Extension]:
    """All extensions; one that can't be imported is reported and left out."""
    from llm_gateway.extensions import KINDS
    from llm_gateway_sdk.errors import ConfigError

    found = []
    for kind in KINDS:
        for name in extensions.names(kind):
            try:
                found.append(extensions.get(kind, name))
            except ConfigError as error:
                click.echo(f"left out: {error}", err=True)
    return found


def _terminal_width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 1_000_000


def _fold(text: str, room: int, *, indent: str = "") -> list[str]:
    if len(text) <= room:
        return [text]
    import textwrap

    return textwrap.wrap(text, max(room, 2 * len(indent), 1), subsequent_indent=indent, drop_whitespace=True) or [""]
