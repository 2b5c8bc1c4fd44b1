import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

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
    [
        [],
        ["start"],
        ["check"],
        ["explain"],
        ["init"],
        ["plugins"],
        ["plugins", "new"],
        ["plugins", "docs"],
        ["schema"],
        ["completion"],
    ],
)
def test_every_help_teaches_by_example(arguments, capsys):
    assert cli.main([*arguments, "--help"]) == 0
    assert "examples:\n  llm-gateway" in capsys.readouterr().out


def test_without_a_command_the_help_is_shown(capsys):
    assert cli.main([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_check_tells_that_a_file_is_valid(file, capsys):
    assert cli.main(["check"]) == 0
    assert capsys.readouterr().out == "gateway.yaml is valid: 2 projects, 1 model, 1 plugin\n"


def test_check_tells_problems_and_ends_with_2(file, folder, capsys):
    (folder / "gateway.yaml").write_text(CONFIG + "serve: 1\nmaxRetires: 2\n")

    assert cli.main(["check"]) == 2
    errors = capsys.readouterr().err
    assert 'gateway.yaml:11: serve: unknown key "serve"; did you mean "server"?' in errors
    assert 'gateway.yaml:12: maxRetires: unknown key "maxRetires"; did you mean "maxRetries"?' in errors
    assert errors.endswith("\n2 problems.\n")


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
    assert "exists already" in capsys.readouterr().err


def test_the_file_that_init_writes_is_valid_also_with_its_comments_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli.main(["init"])
    text = (tmp_path / "gateway.yaml").read_text()
    environ = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2", "GATEWAY_KEY": "key-1234567890"}

    assert load_text(text, environ={}).config.projects["test"].default_model == "echo"
    uncommented = "\n".join(line.replace("#", "", 1) if line.startswith("#  ") else line for line in text.splitlines())
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
    assert "type: guard\n    config:\n      words:\n        - secret\n" in page
    assert "- `before_model`" in page


def test_plugins_docs_of_a_vendor_shows_its_provider_and_its_adapter(capsys):
    assert cli.main(["plugins", "docs", "openai"]) == 0
    page = capsys.readouterr().out

    assert "- Kind: provider" in page
    assert "- Kind: adapter" in page
    assert "| `streamIdleTimeout` | duration |" in page


def test_plugins_docs_of_an_unknown_name_names_the_known(capsys):
    assert cli.main(["plugins", "docs", "model-ruoter"]) == 2
    assert 'did you mean "model-router"?' in capsys.readouterr().err


def test_start_finds_the_file_of_the_folder(file, folder, capsys):
    (folder / "gateway.yaml").write_text("serve: 1\n")

    assert cli.main(["start"]) == 2
    assert "gateway.yaml:1: serve" in capsys.readouterr().err


def test_start_can_be_asked_to_ignore_the_file_of_the_folder(file, folder, capsys):
    (folder / "gateway.yaml").write_text("serve: 1\n")

    assert cli.main(["start", "--no-config", "--host", "0.0.0.0"]) == 2
    assert "without a configuration" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["LLM_GATEWAY_PORT", "PORT"])
def test_the_port_is_taken_from_the_environment(name, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv(name, str(port))
        assert cli.main(["start", "--config", str(QUICK_START)]) == 1

    assert f"port {port}" in capsys.readouterr().err


def test_an_address_that_kubernetes_sets_is_not_a_port(monkeypatch, capsys):
    monkeypatch.setenv("LLM_GATEWAY_PORT", "tcp://10.0.0.1:80")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        assert cli.main(["start", "--config", str(QUICK_START)]) == 1

    assert f"port {port}" in capsys.readouterr().err


def test_a_port_that_is_not_a_number_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("PORT", "http")

    assert cli.main(["start", "--config", str(QUICK_START)]) == 2
    assert "http" in capsys.readouterr().err


def test_empty_variables_of_the_environment_are_not_settings(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "")
    monkeypatch.setenv("LLM_GATEWAY_WORKERS", "")

    assert cli.main(["start", "--host", "0.0.0.0"]) == 2
    assert "without a configuration" in capsys.readouterr().err


def test_the_configuration_is_named_by_the_environment(file, folder, monkeypatch, capsys):
    (folder / "other.yaml").write_text(CONFIG)
    monkeypatch.setenv("LLM_GATEWAY_CONFIG", "other.yaml")

    assert cli.main(["check"]) == 0
    assert "other.yaml is valid" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["strat"], 'no command "strat"; did you mean "start"?'),
        (["plugins", "lsit"], 'no command "lsit"; did you mean "list"?'),
        (["check", "--confg", "x"], "--config"),
        (["plugins"], "Commands:"),
    ],
)
def test_misspelled_commands_and_options_get_a_suggestion(arguments, hint, capsys):
    assert cli.main(arguments) == 2
    assert hint in "".join(capsys.readouterr())


