"""The examples run as they are and do what their comments say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from official_clients import Question, ask
from served_gateway import ServedGateway

from llm_gateway.loading import load

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KEYS = {"OPENAI_API_KEY": "sk-openai", "ANTHROPIC_API_KEY": "sk-anthropic"}

Example = Callable[[str], ServedGateway]


@pytest.fixture(scope="module")
def example(serve: Any) -> Example:
    served: dict[str, ServedGateway] = {}

    def start(name: str) -> ServedGateway:
        if name not in served:
            served[name] = serve((EXAMPLES / name / "gateway.yaml").read_text())
        return served[name]

    return start


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("**/*.yaml")), ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_each_configuration_loads(file: Path) -> None:
    if "models:" in file.read_text():
        assert load(file, environ=KEYS).config.projects


def test_quickstart_answers_and_falls_back(example: Example) -> None:
    served = example("quickstart")

    with served.http() as http:
        body = {"messages": [{"role": "user", "content": "fail 503 on echo-std"}], "max_tokens": 100}
        reply = http.post("/test/anthropic/v1/messages", json=body)

    assert ask(served, "anthropic", Question("Hello, world!"), project="/test").text == "Hello, world!"
    assert reply.headers["x-llm-gateway-model"] == "gpt-mini"


def test_limits_refuse_each_key_by_itself(example: Example) -> None:
    served = example("limits")
    body = {"model": "gpt", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}

    def statuses(key: str, count: int, **more: Any) -> list[int]:
        with served.http(headers={"authorization": f"Bearer {key}"}) as http:
            return [http.post("/v1/chat/completions", json={**body, **more}).status_code for _ in range(count)]

    assert statuses("key-of-ann", 7) == [200] * 5 + [429] * 2
    assert statuses("key-of-bob", 1) == [200]
    assert statuses("key-of-bob", 1, max_tokens=2000) == [429], "the budget of the day does not have so much"


def test_projects_inherit_and_differ(example: Example) -> None:
    served = example("projects")

    production = ask(served, "anthropic", Question("Hi", model="claude-x"), project="/production", key="prod-key-123")
    development = ask(served, "anthropic", Question("Hi", model="claude-x"), project="/development")

    assert (production.text, development.text) == ("large: Hi", "Hi")
    with pytest.raises(openai.AuthenticationError):
        ask(served, "openai chat", Question("Hi", model="small"), project="/production")
    with pytest.raises(openai.NotFoundError):
        ask(served, "openai chat", Question("Hi", model="other"), project="/production", key="prod-key-123")
    with pytest.raises(openai.NotFoundError):
        ask(served, "openai chat", Question("Hi", model="small"))


def test_routing_goes_by_tier_share_and_failure(example: Example) -> None:
    served = example("routing")

    def answered(model: str, text: str = "Hello") -> str:
        with served.http() as http:
            body = {"model": model, "messages": [{"role": "user", "content": text}]}
            return str(http.post("/v1/chat/completions", json=body).headers["x-llm-gateway-model"])

    assert answered("gold") == "best"
    assert answered("gold", "fail 503 on echo-best") == "spare"
    assert {answered("standard") for _ in range(60)} == {"cheap-a", "cheap-b"}
    assert answered("anything") == "cheap-a"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_redaction_hides_and_refuses(example: Example, stream: bool) -> None:
    served = example("redaction")

    answer = ask(served, "openai chat", Question("My number is 078-05-1120, me@example.com."), stream=stream)

    assert answer.text.startswith("My number is [REDACTED|SSN], [REDACTED|EMAIL]")
    with pytest.raises(openai.APIStatusError):
        ask(served, "openai chat", Question("-----BEGIN RSA PRIVATE KEY-----"), stream=stream)


def test_prompts_reach_the_model(example: Example) -> None:
    served = example("prompts")

    for project in ("/support", "/translation"):
        question = Question("Hello", system="Answer in French.", model="parrot")
        assert ask(served, "openai chat", question, project=project).text == "Hello"
