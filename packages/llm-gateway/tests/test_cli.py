import json
import subprocess
import sys

import pytest

from llm_gateway import cli
from llm_gateway.loading import load_text

CONFIG = """
availablePlugins: [{path: ./extensions.py}]
adapters: [{name: spoken}]
models:
  - {name: gpt, isDefault: true, provider: {type: made, config: {apiKey: "${KEY}", timeout: 15s}}}
plugins:
  - {name: words, type: guard, config: {words: [x]}}
projects:
  - name: own
    maxRetries: 1
"""


@pytest.fixture
def file(folder, monkeypatch):
    (folder / "gateway.yaml").write_text(CONFIG)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("KEY", "sk-canary-0123456789")
    return "gateway.yaml"


def test_help_loads_no_web_server_http_client_schema_or_plugin():
    code = (
        "import sys\n"
        "from llm_gateway.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *sorted(sys.modules))\n"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    loaded = set(output.rpartition("LOADED")[2].split())
    heavy = {"starlette", "uvicorn", "httpx", "aiohttp", "pydantic", "jsonschema", "yaml", "orjson", "asyncio"}
    assert not loaded & heavy
    assert not {name for name in loaded if name.startswith("llm_gateway_")}
    assert "examples:" in output


@pytest.mark.parametrize(
    "arguments",
    [[], ["start"], ["check"], ["explain"], ["init"], ["plugins"], ["plugins", "new"], ["plugins", "docs"], ["schema"]],
)
def test_every_help_teaches_by_example(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--help"])

    assert caught.value.code == 0
    assert "examples:\n  llm-gateway" in capsys.readouterr().out


def test_without_a_command_the_help_is_shown(capsys):
    assert cli.main([]) == 0
    assert "commands:" in capsys.readouterr().out


def test_check_tells_that_a_file_is_valid(file, capsys):
    assert cli.main(["check"]) == 0
    assert capsys.readouterr().out == "gateway.yaml is valid: 2 projects, 1 model, 1 plugin\n"


def test_check_tells_problems_and_ends_with_2(file, folder, capsys):
    (folder / "gateway.yaml").write_text(CONFIG + "serve: 1\nmaxRetires: 2\n")

    assert cli.main(["check"]) == 2
    errors = capsys.readouterr().err
    assert 'gateway.yaml:11: serve: unknown key "serve"; did you mean "server"?' in errors
    assert 'gateway.yaml:12: maxRetires: unknown key "maxRetires"; did you mean "maxRetries"?' in errors
    assert "2 problems; nothing was started." in errors


def test_check_gives_problems_as_json(file, folder, capsys):
    (folder / "gateway.yaml").write_text("models: 1")

    assert cli.main(["check", "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["valid"] is False
    assert answer["problems"][0] == {
        "message": "expected a list, found 1",
        "path": "models",
        "file": "gateway.yaml",
        "line": 1,
    }


def test_explain_tells_values_and_origins_and_masks_secrets(file, capsys):
    assert cli.main(["explain", "--project", "own"]) == 0
    output = capsys.readouterr().out
    lines = {line.partition(":")[0].strip(): line for line in output.splitlines()}

    assert "# gateway.yaml:10" in lines["maxRetries"]
    assert "# default" in lines["maxTurns"]
    assert "canary" not in output
    assert "# environment KEY (gateway.yaml:5, inherited)" in lines["apiKey"]
    assert "15000" in lines["timeout"] or "timeout: 15000" in output
    assert "mode: refuse" in output


def test_what_explain_prints_is_yaml(file, capsys):
    import yaml

    cli.main(["explain"])

    explained = yaml.safe_load(capsys.readouterr().out)
    assert explained["project"]["models"][0]["provider"]["type"] == "made"
    assert explained["server"]["limits"]["maxBodyBytes"] == "64MiB"


def test_explain_of_an_unknown_project_names_the_known(file, capsys):
    assert cli.main(["explain", "--project", "onw"]) == 2
    assert 'unknown project "onw"; did you mean "own"?' in capsys.readouterr().err


def test_init_writes_a_commented_file_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    assert cli.main(["init"]) == 0
    assert cli.main(["init"]) == 2
    assert cli.main(["init", "--force"]) == 0
    assert "is there already" in capsys.readouterr().err


def test_the_file_that_init_writes_is_valid_also_with_its_comments_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli.main(["init"])
    text = (tmp_path / "gateway.yaml").read_text()
    environ = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2", "GATEWAY_KEY": "key-1234567890"}

    assert load_text(text, environ={}).config.projects["test"].default_model == "echo"
    uncommented = "\n".join(
        line[1:] if line.startswith("# ") is False and line[:1] == "#" else line for line in text.splitlines()
    )
    result = load_text(uncommented, environ=environ)
    assert [model.name for model in result.config.projects["test"].models] == ["echo", "gpt", "claude", "local"]


def test_plugins_list_shows_kind_version_and_hooks(file, capsys):
    assert cli.main(["plugins", "list", "--config", file, "--json"]) == 0

    listed = {(each["kind"], each["name"]): each for each in json.loads(capsys.readouterr().out)}
    assert listed["plugin", "guard"]["hooks"] == ["before_model"]
    assert listed["plugin", "guard"]["version"] == "1.2.0"
    assert listed["provider", "echo"]["distribution"] == "llm-gateway"


def test_plugins_docs_prints_options_defaults_an_example_and_hooks(file, capsys):
    assert cli.main(["plugins", "docs", "guard", "--config", file]) == 0
    page = capsys.readouterr().out

    assert page.startswith("# guard\n")
    assert "| `words` | list of text | required | What is refused. |" in page
    assert '| `mode` | `refuse`, `mask` | `"refuse"` |' in page
    assert "type: guard\n  config:\n    words:\n    - secret\n" in page
    assert "- `before_model`" in page


def test_plugins_docs_of_an_unknown_name_names_the_known(capsys):
    assert cli.main(["plugins", "docs", "model-ruoter"]) == 2
    assert 'did you mean "model-router"?' in capsys.readouterr().err


def test_start_without_a_file_refuses_other_addresses(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    assert cli.main(["start", "--host", "0.0.0.0"]) == 2
    assert "listens on this machine only" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--workers", "0"], ["--port", "x"]])
def test_start_refuses_numbers_that_can_not_be(arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main(["start", *arguments])
    assert caught.value.code == 2


def test_version_tells_gateway_sdk_and_python(capsys):
    assert cli.main(["version"]) == 0
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.count("llm-gateway 0.") == 2
