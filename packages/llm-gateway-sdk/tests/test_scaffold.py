import ast
import os
import subprocess
import sys

import pytest

from llm_gateway_sdk.__main__ import main
from llm_gateway_sdk.scaffold import create

ALONE = """
import sys
for name in ("llm_gateway", "pydantic", "httpx", "starlette", "hypothesis", "yaml"):
    sys.modules[name] = None  # importing it fails, as where it is not installed
import pytest
sys.exit(pytest.main(["-q", "-W", "error", "-p", "no:cacheprovider", "-p", "llm_gateway_sdk.testing.pytest_plugin"]))
"""


@pytest.mark.parametrize("kind", ["plugin", "provider", "adapter"])
def test_generated_tests_pass_as_generated_with_the_sdk_and_pytest_alone(kind, tmp_path):
    folder = create("my-own-thing", kind, tmp_path)

    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


@pytest.mark.parametrize("kind", ["plugin", "provider", "adapter"])
def test_each_generated_function_is_annotated_for_strict_type_checks(kind, tmp_path):
    for file in create("my-own-thing", kind, tmp_path).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.returns is not None, node.name


def test_the_distribution_states_what_it_is(tmp_path):
    import tomllib

    folder = create("my-own-thing", "provider", tmp_path)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]

    assert project["name"] == "my-own-thing"
    assert project["entry-points"] == {"llm_gateway.providers": {"my-own-thing": "my_own_thing:MyOwnThing"}}
    assert project["dependencies"] == ["llm-gateway-sdk>=0.1,<0.2"]


def test_nothing_of_the_template_language_is_left(tmp_path):
    for kind in ("plugin", "provider", "adapter"):
        for file in create(f"my-{kind}", kind, tmp_path).rglob("*"):
            assert not file.is_file() or "$" not in file.read_text(), file


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("MyPlugin", "'my-plugin' would do"),
        ("my_plugin", "'my-plugin' would do"),
        ("7up", "lower-case letters"),
        ("../up", "'up' would do"),
        ("logging", "try 'my-logging'"),
        ("class", "try 'my-class'"),
    ],
)
def test_a_name_that_can_not_be_is_reported_with_one_that_can(name, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        create(name, "plugin", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_is_reported(tmp_path):
    with pytest.raises(ValueError, match="known: plugin, provider, adapter"):
        create("mine", "dialect", tmp_path)


def test_a_folder_that_is_there_is_left_alone(tmp_path, capsys):
    assert main(["new", "mine", "--directory", str(tmp_path)]) == 0
    before = (tmp_path / "mine" / "README.md").read_text()

    assert main(["new", "mine", "--directory", str(tmp_path)]) == 2

    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "mine" / "README.md").read_text() == before


def test_the_command_prints_the_next_steps(tmp_path, capsys):
    main(["new", "mine", "--kind", "adapter", "--directory", str(tmp_path)])

    assert "cd " in capsys.readouterr().out
    assert (tmp_path / "mine" / "src" / "mine" / "adapter.py").is_file()
