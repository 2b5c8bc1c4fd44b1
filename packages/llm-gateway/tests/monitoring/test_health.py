"""Health, readiness and `Server-Timing`."""

from __future__ import annotations

import re
from collections.abc import Callable

from monitored_gateway import Monitored

from llm_gateway_sdk import Plugin, RequestContext, plugin_metadata

Start = Callable[..., Monitored]

ECHO = "models: [{name: echo, isDefault: true, provider: {type: echo}}]\n"


def test_health_has_version_and_checks(monitored: Start) -> None:
    answer = monitored(ECHO).get("/health")

    assert answer.status == 200
    found = answer.json()
    assert found["status"] == "ok"
    assert found["checks"] == {"started": True, "accepting": True, "configuration": True}
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", found["version"])
    assert answer.headers["cache-control"] == "no-store"


def test_a_draining_gateway_is_alive_and_not_ready_and_states_why(monitored: Start) -> None:
    client = monitored(ECHO)
    client.app.draining = True

    ready = client.get("/health/ready")
    assert (ready.status, ready.json()["failed"]) == (503, ["accepting"])
    assert client.get("/health").status == 503
    assert client.get("/health/live").status == 200


def test_a_gateway_that_has_not_started_is_not_ready_and_states_why(monitored: Start) -> None:
    client = monitored(ECHO)
    client.control.ready_now = False

    ready = client.get("/health/ready")

    assert (ready.status, ready.json()["failed"]) == (503, ["started"])


def test_a_refused_configuration_shows_and_does_not_take_the_gateway_out_of_service(monitored: Start) -> None:
    client = monitored(ECHO)
    client.text = "models: [{name: broken}]"
    client.reload()

    ready = client.get("/health/ready")

    assert ready.status == 200
    assert ready.json()["checks"]["configuration"] is False


def test_the_health_endpoint_can_be_elsewhere(monitored: Start) -> None:
    client = monitored(ECHO + "monitoring: {health_check: {endpoint: /status, interval: 30}}")

    assert [client.get(path).status for path in ("/status", "/status/live", "/status/ready")] == [200] * 3
    assert client.get("/health").status == 404


@plugin_metadata(name="noop")
class Noop(Plugin):
    def before_model(self, ctx: RequestContext) -> None:
        pass


def test_server_timing_names_stages_and_plugins_for_those_who_ask(monitored: Start) -> None:
    client = monitored(ECHO + "plugins: [{name: mine, type: noop}]", extensions=[Noop])

    plain = client.chat("hello")
    asked = client.chat("hello", headers={"x-llm-gateway-timing": "1"})
    streamed = client.chat("hello", stream=True, headers={"x-llm-gateway-timing": "1"})

    assert "server-timing" not in plain.headers
    for answer in (asked, streamed):
        entries = answer.headers["server-timing"].split(", ")
        assert all(re.fullmatch(r'[a-z]+(;desc="[^"]+")?;dur=\d+\.\d+', entry) for entry in entries), entries
        assert entries[0].startswith("total;dur=")
        assert entries[1].startswith('upstream;desc="echo";dur=')
        assert entries[2].startswith('plugin;desc="mine.before_model";dur=')


def test_server_timing_can_be_sent_with_every_reply(monitored: Start) -> None:
    client = monitored(ECHO + "monitoring: {serverTiming: true}")

    assert "server-timing" in client.chat("hello").headers
    assert "server-timing" in client.chat("fail 503").headers
