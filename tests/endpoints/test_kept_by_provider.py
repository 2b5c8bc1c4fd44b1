"""Responses that their provider keeps for the gateway's key: each caller continues its own and no other's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest
from served_gateway import ServedGateway
from vendors import Reply, Seen, Vendors


@dataclass
class Keeper:
    """A provider of the Responses API, which answers to whatever response it is asked to continue."""

    made: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, seen: Seen) -> Reply:
        self.made += 1
        self.bodies.append(seen.body)
        message = {
            "type": "message", "id": f"msg_{self.made}", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
        }  # fmt: skip
        response = {
            "id": f"resp_{self.made}", "object": "response", "created_at": 1, "status": "completed", "model": "gpt",
            "output": [message], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        }  # fmt: skip
        if not seen.body.get("stream"):
            return Reply(response)
        events = [
            {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
            {"type": "response.completed", "response": response},
        ]
        lines = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        return Reply(lines.encode(), headers={"content-type": "text/event-stream"})


@pytest.fixture(scope="module")
def keeper(vendors: Vendors) -> Iterator[Keeper]:
    found = Keeper()
    route = (r"POST .*/v1/responses", found.answer)
    vendors.routes.insert(0, route)
    yield found
    vendors.routes.remove(route)


def configuration(url: str, **more: Any) -> dict[str, Any]:
    config = {"baseUrl": f"{url}/v1", "apiKey": "k", "model": "gpt", "retryAttempts": 1, "api": "responses"}
    keys = [{"name": "ann", "key": "key-of-ann"}, {"name": "bob", "key": "key-of-bob"}]
    return {
        "models": [{"name": "gpt", "provider": {"type": "openai", "config": config}}],
        "plugins": [{"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": keys}}],
        **more,
    }


@pytest.fixture(scope="module")
def served(keeper: Keeper, vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    nothing = {"name": "nothing", "responses": {"store": False}}
    listed = {"name": "listed", "responses": {"store": False}, "nativePaths": ["/v1/responses", "/v1/containers"]}
    projects = {"projects": [nothing, listed], "store": {"url": "memory:"}}
    gateway = ServedGateway(configuration(vendors.url, **projects), tmp_path_factory.mktemp("kept"))
    yield gateway
    gateway.stop()


def client_of(served: ServedGateway, name: str, project: str = "") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{served.url}{project}/openai/v1", api_key=f"key-of-{name}", max_retries=0)


def made_by(client: openai.OpenAI, *, stream: bool) -> tuple[str, str]:
    """The ids of a response and of its message."""
    if not stream:
        response = client.responses.create(model="gpt", input="Hi")
        return response.id, response.output[0].id or ""
    for event in client.responses.create(model="gpt", input="Hi", stream=True):
        if event.type == "response.completed":
            return event.response.id, event.response.output[0].id or ""
    raise AssertionError("the stream has no end")


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_continues_its_own(served: ServedGateway, keeper: Keeper, stream: bool) -> None:
    with client_of(served, "ann") as ann:
        response, item = made_by(ann, stream=stream)
        ann.responses.create(model="gpt", input="More", previous_response_id=response)
        assert keeper.bodies[-1]["previous_response_id"] == response
        ann.responses.create(model="gpt", input=[{"type": "item_reference", "id": item}])
        assert keeper.bodies[-1]["input"] == [{"type": "item_reference", "id": item}]


BODIES: dict[str, tuple[str, str]] = {
    "a response": ('{"model": "gpt", "input": "x", "previous_response_id": "RESPONSE"}', "previous_response_not_found"),
    "an item": ('{"model": "gpt", "input": [{"type": "item_reference", "id": "ITEM"}]}', "item_not_found"),
    "an item without a type": ('{"model": "gpt", "input": [{"id": "ITEM"}]}', "item_not_found"),
    "an item of the type null": ('{"model": "gpt", "input": [{"id": "ITEM", "type": null}]}', "item_not_found"),
    "a hidden name": (
        '{"model": "gpt", "input": "x", "previous\\u005fresponse_id": "RESPONSE"}',
        "previous_response_not_found",
    ),
    "a hidden type": ('{"model": "gpt", "input": [{"type": "item\\u005freference", "id": "ITEM"}]}', "item_not_found"),
}


@pytest.mark.parametrize("store", ["", ', "store": false'], ids=["stored", "not stored"])
@pytest.mark.parametrize("what", BODIES)
def test_and_no_other_caller_does(served: ServedGateway, keeper: Keeper, what: str, store: str) -> None:
    with client_of(served, "ann") as ann:
        response, item = made_by(ann, stream=False)
    asked, (body, code) = keeper.made, BODIES[what]
    body = body.replace("RESPONSE", response).replace("ITEM", item)[:-1] + store + "}"

    with served.http() as http:
        reply = http.post("/v1/responses", content=body, headers={"authorization": "Bearer key-of-bob"})

    assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
    assert keeper.made == asked, "nothing went out"


@pytest.mark.parametrize("what", BODIES)
def test_nor_in_a_line_of_a_batch_or_where_nothing_is_kept(served: ServedGateway, keeper: Keeper, what: str) -> None:
    with client_of(served, "ann") as ann:
        response, item = made_by(ann, stream=False)
    asked, (body, code) = keeper.made, BODIES[what]
    body = body.replace("RESPONSE", response).replace("ITEM", item)
    line = f'{{"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {body}}}'
    bob = {"authorization": "Bearer key-of-bob"}

    with served.http() as http:
        headers = {**bob, "content-type": "application/json"}
        kept = http.post("/nothing/openai/v1/responses", content=body, headers=headers)
        batched = http.post("/v1/files", files={"file": ("a.jsonl", line)}, data={"purpose": "batch"}, headers=bob)

    for reply in (kept, batched):
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, code), reply.text
    assert keeper.made == asked, "nothing went out"


def test_a_project_that_keeps_nothing_continues_none(served: ServedGateway, keeper: Keeper) -> None:
    with client_of(served, "ann", "/nothing") as ann:
        response, _ = made_by(ann, stream=False)
        with pytest.raises(openai.BadRequestError, match="nativePaths"):
            ann.responses.create(model="gpt", input="More", previous_response_id=response)


def test_an_operator_may_open_them_to_all(served: ServedGateway, keeper: Keeper) -> None:
    with client_of(served, "bob", "/listed") as bob:
        bob.responses.create(model="gpt", input="More", previous_response_id="resp_of_somebody")
        assert keeper.bodies[-1]["previous_response_id"] == "resp_of_somebody"
        tool: Any = {"type": "code_interpreter", "container": "cntr_of_somebody"}
        bob.responses.create(model="gpt", input="More", tools=[tool])
        assert keeper.bodies[-1]["tools"] == [tool]


def test_a_container_is_not_named_by_its_id(served: ServedGateway, keeper: Keeper) -> None:
    asked = keeper.made
    tool: Any = {"type": "code_interpreter", "container": "cntr_of_somebody"}
    with client_of(served, "bob") as bob, pytest.raises(openai.NotFoundError, match="No such container"):
        bob.responses.create(model="gpt", input="More", tools=[tool])

    assert keeper.made == asked
