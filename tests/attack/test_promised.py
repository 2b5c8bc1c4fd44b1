"""What SECURITY.md and docs/operations.md state and no other test shows, on one running gateway.

`tests/statements` has the tests of each statement.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from under_attack import PATHS, PYTHON, Attacked, Provider, Reply, Sent, answering, asking, comes_true, free_port, model

KEY = "a-key-of-the-team-of-some-length"
KNOWN = {"authorization": f"Bearer {KEY}"}
AUTHENTICATION = {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": [KEY]}}
HIDER = {"name": "hide", "type": "regex-hider", "config": {"patterns": [{"pattern": "secret-\\d+"}]}}
RECORDER = {"name": "recorder", "type": "recorder"}
RECORDERS = """
import asyncio
from pathlib import Path

from llm_gateway_sdk import Plugin, plugin_metadata

FILE = Path(__file__).with_name("records.txt")


def write(line):
    with FILE.open("a") as file:
        file.write(line + "\\n")


@plugin_metadata(name="recorder", description="Writes a line for each request, as a plugin that traces does.")
class Recorder(Plugin):
    async def detached_after_response(self, ctx):
        await asyncio.sleep(0.3)
        write(f"{ctx.http_request.path} {getattr(ctx.error, 'recorded_kind', 'ok')}")

    async def close(self):
        write("closed")
"""


def records(attacked: Attacked) -> list[str]:
    file = attacked.folder / "records.txt"
    return file.read_text().splitlines() if file.exists() else []


@pytest.fixture(scope="module")
def provider(provide: Callable[..., Provider]) -> Provider:
    return provide()


@pytest.fixture(scope="module")
def gateway(attack: Callable[..., Attacked], provider: Provider) -> Attacked:
    """Keys for all; `native` lists a path of the vendor, `hiding` too, with a plugin that must see what goes out."""
    return attack(
        {
            "models": [model(dialect, provider.url, dialect) for dialect in ("chat", "anthropic", "responses")],
            "availablePlugins": [{"path": "./recorders.py"}],
            "plugins": [AUTHENTICATION, RECORDER],
            "projects": [
                {"name": "open", "plugins": [{**AUTHENTICATION, "enabled": False}]},
                {"name": "native", "nativePaths": ["/v1/fine_tuning"]},
                {"name": "hiding", "nativePaths": ["/v1/fine_tuning"], "plugins": [HIDER]},
                {
                    "name": "trusting",
                    "nativePaths": ["/v1/fine_tuning"],
                    "allowUnseenNative": True,
                    "plugins": [HIDER],
                },
            ],
            "store": {"url": "memory:"},
            "server": {"limits": {"maxBodyBytes": "40MB"}},
        },
        files={"recorders.py": RECORDERS},
        host=None,
        fork=False,  # its memory is measured
    )


def test_without_a_host_other_addresses_of_the_machine_are_closed(gateway: Attacked) -> None:
    with socket.socket() as other:
        other.settimeout(5)
        refused = other.connect_ex(("127.0.0.2", gateway.port))

    assert refused != 0, "all of 127.0.0.0/8 answers where a server listens on every address"
    assert gateway.http.get("/health/live").status_code == 200


def test_it_does_not_speak_tls(gateway: Attacked) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"https://127.0.0.1:{gateway.port}/health/live", verify=False, trust_env=False)


@pytest.mark.parametrize(
    ("project", "status", "sent"), [("", 404, 0), ("/native", 200, 1), ("/hiding", 403, 0), ("/trusting", 200, 1)]
)
def test_native_endpoints_are_off_and_nothing_unseen_goes_out(
    gateway: Attacked, provider: Provider, project: str, status: int, sent: int
) -> None:
    provider.answer = lambda sent: Reply({"id": "job"})
    provider.sent.clear()

    reply = gateway.http.post(f"{project}/openai/v1/fine_tuning/jobs", json={"x": "secret-1"}, headers=KNOWN)

    assert reply.status_code == status
    assert len(provider.sent) == sent


@pytest.mark.parametrize("end", [{"previous_response_id": "@"}, {"input": [{"type": "item_reference", "id": "@item"}]}])
def test_what_is_kept_in_one_project_does_not_exist_in_another(
    gateway: Attacked, provider: Provider, end: dict[str, Any]
) -> None:
    provider.answer = answering()
    body = asking("responses", "remember 4711", name="chat")
    kept = gateway.http.post("/v1/responses", json=body, headers=KNOWN).json()
    text = json.dumps({**body, "input": "what?", **end}).replace("@item", kept["output"][0]["id"])
    body = json.loads(text.replace("@", kept["id"]))

    assert gateway.http.get(f"/v1/responses/{kept['id']}", headers=KNOWN).status_code == 200
    assert gateway.http.post("/v1/responses", json=body, headers=KNOWN).status_code == 200
    assert gateway.http.get(f"/native/v1/responses/{kept['id']}", headers=KNOWN).status_code == 404
    assert gateway.http.delete(f"/native/v1/responses/{kept['id']}", headers=KNOWN).status_code == 404
    elsewhere = gateway.http.post("/native/v1/responses", json=body, headers=KNOWN)
    assert elsewhere.status_code == 400
    assert "not found" in elsewhere.text


def test_what_a_key_has_made_is_not_given_to_the_next_key_of_the_list(
    attack: Callable[..., Attacked], provider: Provider, tmp_path: Path
) -> None:
    def served(keys: list[str]) -> Attacked:
        plugin = {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": keys}}
        store = {"url": f"sqlite:{tmp_path / 'state.db'}"}
        return attack({"models": [model("chat", provider.url)], "plugins": [plugin], "store": store})

    before = served(["key-of-ann-1234", "key-of-bob-1234"])
    made = before.http.post("/v1/conversations", json={}, headers={"x-api-key": "key-of-ann-1234"})
    path = f"/v1/conversations/{made.json()['id']}"
    assert before.http.get(path, headers={"x-api-key": "key-of-ann-1234"}).status_code == 200
    before.stop()

    after = served(["key-of-bob-1234", "key-of-ann-1234"])
    assert after.http.get(path, headers={"x-api-key": "key-of-bob-1234"}).status_code == 404
    assert after.http.get(path, headers={"x-api-key": "key-of-ann-1234"}).status_code == 200


def test_without_authentication_all_callers_are_one_to_a_provider_that_keeps_responses(
    gateway: Attacked, provider: Provider
) -> None:
    provider.answer = answering()
    body = {**asking("responses", name="responses"), "previous_response_id": "resp_of_somebody"}
    provider.sent.clear()

    assert gateway.http.post("/v1/responses", json=body, headers=KNOWN).status_code == 400
    assert gateway.http.post("/open/v1/responses", json=body).status_code == 200
    assert [sent.json["previous_response_id"] for sent in provider.sent] == ["resp_of_somebody"]


def test_a_refusal_from_the_head_leaves_no_record_and_that_of_a_whole_request_does(gateway: Attacked) -> None:
    body = json.dumps(asking("anthropic", name="anthropic")).encode()
    head = f"POST /v1/messages?whole HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    for data in (head.replace(b"whole", b"head"), head + body):
        with closing(socket.create_connection(("127.0.0.1", gateway.port), 10)) as client:
            client.sendall(data)
            assert client.recv(4096).split()[1] == b"401"

    def of_this() -> list[str]:
        return [line for line in records(gateway) if line == "/v1/messages authentication"]

    assert gateway.wait_for(lambda: len(of_this()) > 0)
    gateway.http.post(PATHS["chat"], json=asking("chat", name="chat"), headers=KNOWN)
    assert gateway.wait_for(lambda: records(gateway)[-1] == f"{PATHS['chat']} ok"), "what ended before it is written"
    assert len(of_this()) == 1


def status_of(pid: int, name: str) -> int:
    """A line of the kernel's, such as `VmRSS`, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads what the kernel reports of another process")


