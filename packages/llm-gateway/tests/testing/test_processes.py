"""A forked gateway is one that was started, as far as a test can see."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from llm_gateway.testing.processes import GatewayProcess, run_command

PLUGIN = """
from llm_gateway_sdk import Plugin, plugin_metadata

@plugin_metadata(name="shout", version="1.0.0", configuration_schema={})
class Shout(Plugin):
    pass
"""
CONFIG = {"models": [{"name": "m", "isDefault": True, "provider": {"type": "echo"}}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gateway.yaml").write_text(json.dumps(CONFIG))
    return tmp_path


def address(process: GatewayProcess, log: Path) -> str:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"listening on (http://[\d.:]+)", log.read_text()):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(log.read_text())


def test_it_serves_the_file_of_its_folder_and_drains(folder: Path) -> None:
    log = folder / "log"
    process = GatewayProcess(["start", "--host", "127.0.0.1", "--port", "0"], cwd=folder, output=log)
    url = address(process, log)

    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]}).encode()
    asked = urllib.request.Request(f"{url}/openai/v1/chat/completions", body, {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=10) as reply:
        answer = json.load(reply)
    process.terminate()

    assert answer["choices"][0]["message"]["content"] == "hello"
    assert process.wait(20) == 0
    assert "stopped after" in log.read_text()


def test_a_signal_that_ends_it_is_its_exit_status(folder: Path) -> None:
    log = folder / "log"
    process = GatewayProcess(["start", "--host", "127.0.0.1", "--port", "0"], cwd=folder, output=log)
    address(process, log)

    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.kill()

    assert process.wait(10) == process.returncode == -signal.SIGKILL
    process.terminate()  # of what has ended: nothing happens


def test_a_command_ends_with_its_status_and_what_it_printed(folder: Path) -> None:
    good = run_command(["check"], cwd=folder)
    bad = run_command(["check", "-c", "missing.yaml"], cwd=folder)

    assert (good.returncode, bad.returncode) == (0, 2)
    assert "gateway.yaml is valid" in good.stdout
    assert "missing.yaml: there is no such file" in bad.stderr


def test_it_has_the_environment_that_is_given_and_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_TEST", "x")
    (folder / "gateway.yaml").write_text(json.dumps({"models": [{**CONFIG["models"][0], "name": "${OF_THE_TEST}"}]}))
    plain = {name: value for name, value in os.environ.items() if name != "OF_THE_TEST"}

    assert "OF_THE_TEST" in run_command(["check"], cwd=folder, env=plain).stderr
    assert run_command(["check"], cwd=folder, env={**plain, "OF_THE_TEST": "m"}).returncode == 0


def test_what_only_a_new_interpreter_reads_is_given_to_one(folder: Path) -> None:
    """Python reads where its modules are when it starts."""
    (folder / "modules").mkdir()
    (folder / "modules" / "shout.py").write_text(PLUGIN)
    available = [{"module": "shout"}]
    plugins = [{"name": "loud", "type": "shout"}]
    (folder / "gateway.yaml").write_text(json.dumps({**CONFIG, "availablePlugins": available, "plugins": plugins}))

    assert run_command(["check"], cwd=folder, env={**os.environ, "PYTHONPATH": "modules"}).returncode == 0
    assert "shout" in run_command(["check"], cwd=folder).stderr


def test_two_gateways_draw_different_ids(folder: Path) -> None:
    """Each of a server's processes is forked from one that has drawn some."""
    script = """
import os
from llm_gateway.exchange.services import new_id

new_id("")
child = os.fork()
if child:
    os.waitpid(child, 0)
print(new_id(""), flush=True)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert len(set(found.stdout.split())) == 2
