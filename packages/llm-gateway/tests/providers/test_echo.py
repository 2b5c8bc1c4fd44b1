"""The echo provider does what the last user message asks for."""

import asyncio
from functools import reduce
from typing import Any

import pytest

from llm_gateway.providers.echo import EchoProvider
from llm_gateway_sdk import Call, LLMRequest, LLMResponse, Message, ModelHTTPError, TextPart, Tool, merge


def call(model: str = "echo-std") -> Call:
    return Call("req_1", model, new_id=lambda prefix: f"{prefix}1", now=lambda: 1_700_000_000)


def provider(**config: Any) -> EchoProvider:
    made = EchoProvider()
    asyncio.run(made.configure(config))
    return made


def asked(text: str, *, tools: list[Tool] | None = None) -> LLMRequest:
    return LLMRequest(model="any", messages=[Message("user", [TextPart(text)])], tools=list(tools or []))


def ask(text: str, *, tools: list[Tool] | None = None, **config: Any) -> LLMResponse:
    return asyncio.run(provider(**config).execute(asked(text, tools=tools), call()))


async def streamed(text: str, **config: Any) -> list[LLMResponse]:
    made = EchoProvider()
    await made.configure(config)
    return [chunk async for chunk in made.execute_streaming(asked(text), call())]


def test_it_repeats_the_last_message() -> None:
    reply = ask("Hello, world!")

    assert reply.text == "Hello, world!"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert (reply.usage.input_tokens or 0) > 0


def test_a_stream_comes_word_by_word_and_sums_to_the_whole() -> None:
    chunks = asyncio.run(streamed("one two three"))
    total = reduce(merge, chunks)

    assert [chunk.text for chunk in chunks if chunk.text] == ["one ", "two ", "three"]
    assert total.text == "one two three"
    assert chunks[-1].final


def test_it_calls_a_tool_that_the_request_has() -> None:
    tool = Tool("weather", parameters={"type": "object"})

    reply = ask('call weather {"city": "Paris"}', tools=[tool])

    assert [(part.name, part.arguments) for part in reply.tool_calls] == [("weather", '{"city": "Paris"}')]
    assert ask('call weather {"city": "Paris"}').tool_calls == []


@pytest.mark.parametrize("text", ["fail 503", "fail 503 on echo-std", "Please fail 503 on echo-std, would you?"])
def test_it_fails_where_it_is_asked_to(text: str) -> None:
    with pytest.raises(ModelHTTPError) as raised:
        ask(text)

    assert (raised.value.status, raised.value.retryable) == (503, True)


def test_it_does_not_fail_in_the_place_of_another_model() -> None:
    assert ask("fail 503 on echo-mini").text == "fail 503 on echo-mini"


def test_it_can_be_configured_to_fail_and_to_answer_the_same() -> None:
    assert ask("Hello", reply="Fixed.", prefix="> ").text == "> Fixed."
    with pytest.raises(ModelHTTPError):
        ask("Hello", failWith=429)
