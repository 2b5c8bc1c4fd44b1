"""Every client against every provider, streamed and not, through the official SDKs and real sockets."""

from __future__ import annotations

import pytest
from official_clients import CLIENTS, Question, ask
from scripted_upstream import INPUT_TOKENS, OUTPUT_TOKENS, THOUGHT, ScriptedUpstream
from served_gateway import ServedGateway, new_request_id

PROVIDERS = ["chat", "messages", "responses"]
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}

each_pair = pytest.mark.parametrize("provider", PROVIDERS)
each_client = pytest.mark.parametrize("client", CLIENTS)
streamed_or_not = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@each_client
@each_pair
@streamed_or_not
def test_a_text_is_answered(gateway: ServedGateway, client: str, provider: str, stream: bool) -> None:
    answer = ask(gateway, client, Question("Grüße, 世界!", model=provider), stream=stream)

    assert answer.text == "upstream heard: Grüße, 世界!"
    assert (answer.finish, answer.calls) == ("stop", [])
    assert (answer.input_tokens, answer.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)
    assert answer.pieces == (4 if stream else 1)


@each_client
@each_pair
@streamed_or_not
def test_a_system_prompt_arrives(gateway: ServedGateway, client: str, provider: str, stream: bool) -> None:
    answer = ask(gateway, client, Question("Hello", system="Be brief.", model=provider), stream=stream)

    assert answer.text == "upstream heard: Hello [system: Be brief.]"


@each_client
@each_pair
@streamed_or_not
def test_an_image_arrives(gateway: ServedGateway, client: str, provider: str, stream: bool) -> None:
    answer = ask(gateway, client, Question("What is this?", image=True, model=provider), stream=stream)

    assert answer.text == "upstream heard: What is this? [images: 1]"


@each_client
@each_pair
@streamed_or_not
def test_a_tool_is_called(gateway: ServedGateway, client: str, provider: str, stream: bool) -> None:
    question = Question('call weather {"city": "Paris"}', tools=True, model=provider)

    answer = ask(gateway, client, question, stream=stream)

    assert [(name, given) for _, name, given in answer.calls] == [("weather", {"city": "Paris"})]
    assert (answer.text, answer.finish) == ("", "tools")


@each_client
@each_pair
@streamed_or_not
def test_two_tools_are_called_at_once(gateway: ServedGateway, client: str, provider: str, stream: bool) -> None:
    question = Question('call weather {"city": "Paris"}\ncall weather {"city": "Łódź"}', tools=True, model=provider)

    answer = ask(gateway, client, question, stream=stream)

    assert [given for _, _, given in answer.calls] == [{"city": "Paris"}, {"city": "Łódź"}]
    assert len({call for call, _, _ in answer.calls}) == 2


@each_client
@each_pair
@streamed_or_not
def test_results_of_tools_arrive(gateway: ServedGateway, client: str, provider: str, stream: bool) -> None:
    results = [("call_a", "Paris", "rain"), ("call_b", "Łódź", "snow")]
    question = Question("Is it raining?", tools=True, results=results, model=provider)

    answer = ask(gateway, client, question, stream=stream)

    assert answer.text.endswith("[results: rain, snow]")


@each_client
@each_pair
@streamed_or_not
def test_thinking_is_shown(gateway: ServedGateway, client: str, provider: str, stream: bool) -> None:
    answer = ask(gateway, client, Question("think first", model=provider), stream=stream)

    assert answer.text == "upstream heard: think first"
    assert THOUGHT in answer.thinking


@each_client
@each_pair
def test_the_provider_is_asked_with_its_own_key_and_model(
    gateway: ServedGateway, upstream: ScriptedUpstream, client: str, provider: str
) -> None:
    request_id = new_request_id()

    ask(gateway, client, Question("Hello", model=provider), headers={"x-request-id": request_id})

    (received,) = upstream.received(request_id)
    assert received.path == PATHS[provider]
    assert received.body["model"] == f"{provider}-model"
    assert "sk-upstream" in received.headers.get("authorization", "") + received.headers.get("x-api-key", "")
    assert "sk-test" not in str(received.headers)


@each_pair
def test_a_conversation_with_tools_goes_round_through_each_client(gateway: ServedGateway, provider: str) -> None:
    """What the SDK was given is sent back as it came: identifiers, thinking and all."""
    client = gateway.anthropic()
    tool = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    messages: list[dict[str, object]] = [{"role": "user", "content": 'think first, call weather {"city": "Oslo"}'}]
    first = client.messages.create(model=provider, max_tokens=50, messages=messages, tools=[tool])  # type: ignore[arg-type]
    (used,) = (block for block in first.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": used.id, "content": "fog"}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]

    second = client.messages.create(model=provider, max_tokens=50, messages=messages, tools=[tool])  # type: ignore[arg-type]

    assert second.content[-1].text.endswith("[results: fog]")  # type: ignore[union-attr]
