"""The commands of the documentation: each exists, with its options, and those that only read run as written."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from llm_gateway_clickhouse_tracer.cli import command as tracer

from llm_gateway.cli import application, main

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("packages/*/README.md"), *ROOT.glob("examples/**/*.md")]
)
PROGRAMS = {"llm-gateway": application, "llm-gateway-clickhouse-tracer": tracer}
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SHELLS = ("", "sh", "bash", "shell", "console")
_INLINE = re.compile(r"`((?:llm-gateway|hatch run|python tools/)[^`]*)`")


def _commands() -> Iterator[tuple[str, list[str]]]:
    """(page, words) of each command, in blocks and in the text."""
    for page in PAGES:
        text = re.sub(r"<!--.*?-->", "", page.read_text(), flags=re.DOTALL)
        blocks = [block for language, block in _BLOCK.findall(text) if language in _SHELLS]
        written = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
        for line in [*written, *_INLINE.findall(_BLOCK.sub("", text))]:
            for part in re.split(r"\s(?:&&|\|)\s", line):
                try:
                    words = shlex.split(part, comments=True)
                except ValueError:
                    continue  # a line of a longer quotation
                while words and re.fullmatch(r"[A-Z_]+=\S*|\$", words[0]):
                    del words[0]
                if words and "COMMAND" not in words:
                    yield from ((page.relative_to(ROOT).as_posix(), each) for each in _alternatives(words))


def _alternatives(words: list[str]) -> list[list[str]]:
    """`models list|show` means two commands."""
    for place, word in enumerate(words):
        if re.fullmatch(r"[a-z]+(?:\|[a-z]+)+", word):
            return [[*words[:place], each, *words[place + 1 :]] for each in word.split("|")]
    return [words]


ALL = list(_commands())
OURS = [(page, words) for page, words in ALL if words[0] in PROGRAMS]


def _parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Raises UsageError for a subcommand, an option or a value that does not exist. Runs nothing."""
    with command.make_context(command.name or "", [word for word in words if word != "…"], parent=parent) as context:
        if isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]
            if rest:
                _, found, remaining = command.resolve_command(context, rest)
                assert found is not None
                _parse(found, remaining, context)


def test_there_are_commands_to_check() -> None:
    assert len(OURS) > 30
    assert {words[1] for _, words in OURS if len(words) > 1} >= {"start", "check", "init", "plugins", "limits", "keys"}


@pytest.mark.parametrize(("page", "words"), OURS, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_each_command_exists_with_its_options(page: str, words: list[str]) -> None:
    try:
        _parse(PROGRAMS[words[0]], words[1:])
    except click.exceptions.NoArgsIsHelpError:
        pass
    except click.exceptions.MissingParameter:
        assert page  # the text names a command without its arguments
    except click.exceptions.Exit:
        pass  # `--help`, `--version`
    except click.UsageError as error:
        if isinstance(error, click.BadParameter) and str(error.message).endswith("does not exist."):
            return  # a file of the reader's
        pytest.fail(f"{page}: `{' '.join(words)}`: {error.format_message()}")


def test_each_script_of_hatch_is_defined() -> None:
    table = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]
    wrong = []
    for page, words in ALL:
        if words[:2] != ["hatch", "run"] or len(words) < 3:
            continue
        environment, _, script = words[2].rpartition(":")
        known = table.get(environment or "default", {}).get("scripts", {})
        if script not in known and script not in ("llm-gateway", "pytest", "python", "ruff", "mypy"):
            wrong.append(f"{page}: hatch run {words[2]}")
    assert wrong == []


def test_each_tool_that_is_called_is_there() -> None:
    wrong = []
    for page, words in ALL:
        if not re.search(r"(^|/)python3?$", words[0]) or len(words) < 2:
            continue
        if words[1] == "-m" and len(words) > 2:
            try:
                found = importlib.util.find_spec(words[2]) is not None
            except ModuleNotFoundError:
                found = False
            found = found or (ROOT / words[2].replace(".", "/")).exists() or words[2] == "venv"
        else:
            found = words[1].startswith("-") or (ROOT / words[1]).exists()
        if not found:
            wrong.append(f"{page}: {' '.join(words)}")
    assert wrong == []


def test_python_is_called_by_a_name_that_every_system_has() -> None:
    """Outside an environment there is no `python` on Debian, Ubuntu or macOS."""
    assert [(page, " ".join(words)) for page, words in ALL if words[0] == "python"] == []


def test_each_extra_of_the_gateway_is_on_the_page_about_installing() -> None:
    project = tomllib.loads((ROOT / "packages" / "llm-gateway" / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "install.md").read_text()
    assert [extra for extra in project["optional-dependencies"] if f"`{extra}`" not in page] == []


RUNNABLE = ("check", "explain", "schema", "models", "version", "completion")


@pytest.mark.parametrize(
    "words",
    sorted({tuple(words[1:]) for _, words in OURS if len(words) > 1 and words[1] in RUNNABLE}),
    ids=" ".join,
)
def test_commands_that_only_read_run_as_written(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if ">" in words:
        words = words[: words.index(">")]
    if words[-1] in ("models", "show", "completion") or {"SHELL", "NAME"}.intersection(words):
        pytest.skip("the text names the command without its arguments")
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    for word in words:
        if word.endswith((".yaml", ".yml")) and word != "gateway.yaml":
            (tmp_path / word).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / word).write_text((tmp_path / "gateway.yaml").read_text())
    if "--project" in words:
        name = words[words.index("--project") + 1]
        with (tmp_path / "gateway.yaml").open("a") as file:
            file.write(f"\nprojects: [{{name: {name}}}]\n")
    capsys.readouterr()

    assert main(list(words)) == 0, capsys.readouterr().err
    assert capsys.readouterr().out
