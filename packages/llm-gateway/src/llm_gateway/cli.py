"""The command line: `llm-gateway start|check|explain|init|plugins|schema|version`.

Exit codes: 0 well, 1 the gateway failed, 2 the configuration or the command line is wrong. Only argparse is imported up
here: `--help` answers at once, and each command imports what it needs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from llm_gateway.extensions import Extension, Extensions
    from llm_gateway.loading import LoadResult

DEFAULT_FILE = "gateway.yaml"

_DESCRIPTION = "One address for many LLM APIs: routing, fallback, plugins. OpenAI and Anthropic clients work unchanged."

_EXAMPLES = """\
examples:
  llm-gateway start                            without a file: the providers whose keys are set, else `echo`
  llm-gateway init                             write a commented gateway.yaml
  llm-gateway start --config gateway.yaml      serve it
  llm-gateway check --config gateway.yaml      tell every problem in it, start nothing
  llm-gateway plugins list                     what is installed
  llm-gateway plugins new my-plugin            a plugin of your own, with its test

a first request, in another terminal:
  curl http://localhost:3000/anthropic/v1/messages -H 'Content-Type: application/json' \\
    -d '{"model": "any", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}'
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] | None = getattr(options, "command", None)
    if command is None:
        parser.print_help()
        return 0
    from llm_gateway_sdk.errors import ConfigError

    try:
        return command(options)
    except ConfigError as error:
        _print_problems(error, as_json=getattr(options, "json", False))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader, such as `head`, has left
        return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = _parser(None, "llm-gateway", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--version", dest="command", action="store_const", const=version, help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="")
    _add_start(commands)
    _add_check(commands)
    _add_explain(commands)
    _add_init(commands)
    _add_plugins(commands)
    _add_schema(commands)
    _parser(commands, "version", "Print the versions of gateway, interfaces and Python.").set_defaults(command=version)
    return parser


_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _parser(commands: _Commands | None, name: str, about: str, examples: str = "") -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    if commands is None:
        return argparse.ArgumentParser(prog=name, description=about, epilog=examples, formatter_class=shape)
    summary = about.partition(".")[0][:1].lower() + about.partition(".")[0][1:]
    return commands.add_parser(name, help=summary, description=about, epilog=examples, formatter_class=shape)


def _add_start(commands: _Commands) -> None:
    parser = _parser(
        commands,
        "start",
        "Start the gateway. Without --config it serves the providers whose keys are in the environment\n"
        "(OPENAI_API_KEY, ANTHROPIC_API_KEY, …), else the built-in `echo`, on this machine only.",
        "examples:\n"
        "  llm-gateway start\n"
        "  llm-gateway start --config gateway.yaml\n"
        "  llm-gateway start -c gateway.yaml --port 8080 --log-level debug\n"
        "  llm-gateway start -c gateway.yaml --reload         # take changes of the file while running\n"
        "  llm-gateway start -c gateway.yaml --workers 4      # one process per core\n",
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration, YAML or JSON")
    parser.add_argument("--host", help="address to listen on, instead of `server.host`")
    parser.add_argument("--port", type=_port, help="port to listen on, instead of `server.port`")
    parser.add_argument("--workers", type=_count, metavar="N", help="worker processes, instead of `server.workers`")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], help="instead of `logging.level`")
    parser.add_argument("--reload", action="store_true", help="take changes of the configuration while running")
    parser.set_defaults(command=start)


def _add_check(commands: _Commands) -> None:
    parser = _parser(
        commands,
        "check",
        "Tell every problem in a configuration, each with file, line, path and what would be right. Starts nothing.",
        "examples:\n"
        "  llm-gateway check                            # ./gateway.yaml\n"
        "  llm-gateway check --config prod.yaml\n"
        "  llm-gateway check --config prod.yaml --json  # for editors and CI\n\n"
        "exit code: 0 it is valid, 2 it is not\n",
    )
    _add_config(parser)
    parser.add_argument("--json", action="store_true", help="print the problems as JSON")
    parser.set_defaults(command=check)


