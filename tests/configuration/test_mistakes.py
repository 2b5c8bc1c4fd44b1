"""`llm-gateway check` on files with typical mistakes: each is reported with its line and what would be right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llm_gateway.cli import main

TEXT = (Path(__file__).parent / "mistakes.txt").read_text() + "\n"
CASES = re.findall(r"^=== (.+)\n((?:.*\n)*?)---\n((?:.+\n)+)", TEXT, re.MULTILINE)
KNOWN = re.compile(r"\(known: [^)]*\)")


def test_there_are_enough_of_them() -> None:
    assert len({name for name, _, _ in CASES}) == len(CASES) > 220
    assert len(CASES) == len(re.findall("^=== ", TEXT, re.MULTILINE)), "a case lacks what is reported"


@pytest.mark.parametrize(("name", "text", "expected"), CASES, ids=[name for name, _, _ in CASES])
def test_it_is_reported_with_its_line_and_what_would_be_right(
    name: str,
    text: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = "gateway.json" if name.startswith("json") else "gateway.yaml"
    (tmp_path / file).write_text(text)
    monkeypatch.chdir(tmp_path)
    for variable in ("X", "NOPE_X", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    status = main(["check", "--config", file])

    captured = capsys.readouterr()
    found = [
        re.sub(rf"^(notice: )?{file}:", r"\1", line).replace(str(tmp_path), "FOLDER")
        for line in (captured.out + captured.err).splitlines()
        if re.match(rf"(notice: )?{file}:|notice: ", line)
    ]
    wanted = expected.splitlines()
    for number, line in enumerate(wanted):
        if "(known: …)" in line:
            found[number : number + 1] = [KNOWN.sub("(known: …)", each) for each in found[number : number + 1]]
    assert found == wanted
    assert status == (0 if all(line.startswith("notice: ") for line in found) else 2)


def test_a_file_that_is_not_utf_8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_bytes(b"models:\n- name: caf\xe9\n")

    assert main(["check", "--config", str(file)]) == 2
    assert "gateway.yaml:2: the byte 0xE9 is not UTF-8; save the file as UTF-8" in capsys.readouterr().err


def test_a_byte_order_mark_is_not_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_bytes(b"\xef\xbb\xbfmodels: [{name: m, isDefault: true, provider: {type: echo}}]\n")

    assert main(["check", "--config", str(file)]) == 0


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{path: ./broken.py}", 'availablePlugins[0].path: loading "./broken.py" failed: invalid syntax'),
        ("{path: ./empty.py}", "defines no plugin, adapter, provider, dialect or store; a plugin has @plugin_metadata"),
        ("{path: ./nothing.py}", "availablePlugins[0].path: there is no file or folder"),
        ("{path: ./empty.py, module: x}", "availablePlugins[0]: expected either `module` or `path`"),
    ],
)
def test_a_plugin_file_that_can_not_be_used(
    entry: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text("def x(:\n")
    (tmp_path / "empty.py").write_text("x = 1\n")
    file = tmp_path / "gateway.yaml"
    file.write_text(f"models: [{{name: m, isDefault: true, provider: {{type: echo}}}}]\navailablePlugins: [{entry}]\n")

    assert main(["check", "--config", str(file)]) == 2
    assert f"gateway.yaml:2: {message}" in (err := capsys.readouterr().err) or message in err