@linux
def test_each_request_in_flight_is_two_descriptors(gateway: Attacked, provider: Provider) -> None:
    go_on = Event()

    def wait(sent: Sent) -> Reply:
        go_on.wait(20)
        return answering()(sent)

    def descriptors() -> int:
        return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))

    provider.answer, count = wait, 20
    provider.sent.clear()
    with httpx.Client(trust_env=False, timeout=30) as http, ThreadPoolExecutor(count) as threads:
        before = descriptors()
        path = gateway.url + PATHS["chat"]
        asked = [threads.submit(http.post, path, json=asking("chat", name="chat"), headers=KNOWN) for _ in range(count)]
        try:
            assert comes_true(lambda: len(provider.sent) == count)
            assert count < descriptors() - before <= 2 * count
        finally:
            go_on.set()
        assert {each.result().status_code for each in asked} == {200}


@linux
def test_a_worker_takes_about_as_much_memory_as_operators_plan_for(tmp_path: Path) -> None:
    """70 MB, with the measure's own inaccuracy, of a process that has imported nothing else."""
    (tmp_path / "gateway.yaml").write_text("models: [{name: m, isDefault: true, provider: {type: echo}}]\n")
    port = free_port()
    command = [PYTHON, "-m", "llm_gateway", "start", "--config", str(tmp_path / "gateway.yaml"), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            assert comes_true(lambda: is_ready(port), 60)
            assert status_of(process.pid, "VmRSS") < 90e6
        finally:
            process.terminate()


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@linux
def test_a_body_takes_about_as_much_memory_as_operators_plan_for(gateway: Attacked, provider: Provider) -> None:
    """Four times a body that is translated, with the measure's own inaccuracy."""
    provider.answer = answering()
    at_rest = status_of(gateway.process.pid, "VmRSS")
    text = "w " * (5 << 20)

    reply = gateway.http.post(PATHS["anthropic"], json=asking("anthropic", text, name="chat"), headers=KNOWN)

    assert reply.status_code == 200
    assert status_of(gateway.process.pid, "VmHWM") - at_rest < 5 * len(text)


def test_a_drain_ends_requests_then_hooks_and_what_is_cut_off_is_recorded_as_that(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    """The exit code is 0, and plugins have been closed."""
    hangs = Event()
    provider = provide(lambda sent: Reply({"hung": hangs.wait(20)}))
    gateway = attack(
        {
            "models": [model("chat", provider.url, "chat")],
            "availablePlugins": [{"path": "./recorders.py"}],
            "plugins": [RECORDER],
            "server": {"limits": {"drainTimeout": "1s"}},
        },
        files={"recorders.py": RECORDERS},
    )
    try:
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(gateway.http.post, PATHS["chat"], json=asking("chat", name="chat"))
            assert comes_true(lambda: len(provider.sent) == 1)
            gateway.process.send_signal(signal.SIGTERM)
            reply = asked.result()
        ended = gateway.process.wait(20)
    finally:
        hangs.set()

    assert reply.status_code == 503
    assert ended == 0
    assert records(gateway) == [f"{PATHS['chat']} shutting_down", "closed"]
    assert "failed: 503 shutting_down" in gateway.log