@pytest.mark.parametrize(("shell", "words"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --")])
def test_completion_prints_the_script_of_the_shell(shell, words, capsys):
    assert cli.main(["completion", shell]) == 0
    assert words in capsys.readouterr().out


def test_the_script_of_completion_completes_commands():
    environ = {
        **os.environ,
        "_LLM_GATEWAY_COMPLETE": "bash_complete",
        "COMP_WORDS": "llm-gateway pl",
        "COMP_CWORD": "1",
    }
    output = subprocess.run(
        [sys.executable, "-m", "llm_gateway"], capture_output=True, text=True, check=False, env=environ
    ).stdout
    assert output == "plain,plugins\n"


@pytest.mark.parametrize("arguments", [["schema"], ["plugins", "list"], ["check", "--json"]])
def test_a_reader_that_leaves_early_is_not_an_error(arguments, file):
    command = f"{sys.executable} -m llm_gateway {' '.join(arguments)} | head -c 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)

    assert result.stderr == ""


def test_strict_check_fails_on_notices(file, folder, capsys):
    (folder / "gateway.yaml").write_text(CONFIG + "maxTurns: 3\n")

    assert cli.main(["check", "--strict"]) == 0


def test_commands_of_other_distributions_are_found(monkeypatch, capsys):
    from importlib.metadata import EntryPoint

    from llm_gateway.cli import commands

    entry = EntryPoint("weather", "llm_gateway.cli.version:command", "llm_gateway.commands")
    monkeypatch.setattr(commands, "entry_points", lambda group: [entry])
    monkeypatch.setattr(cli.application, "_found", None)

    assert cli.main(["weather"]) == 0
    assert "llm-gateway 0." in capsys.readouterr().out


def test_start_without_a_file_refuses_other_addresses(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    assert cli.main(["start", "--host", "0.0.0.0"]) == 2
    assert "listens on this machine only" in capsys.readouterr().err


def test_start_without_a_file_has_nothing_to_reload(capsys):
    assert cli.main(["start", "--reload"]) == 2
    assert "nothing to watch" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--workers", "0"], ["--port", "x"]])
def test_start_refuses_numbers_that_can_not_be(arguments):
    assert cli.main(["start", *arguments]) == 2


def test_version_tells_gateway_sdk_and_python(capsys):
    assert cli.main(["version"]) == 0
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.count("llm-gateway 0.") == 2


QUICK_START = Path(__file__).parents[3] / "examples" / "quickstart" / "gateway.yaml"


@pytest.fixture
def served():
    """Starts the command with arguments, waits for its address, and ends it."""
    running = []

    def start(*arguments, **environ):
        command = [sys.executable, "-m", "llm_gateway", "start", "--port", "0", *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environ}
        )
        running.append(process)
        printed = ""
        while "-d '" not in printed:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            printed += line
        return process, printed

    yield start
    for process in running:
        process.kill()
        process.wait(10)
        process.stdout.close()
        process.stderr.close()


def ask(printed, path, body):
    address = printed.partition("Address   ")[2].split()[0]
    request = urllib.request.Request(
        address + path,
        json.dumps(body).encode(),
        {"content-type": "application/json", "authorization": "Bearer nothing"},
    )
    for _ in range(100):
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return json.load(reply)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.1)
    raise AssertionError("the gateway did not open its port")


def test_start_serves_the_quick_start_and_tells_what_it_serves(served):
    process, printed = served("--config", str(QUICK_START))

    assert "/test  Test project" in printed
    assert "gpt-std (default) [echo], gpt-mini [echo]" in printed
    assert "router [model-router]" in printed
    body = {
        "model": "claude-sonnet-4-20250514",
        "messages": [{"role": "user", "content": "Hello, world!"}],
        "max_tokens": 100,
    }
    reply = ask(printed, "/test/anthropic/v1/messages", body)
    assert reply["type"] == "message"
    assert "Hello, world!" in reply["content"][0]["text"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    log = process.stderr.read()
    assert re.search(r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d INFO    llm_gateway.server  listening on http://127", log, re.M)
    assert "pages: health /health, metrics /metrics" in log
    assert "stopping: 0 requests in flight have up to 30 s" in log


def test_the_log_of_json_mode_holds_json_only(served, tmp_path):
    (tmp_path / "gateway.yaml").write_text(
        "logging: {format: json}\nmodels: [{name: a, isDefault: true, provider: {type: echo}}]\n"
        "plugins: [{name: log, type: logger}]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llm_gateway", "start", "-c", str(tmp_path / "gateway.yaml"), "--port", str(port)]
    with (tmp_path / "err").open("w") as err:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err)
    try:
        ask(f"Address   http://127.0.0.1:{port}", "/v1/chat/completions", {"model": "a", "messages": []})
    except urllib.error.HTTPError:
        pass
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert process.stdout.read() == b""
    process.stdout.close()

    lines = (tmp_path / "err").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    (request,) = [record for record in records if "request" in record]
    assert request["message"].startswith("generate ")
    assert request["request"]["project"]


def test_the_printed_request_works_as_it_is(served):
    _, printed = served("--config", str(QUICK_START))
    ask(
        printed,
        "/test/anthropic/v1/messages",
        {"model": "x", "max_tokens": 9, "messages": [{"role": "user", "content": "y"}]},
    )
    curl = printed.partition("Try it\n")[2].replace("\\\n", " ")

    reply = subprocess.run(shlex.split(curl), capture_output=True, text=True, check=True)

    assert json.loads(reply.stdout)["role"] == "assistant"


def test_start_without_a_file_serves_echo_on_this_machine(served, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.endswith("_API_KEY"):
            monkeypatch.delenv(name)

    _, printed = served()

    assert "http://127.0.0.1:" in printed
    assert "echo (default) [echo]" in printed


def test_start_on_a_port_in_use_says_so_before_anything_starts(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["start", "--config", str(QUICK_START), "--port", str(port)]) == 1

    output = capsys.readouterr()
    assert "in use" in output.err
    assert f"--port {port + 1}" in output.err
    assert "Address" not in output.out


@pytest.mark.parametrize("kind", ["plugin", "provider", "adapter"])
def test_plugins_new_makes_a_distribution_once(kind, tmp_path, capsys):
    arguments = ["plugins", "new", f"my-{kind}", "--kind", kind, "--directory", str(tmp_path)]

    assert cli.main(arguments) == 0
    assert "pip install -e" in capsys.readouterr().out
    assert (tmp_path / f"my-{kind}" / "pyproject.toml").is_file()
    assert cli.main(arguments) == 2
