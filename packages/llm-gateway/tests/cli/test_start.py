"""`llm-gateway start`, up to a served request."""

from __future__ import annotations

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

import pytest
from command_line import CONFIG, QUICK_START

from llm_gateway import cli


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


def test_start_serves_the_quick_start_and_lists_what_it_serves(served):
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
    # The last lines, without the id of the request before.
    end = r"stopping: 0 requests in flight have up to 30 s\n.* stopped after \d\.\d s: 0 requests finished\n$"
    assert re.search(end, log)


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


def test_start_on_a_port_in_use_is_refused_before_anything_starts(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["start", "--config", str(QUICK_START), "--port", str(port)]) == 1

    output = capsys.readouterr()
    assert "in use" in output.err
    assert f"--port {port + 1}" in output.err
    assert "Address" not in output.out
