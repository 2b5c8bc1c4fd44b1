"""Click groups as this command line uses them: commands imported on demand, suggestions, examples under the help."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import click

__all__ = [
    "DEFAULT_FILE",
    "CommandTable",
    "ExampleCommand",
    "ExampleGroup",
    "config_option",
    "file_argument",
    "ignore_closed_output",
    "print_version",
    "unknown_command",
    "versions",
]

DEFAULT_FILE = "gateway.yaml"
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
_WHOLE = 1_000  # click shortens a command's line in the list to 45 characters; folded lines may have all of it


class _WithExamples(click.Command):
    """Prints its epilog as it is written, without wrapping it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", _CONTEXT)
        super().__init__(*args, **kwargs)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.epilog:
            formatter.write("\n" + self.epilog.rstrip("\n") + "\n")


class ExampleCommand(_WithExamples):
    """A command whose examples follow its options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = [arg for arg in args if arg.endswith((".yaml", ".yml", ".json"))]
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            takes_config = any("--config" in parameter.opts for parameter in self.params)
            if takes_config and given and "unexpected extra argument" in error.message:
                hint = f'{error.message}; did you mean "--config {given[-1]}"?'
                raise click.UsageError(hint, ctx=error.ctx) from None
            raise


class ExampleGroup(_WithExamples, click.Group):
    """A group that suggests the nearest command for a misspelled one."""

    command_class = ExampleCommand

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            raise click.UsageError(unknown_command(name, self.list_commands(ctx)), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(limit=_WHOLE)) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class CommandTable(ExampleGroup):
    """The top level: its own commands from a table, those of other distributions by entry points.

    `lazy` maps a command to the module of this package that holds it (as `command`) and to its line in the help.
    """

    def __init__(self, name: str, *, lazy: Mapping[str, tuple[str, str]], entry_points: str, **kwargs: Any) -> None:
        super().__init__(name, params=[_version_option()], no_args_is_help=False, **kwargs)
        self.invoke_without_command = True
        self.callback = _help_without_command
        self._lazy = lazy
        self._group = entry_points
        self._found: dict[str, EntryPoint] | None = None

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _reader_may_leave():  # options such as --help print here
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_leave():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._lazy, *sorted(self._installed().keys() - self._lazy.keys())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self._lazy:
            module = importlib.import_module(f"{__package__}.{self._lazy[cmd_name][0]}")
            command: click.Command = module.command
            return command
        entry = self._installed().get(cmd_name)
        if entry is None:
            return None
        loaded = entry.load()
        if not isinstance(loaded, click.Command):
            raise click.ClickException(f"the entry point {entry.value} is not a click.Command")
        return _with_suggestions(loaded) if type(loaded) is click.Group else loaded

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, about) for name, (_, about) in self._lazy.items()]
        rows += [(name, _summary(entry)) for name, entry in sorted(self._installed().items()) if name not in self._lazy]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _installed(self) -> dict[str, EntryPoint]:
        if self._found is None:
            self._found = {entry.name: entry for entry in entry_points(group=self._group)}
        return self._found


def _with_suggestions(group: click.Group) -> ExampleGroup:
    """A plain group of another distribution behaves as those of this one do."""
    return ExampleGroup(
        group.name,
        commands=group.commands,
        params=group.params,
        callback=group.callback,
        help=group.help,
        epilog=group.epilog,
    )


def unknown_command(name: str, known: Iterable[str]) -> str:
    """The message for a command that does not exist."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"the commands are {', '.join(names)}."
    return f'There is no command "{name}"; {hint}'


def config_option(*, required_file: bool = True) -> Callable[[_Decorated], _Decorated]:
    """`-c/--config`. With `required_file` it defaults to ./gateway.yaml, else to None."""
    about = "the configuration, YAML or JSON"
    if required_file:
        about += f"; default: {DEFAULT_FILE}"
    return click.option(
        "-c",
        "--config",
        metavar="FILE",
        default=DEFAULT_FILE if required_file else None,
        envvar="LLM_GATEWAY_CONFIG",
        type=click.Path(),
        help=about,
    )


def file_argument(name: str, default: str) -> Callable[[_Decorated], _Decorated]:
    """An optional file name."""
    return click.argument(name, default=default, metavar="[FILE]", type=click.Path())


def _summary(entry: EntryPoint) -> str:
    if entry.dist is None:
        return ""
    return entry.dist.metadata["Summary"] or f"Provided by {entry.dist.name}."


def ignore_closed_output() -> None:
    """The reader of a pipe has left: what Python would still flush at exit goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Ends the program with 0 where the reader of a pipe, such as `head`, has left; click would end it with 1."""
    try:
        yield
    except BrokenPipeError:
        ignore_closed_output()
        raise click.exceptions.Exit(0) from None


def versions() -> dict[str, str]:
    """The versions of gateway, SDK and Python by their names."""
    import platform

    import llm_gateway_sdk
    from llm_gateway import __version__

    return {
        "llm-gateway": __version__,
        "llm-gateway-sdk": llm_gateway_sdk.__version__,
        "python": platform.python_version(),
    }


def print_version() -> None:
    """Prints the versions of gateway, SDK and Python in one line."""
    found = versions()
    sdk, python = found["llm-gateway-sdk"], found["python"]
    click.echo(f"llm-gateway {found['llm-gateway']} (llm-gateway-sdk {sdk}, Python {python})")


def _version_option() -> click.Option:
    def show(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value:
            print_version()
            ctx.exit(0)

    return click.Option(
        ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help="Print the version."
    )


@click.pass_context
def _help_without_command(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