def _add_explain(commands: _Commands) -> None:
    parser = _parser(
        commands,
        "explain",
        "Print the effective configuration of a project, and where each value comes from. Secrets are masked.",
        "examples:\n"
        "  llm-gateway explain --config gateway.yaml                      # the default project\n"
        "  llm-gateway explain --config gateway.yaml --project production\n",
    )
    _add_config(parser)
    parser.add_argument("-p", "--project", metavar="NAME", help="the project; the default project if left out")
    parser.set_defaults(command=explain)


def _add_init(commands: _Commands) -> None:
    parser = _parser(
        commands,
        "init",
        "Write a commented configuration that works as it is, to start from.",
        "examples:\n  llm-gateway init\n  llm-gateway init config/gateway.yaml\n",
    )
    parser.add_argument("file", nargs="?", default=DEFAULT_FILE, metavar="FILE", help=f"default: {DEFAULT_FILE}")
    parser.add_argument("--force", action="store_true", help="overwrite the file if it is there")
    parser.set_defaults(command=init)


def _add_plugins(commands: _Commands) -> None:
    parser = _parser(
        commands,
        "plugins",
        "List, document or make plugins, adapters and providers.",
        "examples:\n"
        "  llm-gateway plugins list\n"
        "  llm-gateway plugins docs regex-hider\n"
        "  llm-gateway plugins new my-plugin\n",
    )
    below = parser.add_subparsers(title="commands", metavar="", required=True)
    listing = _parser(
        below,
        "list",
        "List what is installed: name, kind, version, distribution, hooks.",
        "examples:\n"
        "  llm-gateway plugins list\n"
        "  llm-gateway plugins list --config gateway.yaml   # also what the file names by module or path\n",
    )
    listing.add_argument("-c", "--config", metavar="FILE", help="also what this configuration names by module or path")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(command=plugins_list)
    docs = _parser(
        below,
        "docs",
        "Print the documentation of plugins, providers or adapters as Markdown, made from metadata and schema.",
        "examples:\n"
        "  llm-gateway plugins docs                        # all plugins\n"
        "  llm-gateway plugins docs model-router\n"
        "  llm-gateway plugins docs openai                 # the provider and the adapter of that name\n"
        "  llm-gateway plugins docs --write docs/plugins   # one file for each\n",
    )
    docs.add_argument("names", nargs="*", metavar="NAME", help="types; all plugins if left out")
    docs.add_argument("-c", "--config", metavar="FILE", help="also what this configuration names by module or path")
    docs.add_argument("--write", metavar="FOLDER", help="write one file for each, and an index")
    docs.set_defaults(command=plugins_docs)
    new = _parser(
        below,
        "new",
        "Make a distribution of your own: source, entry point, README, and tests that pass as generated.",
        "examples:\n"
        "  llm-gateway plugins new my-plugin\n"
        "  llm-gateway plugins new my-provider --kind provider --directory ~/code\n\n"
        "then:\n"
        "  cd my-plugin && pip install -e '.[test]' && pytest\n",
    )
    new.add_argument("name", metavar="NAME", help="its type in the configuration, e.g. my-plugin")
    new.add_argument("--kind", choices=["plugin", "provider", "adapter"], default="plugin", help="default: plugin")
    new.add_argument("--directory", default=".", metavar="FOLDER", help="where its folder is made; default: here")
    new.set_defaults(command=plugins_new)


def _add_schema(commands: _Commands) -> None:
    parser = _parser(
        commands,
        "schema",
        "Print the JSON Schema of the configuration, with the settings of every installed extension in it.",
        "examples:\n"
        "  llm-gateway schema > gateway.schema.json\n"
        "  llm-gateway schema --markdown > configuration.md\n\n"
        "in VS Code (YAML extension), as the first line of gateway.yaml:\n"
        "  # yaml-language-server: $schema=./gateway.schema.json\n",
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="also what this configuration names by module or path")
    parser.add_argument("--markdown", action="store_true", help="print the reference page instead")
    parser.set_defaults(command=schema)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c", "--config", default=DEFAULT_FILE, metavar="FILE", help=f"the configuration; default: {DEFAULT_FILE}"
    )


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, found {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text!r}")
    return int(text)


