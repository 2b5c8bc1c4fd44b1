"""Whatever a provider, a predicate or the life of a plugin raises: one request fails or one reload, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from under_attack import PATHS, Attacked, Provider, asking, command, model

EXTENSIONS = """
import asyncio
import sys

from llm_gateway_sdk import Choice, LLMResponse, Message, Plugin, Provider, TextPart, plugin_metadata


def act(how):
    match how:
        case "exit":
            sys.exit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "cancelled":
            raise asyncio.CancelledError
        case "generator exit":
            raise GeneratorExit
        case "base":
            raise BaseException("of no kind")
        case "bug":
            raise LookupError("of this extension")


class Raising(Provider):
    name = "raising"
    configuration_schema = {"type": "object"}

    async def configure(self, config):
        self.how, self.when = config["how"], config.get("when")

    async def execute(self, request, call):
        act(self.how)

    async def execute_streaming(self, request, call):
        if self.when == "later":
            part = TextPart(text="hello")
            yield LLMResponse(model="m", choices=[Choice(message=Message(role="assistant", content=[part]))])
            await asyncio.sleep(0.05)
        act(self.how)
        yield LLMResponse(model="m")


@plugin_metadata(name="choosy", version="1.0.0", configuration_schema={"type": "object"})
class Choosy(Plugin):
    async def configure(self, config):
        self.how = config["how"]

    def wants(self, phase, ctx):
        act(self.how)

    def before_model(self, ctx):
        pass


@plugin_metadata(name="counting", version="1.0.0", configuration_schema={"type": "object"})
class Counting(Choosy):
    def wants(self, phase, ctx):
        return True

    def metrics(self):
        act(self.how)

    async def close(self):
        act(self.how)


@plugin_metadata(name="dying", version="1.0.0", configuration_schema={"type": "object"})
class Dying(Plugin):
    async def configure(self, config):
        act(config["how"])
"""
RAISED = ("exit", "interrupt", "cancelled", "generator exit", "base", "bug")


def plugin(type_: str, how: str) -> dict[str, object]:
    return {"name": "p", "type": type_, "config": {"how": how}}


def configuration(provider: str, *projects: dict[str, object]) -> dict[str, object]:
    raising = [
        {
            "name": f"{how} {when}".replace(" ", "-"),
            "provider": {"type": "raising", "config": {"how": how, "when": when}},
        }
        for how in RAISED
        for when in ("first", "later")
    ]
    return {
        "models": [model("chat", provider, "well"), *raising],
        "availablePlugins": [{"path": "./extensions.py"}],
        "projects": list(projects),
        "admin": {"enabled": True, "apiKey": "an-administration-key"},
    }


@pytest.fixture(scope="module")
def attacked(attack: Callable[..., Attacked], provide: Callable[..., Provider]) -> Attacked:
    projects = [
        {"name": f"{kind}-{how}".replace(" ", "-"), "plugins": [plugin(kind, how)]}
        for kind in ("choosy", "counting")
        for how in RAISED
    ]
    return attack(configuration(provide().url, *projects), files={"extensions.py": EXTENSIONS})


@pytest.mark.parametrize("how", RAISED)
@pytest.mark.parametrize("when", ["first", "later"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", ["chat", "responses", "anthropic"])
def test_a_provider_ends_its_request_alone(how: str, when: str, stream: bool, client: str, attacked: Attacked) -> None:
    name = f"{how} {when}".replace(" ", "-")

    reply = attacked.http.post(PATHS[client], json=asking(client, name=name, stream=stream))

    assert reply.status_code >= 500 or (stream and when == "later" and "error" in reply.text)
    assert attacked.http.post(PATHS[client], json=asking(client, name="well")).status_code == 200


@pytest.mark.parametrize("how", RAISED)
def test_a_predicate_ends_its_request_alone(how: str, attacked: Attacked) -> None:
    path = f"/choosy-{how.replace(' ', '-')}{PATHS['chat']}"

    reply = attacked.http.post(path, json=asking("chat", name="well"))

    assert reply.status_code == 500
    assert attacked.http.get("/health/ready").status_code == 200


def test_figures_of_the_gateway_are_there_though_plugins_have_none(attacked: Attacked) -> None:
    reply = attacked.http.get("/metrics")

    assert reply.status_code == 200
    assert "llm_gateway_requests_total" in reply.text


def test_a_plugin_that_can_not_be_made_ready_or_closed_changes_nothing(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    projects = [{"name": how.replace(" ", "-"), "plugins": [plugin("counting", how)]} for how in RAISED]
    well = configuration(provide().url, *projects)
    attacked = attack(well, files={"extensions.py": EXTENSIONS})
    admin = {"authorization": "Bearer an-administration-key"}
    file = attacked.folder / "gateway.yaml"

    for how in RAISED:
        file.write_text(json.dumps({**well, "plugins": [plugin("dying", how)]}))
        assert attacked.http.post("/admin/reload", headers=admin).status_code == 422
    file.write_text(json.dumps({**well, "projects": []}))
    taken = attacked.http.post("/admin/reload", headers=admin)

    assert taken.status_code == 200
    assert attacked.http.post(PATHS["chat"], json=asking("chat", name="well")).status_code == 200
    assert attacked.stop() == 0


@pytest.mark.parametrize("text", ["import sys; sys.exit(4)", "raise SystemExit"])
def test_a_file_that_ends_the_program_is_a_problem_of_the_configuration(text: str, tmp_path: Path) -> None:
    (tmp_path / "extensions.py").write_text(text)
    (tmp_path / "gateway.yaml").write_text(
        json.dumps({"availablePlugins": [{"path": "./extensions.py"}], "models": []})
    )

    found = command("check", "--config", "gateway.yaml", folder=tmp_path)

    assert found.returncode not in (0, 4)
    assert "extensions.py" in found.stdout + found.stderr
    assert "Traceback" not in found.stderr
