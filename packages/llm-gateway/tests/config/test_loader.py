"""From a text to settings: files that can't be read, and messages with what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_gateway.config.loader import known_keys, read, read_file, validate
from llm_gateway_sdk.errors import ConfigError


def problems(text: str) -> list[str]:
    draft = read(text, file="gateway.yaml", directory=Path(), environ={})
    validate(draft)
    return [f"{problem.path}: {problem.message}" for problem in draft.problems.sorted()]


def test_a_file_that_is_not_there_has_its_likely_name(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("")

    with pytest.raises(ConfigError, match=r"no such file; did you mean .*gateway\.yaml\?"):
        read_file(tmp_path / "gatway.yaml")
    with pytest.raises(ConfigError, match="`llm-gateway init` writes one"):
        read_file(tmp_path / "absent" / "x")


def test_a_folder_and_a_file_in_another_coding_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this is a folder"):
        read_file(tmp_path)
    (tmp_path / "old.yaml").write_bytes(b"models: []\nname: M\xfcller\n")
    with pytest.raises(ConfigError) as caught:
        read_file(tmp_path / "old.yaml")
    assert "0xFC is not UTF-8" in caught.value.problems[0].message
    assert caught.value.problems[0].line == 2


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "marked.yaml").write_bytes(b"\xef\xbb\xbfmodels: []\n")

    assert read_file(tmp_path / "marked.yaml") == "models: []\n"


def test_keys_for_anchors_are_left_out() -> None:
    assert problems("x-shared: &a {host: h}\nserver: *a\n") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("serve: {}", 'serve: unknown key "serve"; did you mean "server"?'),
        ("prot: 1", 'unknown key "prot"'),
        ("cors: {}", "did you mean `server.cors`?"),
        ("projects: [{name: p, server: {}}]", "it is a setting of the top level, not of a project"),
        ("models: [{name: a}]", 'models[0]: "provider" is missing'),
        ("models: a", 'models: expected a list, found "a"'),
        ("models: {name: a}", "begin each entry with `- `"),
        ("models: |\n  - name: a", "remove the `|` or `>`"),
        ("models: [a]", "write `{name: a, provider: {type: …}}`"),
        ("models: [{name: a, provider: echo}]", "write `{type: echo}`"),
        ("availablePlugins: [./mine.py]", "write `{path: ./mine.py}`"),
        ("availablePlugins: [mine]", "write `{module: mine}`"),
        ("server: {port: 99999}", "server.port: expected 65535 or less, found 99999"),
        ("server: {port: many}", "server.port: expected a whole number, found"),
        ("logging: {level: loud}", "logging.level: expected"),
        ("monitoring: {metrics: {path: metrics}}", "expected a path such as /health"),
        ("projects: [{name: 'a b'}]", "expected a name of letters, digits"),
        ("models: [{name: a, provider: {type: echo}, facts: {retires: soon}}]", "expected a date such as 2026-11-28"),
        ("upstream: {forwardHeaders: ['x team']}", "expected the name of a header, or the beginning of several"),
        ("upstream: {forwardQuery: ['a=b']}", "expected the name of a parameter, or the beginning of several"),
        ("monitoring: {otel: {endpoint: 'localhost:4318'}}", "expected an address that begins with http://"),
    ],
)
def test_a_message_shows_what_would_be_right(text: str, message: str) -> None:
    found = problems(text)

    assert any(message in each for each in found), found


def test_one_mistake_does_not_hide_another() -> None:
    found = problems(
        "server: {port: many, hots: x}\nmodels: [{name: a}, {nme: b, provider: {type: echo}}]\nlogging: 3\n"
    )

    assert len(found) >= 5


def test_what_is_wrong_is_left_out_and_the_rest_is_kept() -> None:
    draft = read(
        "server: {port: many, host: h}\nmodels: [3, {name: a, provider: {type: echo}}]",
        file="g", directory=Path(), environ={},
    )  # fmt: skip
    file = validate(draft)

    assert file.server.host == "h"
    assert [model.name for model in file.models] == ["a"]


def test_the_settings_of_a_place_are_known() -> None:
    assert "server" in known_keys(())
    assert {"host", "port"} <= set(known_keys(("server",)))
    assert known_keys(("absent",)) == []