def start(options: argparse.Namespace) -> int:
    """Serves until a signal ends it."""
    from llm_gateway.banner import banner, is_loopback, unguarded
    from llm_gateway.loading import load

    if options.config is None and options.host is not None and not is_loopback(options.host):
        return _refuse(
            f"without --config it listens on this machine only, not on {options.host}: whoever reached it would "
            "spend your keys. Write a configuration (llm-gateway init), with basic-apikey-auth in it."
        )
    if options.config is None and options.reload:
        return _refuse("--reload watches the file of --config; without one there is nothing to watch.")
    result = load(options.config)
    server = result.config.server
    host = options.host if options.host is not None else server.host
    port = options.port if options.port is not None else server.port
    try:
        port = _available(host, port)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return _refuse(f"can't listen on {host} port {port}: {reason}. Another port: --port {port + 1}", code=1)
    notices = list(result.notices)
    if options.config is None and Path(DEFAULT_FILE).is_file():
        notices.append(f"{DEFAULT_FILE} is not read; to serve it: llm-gateway start --config {DEFAULT_FILE}")
    source = str(result.source) if result.source else "none; `llm-gateway init` writes one to start from"
    print(banner(result.config, host=host, port=port, source=source, notices=notices), flush=True)
    if not is_loopback(host) and (open_projects := unguarded(result.config, result.extensions)):
        print(
            f"warning: {host} can be reached from elsewhere, and these projects ask for no API key: "
            f"{', '.join(open_projects)}. Whoever reaches them spends your keys; add the plugin basic-apikey-auth.\n",
            file=sys.stderr,
            flush=True,
        )
    from llm_gateway.server.run import serve

    workers = options.workers if options.workers is not None else server.workers
    return serve(result, host=host, port=port, workers=workers, reload=options.reload, log_level=options.log_level)


def _available(host: str, port: int) -> int:
    """The port that can be listened on: itself, or a free one for 0. Nothing is started. Raises OSError."""
    import socket

    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        return int(probe.getsockname()[1])


def _refuse(message: str, *, code: int = 2) -> int:
    print(f"llm-gateway: {message}", file=sys.stderr)
    return code


def check(options: argparse.Namespace) -> int:
    """Loads everything, starts nothing."""
    from llm_gateway.loading import load

    result = load(options.config)
    if options.json:
        print('{"valid": true, "problems": []}')
        return 0
    for notice in result.notices:
        print(f"notice: {notice}")
    print(f"{options.config} is valid: {_summary(result)}")
    return 0


def _summary(result: LoadResult) -> str:
    projects = result.config.projects
    models = {model.where or model.name for project in projects.values() for model in project.models}
    plugins = {plugin.where or plugin.name for project in projects.values() for plugin in project.plugins}
    counts = ((len(projects), "project"), (len(models), "model"), (len(plugins), "plugin"))
    return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)


def _print_problems(error: Exception, *, as_json: bool) -> None:
    from llm_gateway_sdk.errors import ConfigProblem

    problems: list[ConfigProblem] = getattr(error, "problems", [])
    if as_json:
        import dataclasses
        import json

        print(json.dumps({"valid": False, "problems": [dataclasses.asdict(problem) for problem in problems]}, indent=2))
        return
    for problem in problems:
        print(problem, file=sys.stderr)
    if any(problem.file for problem in problems):
        print(f"\n{len(problems)} problem{'' if len(problems) == 1 else 's'}; nothing was started.", file=sys.stderr)


def explain(options: argparse.Namespace) -> int:
    """Prints the effective configuration of one project."""
    from llm_gateway.config import explain as explaining
    from llm_gateway.config.problems import unknown
    from llm_gateway.config.project import DEFAULT_PROJECT
    from llm_gateway.loading import load

    result = load(options.config)
    projects = result.config.projects
    name = options.project or (DEFAULT_PROJECT if DEFAULT_PROJECT in projects else next(iter(projects)))
    if name not in projects:
        return _refuse(unknown("project", name, projects))

    def schema_of(kind: str, type_name: str) -> dict[str, object]:
        return result.extensions.get(kind, type_name).schema  # type: ignore[arg-type]

    print(explaining.explain(result.config, projects[name], result.draft, schema_of), end="")
    return 0


