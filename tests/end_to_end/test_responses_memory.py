"""Responses with a memory: the official client on a provider that keeps nothing, and what another caller sees of it."""

from __future__ import annotations

import json
import time
from typing import Any

import openai
import pytest
from scripted_upstream import ScriptedUpstream
from served_gateway import Serve, ServedGateway

TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": False}
KEYS = {"ann": "key-of-ann-0123456789", "bob": "key-of-bob-0123456789"}
SECRET = "4111-1111-1111-1111"


@pytest.fixture(scope="module")
def remembering(models: list[dict[str, Any]], serve: Serve) -> ServedGateway:
    keys = [{"name": name, "key": key} for name, key in KEYS.items()]
    authentication = {"name": "auth", "type": "basic-apikey-auth", "config": {"apikeys": keys}}
    card = {"pattern": r"\b(?:\d{4}-){3}\d{4}\b", "replacement": "[card]"}
    hider = {"name": "hider", "type": "regex-hider", "config": {"patterns": [card]}}
    projects = [
        {"name": "redacted", "plugins": [hider]},
        {"name": "off", "responses": {"store": False}},
        {"name": "short", "responses": {"timeToLive": "100ms"}},
    ]
    return serve({"models": models, "plugins": [authentication], "projects": projects})


@pytest.fixture(scope="module")
def ann(remembering: ServedGateway) -> openai.OpenAI:
    return remembering.openai(api_key=KEYS["ann"])


@pytest.fixture(scope="module")
def bob(remembering: ServedGateway) -> openai.OpenAI:
    return remembering.openai(api_key=KEYS["bob"])