def init(options: argparse.Namespace) -> int:
    """Writes the commented configuration."""
    from llm_gateway.config.template import TEMPLATE

    file = Path(options.file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w" if options.force else "x", encoding="utf-8") as target:
            target.write(TEMPLATE)
    except FileExistsError:
        return _refuse(f"{file} is there already; --force overwrites it")
    except OSError as error:
        return _refuse(f"{file} can't be written: {error.strerror}", code=1)
    print(f"{file} is written. Now: llm-gateway start --config {file}")
    return 0


def plugins_list(options: argparse.Namespace) -> int:
    """Prints what is available."""
    found = _importable(_extensions(options.config))
    if options.json:
        import json

        keys = ("name", "kind", "version", "distribution", "origin", "description", "hooks")
        print(json.dumps([{key: getattr(each, key) for key in keys} for each in found], indent=2))
        return 0
    rows = [("NAME", "KIND", "VERSION", "FROM", "HOOKS")]
    rows += [
        (each.name, each.kind, each.version, each.distribution or each.origin, ", ".join(each.hooks)) for each in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip())
    return 0


def plugins_docs(options: argparse.Namespace) -> int:
    """Prints or writes the pages of extensions."""
    from llm_gateway.reference import extension_page, index_page

    extensions = _extensions(options.config)
    chosen = _chosen(extensions, options.names)
    if not options.write:
        print("\n".join(extension_page(extension) for extension in chosen), end="")
        return 0
    folder = Path(options.write)
    folder.mkdir(parents=True, exist_ok=True)
    for extension in chosen:
        file = f"{extension.name}.md" if extension.kind == "plugin" else f"{extension.kind}-{extension.name}.md"
        (folder / file).write_text(extension_page(extension), encoding="utf-8")
    if not options.names:
        (folder / "README.md").write_text(index_page(chosen), encoding="utf-8")
    print(f"{len(chosen)} page{'' if len(chosen) == 1 else 's'} written to {folder}")
    return 0


def _chosen(extensions: Extensions, names: Sequence[str]) -> list[Extension]:
    from llm_gateway.config.problems import unknown
    from llm_gateway.extensions import KINDS
    from llm_gateway_sdk.errors import ConfigError

    if not names:
        return [each for each in _importable(extensions) if each.kind == "plugin"]
    chosen = []
    for name in names:
        found = [extensions.get(kind, name) for kind in KINDS if kind != "dialect" and name in extensions.names(kind)]
        if not found:
            raise ConfigError(unknown("plugin", name, [known for kind in KINDS for known in extensions.names(kind)]))
        chosen += found
    return chosen


def plugins_new(options: argparse.Namespace) -> int:
    """Makes a distribution by the SDK's scaffold."""
    from llm_gateway_sdk import scaffold

    try:
        folder = scaffold.create(options.name, options.kind, options.directory)
    except (ValueError, FileExistsError) as error:
        return _refuse(str(error))
    print(f"{folder} is made. Now: cd {folder} && pip install -e '.[test]' && pytest")
    return 0


def schema(options: argparse.Namespace) -> int:
    """Prints the schema, or the reference page."""
    import json

    if options.markdown:
        from llm_gateway.reference import configuration_page

        print(configuration_page(), end="")
        return 0
    from llm_gateway.config.json_schema import whole_schema

    found = _importable(_extensions(options.config))
    print(json.dumps(whole_schema((each.kind, each.name, each.schema) for each in found), indent=2))
    return 0


def _extensions(config: str | None) -> Extensions:
    if config is None:
        from llm_gateway.extensions import installed

        return installed()
    from llm_gateway.loading import load

    return load(config).extensions


def _importable(extensions: Extensions) -> list[Extension]:
    """All extensions; one that is broken is told, and left out."""
    from llm_gateway.extensions import KINDS
    from llm_gateway_sdk.errors import ConfigError

    found = []
    for kind in KINDS:
        for name in extensions.names(kind):
            try:
                found.append(extensions.get(kind, name))
            except ConfigError as error:
                print(f"left out: {error}", file=sys.stderr)
    return found


def version(options: argparse.Namespace) -> int:
    """Prints the versions."""
    import platform

    import llm_gateway_sdk
    from llm_gateway import __version__

    print(
        f"llm-gateway {__version__} (llm-gateway-sdk {llm_gateway_sdk.__version__}, Python {platform.python_version()})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