@pytest.fixture(params=["messages", "chat"])
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_answered_by_the_id_of_the_response_alone(
    ann: openai.OpenAI, model: str, streamed: bool
) -> None:
    def ask(**more: Any) -> Any:
        if not streamed:
            return ann.responses.create(model=model, tools=[TOOL], **more)
        events = list(ann.responses.create(model=model, tools=[TOOL], stream=True, **more))
        assert {events[0].response.id, events[-1].response.id} == {events[0].response.id}
        return events[-1].response

    first = ask(input='think first\ncall weather {"city": "Paris"}')
    call = next(item for item in first.output if item.type == "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    second = ask(input=[result], previous_response_id=first.id)

    assert "results: rain" in second.output_text
    assert (first.store, second.store, second.previous_response_id) == (True, True, first.id)
    third = ask(input="thanks", previous_response_id=second.id)
    kept = ann.responses.retrieve(third.id)
    assert kept.output_text == third.output_text
    assert kept.previous_response_id == second.id


def test_items_are_given_by_reference(ann: openai.OpenAI, model: str) -> None:
    first = ann.responses.create(model=model, tools=[TOOL], input='think first\ncall weather {"city": "Paris"}')
    references = [{"type": "item_reference", "id": item.id} for item in first.output]
    call = next(item for item in first.output if item.type == "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "snow"}
    question = {"role": "user", "content": "How is the weather?"}

    second = ann.responses.create(model=model, tools=[TOOL], input=[question, *references, result])

    assert "results: snow" in second.output_text


def test_the_input_is_listed_and_a_response_deleted(ann: openai.OpenAI, model: str) -> None:
    response = ann.responses.create(model=model, input=[{"role": "user", "content": f"Hello {n}"} for n in range(3)])

    page = ann.responses.input_items.list(response.id, limit=2, order="asc")
    assert [item.content[0].text for item in page] == ["Hello 0", "Hello 1", "Hello 2"]  # type: ignore[union-attr]
    ann.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        ann.responses.retrieve(response.id)
    with pytest.raises(openai.BadRequestError) as refused:
        ann.responses.create(model=model, input="Go on", previous_response_id=response.id)
    assert refused.value.code == "previous_response_not_found"


def test_a_conversation_with_a_deleted_part_is_refused(ann: openai.OpenAI, model: str) -> None:
    first = ann.responses.create(model=model, input="one")
    second = ann.responses.create(model=model, input="two", previous_response_id=first.id)
    ann.responses.delete(first.id)

    with pytest.raises(openai.BadRequestError, match=first.id):
        ann.responses.create(model=model, input="three", previous_response_id=second.id)


def test_another_caller_finds_nothing(ann: openai.OpenAI, bob: openai.OpenAI, model: str) -> None:
    response = ann.responses.create(model=model, input="My secret is 42")
    conversation = ann.conversations.create(items=[{"role": "user", "content": "My secret is 42"}])
    for attempt in (
        lambda: bob.responses.retrieve(response.id),
        lambda: bob.responses.delete(response.id),
        lambda: list(bob.responses.input_items.list(response.id)),
        lambda: bob.conversations.retrieve(conversation.id),
        lambda: list(bob.conversations.items.list(conversation.id)),
    ):
        with pytest.raises(openai.NotFoundError):
            attempt()
    for more in (
        {"previous_response_id": response.id},
        {"conversation": conversation.id},
        {"input": [{"type": "item_reference", "id": response.output[0].id}]},
    ):
        with pytest.raises(openai.BadRequestError, match="not found"):
            bob.responses.create(**{"model": model, "input": "What is it?", **more})
    assert ann.responses.retrieve(response.id).id == response.id


def test_a_conversation_grows_with_each_response(ann: openai.OpenAI, model: str) -> None:
    conversation = ann.conversations.create(metadata={"topic": "colours"})
    first = ann.responses.create(model=model, input="My colour is blue", conversation=conversation.id)
    second = ann.responses.create(model=model, input="Which is it?", conversation={"id": conversation.id})

    assert second.conversation is not None
    assert second.conversation.id == conversation.id
    items = list(ann.conversations.items.list(conversation.id, order="asc"))
    assert [item.role for item in items] == ["user", "assistant", "user", "assistant"]  # type: ignore[union-attr]
    assert ann.conversations.items.retrieve(items[1].id, conversation_id=conversation.id).id == first.output[0].id
    ann.conversations.items.delete(items[0].id, conversation_id=conversation.id)
    assert len(list(ann.conversations.items.list(conversation.id))) == 3
    assert ann.conversations.update(conversation.id, metadata={"topic": "x"}).metadata == {"topic": "x"}
    ann.conversations.delete(conversation.id)
    with pytest.raises(openai.NotFoundError):
        ann.conversations.retrieve(conversation.id)


def test_earlier_turns_are_sent_to_the_provider(ann: openai.OpenAI, upstream: ScriptedUpstream, model: str) -> None:
    first = ann.responses.create(model=model, input="The word is xylophone", instructions="Only at first")
    raw = ann.responses.with_raw_response.create(model=model, input="Which word?", previous_response_id=first.id)

    body = json.dumps(upstream.received(raw.headers["x-request-id"])[-1].body)
    assert "xylophone" in body
    assert '"system": "Only at first"' not in body
    assert '"role": "system"' not in body


def test_what_is_kept_is_redacted(remembering: ServedGateway, model: str) -> None:
    client = remembering.openai("/redacted", api_key=KEYS["ann"])
    response = client.responses.create(
        model=model, input=f"My card is {SECRET}", instructions=f"Never repeat {SECRET}", metadata={"card": SECRET}
    )
    second = client.responses.create(model=model, input="And now?", previous_response_id=response.id)

    assert SECRET not in client.responses.retrieve(response.id).to_json()
    for each in (response, second):
        items = list(client.responses.input_items.list(each.id))
        assert len(items) == 1
        assert SECRET not in items[0].to_json()
    with pytest.raises(openai.PermissionDeniedError, match="hider"):
        client.conversations.create(items=[{"role": "user", "content": SECRET}])


def test_store_false_and_projects_without_memory_keep_nothing(ann: openai.OpenAI, remembering: ServedGateway) -> None:
    plain = ann.responses.create(model="messages", input="Hello", store=False)
    off = remembering.openai("/off", api_key=KEYS["ann"])
    none = off.responses.create(model="messages", input="Hello")

    assert (plain.store, none.store) == (False, False)  # type: ignore[attr-defined]
    for client, response in ((ann, plain), (off, none)):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(response.id)
        with pytest.raises(openai.BadRequestError):
            client.responses.create(model="messages", input="Go on", previous_response_id=response.id)
    with pytest.raises(openai.NotFoundError):
        off.conversations.create()


def test_what_is_kept_ends(remembering: ServedGateway) -> None:
    client = remembering.openai("/short", api_key=KEYS["ann"])
    response = client.responses.create(model="messages", input="Hello")
    for _ in range(50):
        try:
            client.responses.retrieve(response.id)
        except openai.NotFoundError:
            return
        time.sleep(0.02)
    raise AssertionError("the response is still there")


def test_a_provider_that_keeps_responses_does_so_itself(ann: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    first = ann.responses.create(model="responses", input="Hello")
    raw = ann.responses.with_raw_response.create(model="responses", input="Go on", previous_response_id=first.id)

    body = upstream.received(raw.headers["x-request-id"])[-1].body
    assert (body["previous_response_id"], body["input"]) == (first.id, "Go on")
    with pytest.raises(openai.NotFoundError):
        ann.responses.retrieve(first.id)


def test_a_conversation_moves_to_a_provider_that_keeps_its_own(ann: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    first = ann.responses.create(model="messages", input="think first\nThe word is xylophone")
    raw = ann.responses.with_raw_response.create(model="responses", input="Go on", previous_response_id=first.id)

    body = upstream.received(raw.headers["x-request-id"])[-1].body
    assert "previous_response_id" not in body
    assert "xylophone" in json.dumps(body["input"])
