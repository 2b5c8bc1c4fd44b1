"""A success by status alone, without an answer, is the provider's failure: in its own API too, whole and streamed."""

from __future__ import annotations

# ruff: noqa: SIM117
import json
from typing import Any

import pytest
from loopback import ROUTES, Call, answer, config, gateway, model, request, run, upstream

NO_CHOICE: dict[str, Any] = {"id": "c", "object": "chat.completion", "choices": []}
WITHOUT_ANSWER: dict[str, list[Any]] = {
    "openai": [
        {},
        NO_CHOICE,
        {"choices": None, "base_resp": {"status_code": 1008}},
        {"choices": [{}]},
        {"choices": [{"index": 0, "message": None, "finish_reason": "stop"}]},
        {"detail": "Unauthorized"},
        {"code": 500, "msg": "failed", "success": False},
    ],
    "anthropic": [{}, {"type": "message", "content": None}, {"content": {}}, {"code": 500}],
    "responses": [{}, {"output": None}, {"status": "completed"}, {"code": 500}],
    "gemini": [{}, [], {"candidates": []}, {"candidates": None}, {"error": {"code": 503, "message": "no"}}],
}
CASES = [(kind, json.dumps(body)) for kind, bodies in WITHOUT_ANSWER.items() for body in bodies]
PATHS = {**ROUTES, "gemini": "/gemini/v1beta/models/m:generateContent"}
STREAMS = [
    b"data: [DONE]\n\n",
    b'data: {"choices":null}\n\ndata: [DONE]\n\n',
    b'data: {"choices":[]}\n\n',
    b": wait\n\n",
]


def models(url: str, kind: str) -> list[dict[str, Any]]:
    types = {"responses": "openai"}
    made = [model(url, types.get(kind, kind), name=name, model=name) for name in ("m", "n")]
    made[1]["provider"] = model(url, "openai", name="n", model="n")["provider"]
    if kind == "responses":
        made[0]["provider"]["config"]["api"] = "responses"
    return made


def is_first(call: Call) -> bool:
    return call.body.get("model") == "m" or "/models/m:" in call.path


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize(("kind", "body"), CASES)
def test_another_model_answers_in_place_of_an_empty_reply(kind: str, body: str, client: str) -> None:
    async def first_is_empty(call: Call) -> None:
        if is_first(call):
            await call.send(200, json.loads(body))
        else:
            await answer(call)

    async def main() -> None:
        plugins = [{"name": "router", "type": "model-router", "config": {"model": "m", "fallbacks": ["n"]}}]
        async with upstream(first_is_empty) as up:
            async with gateway(config(*models(up.url, kind), plugins=plugins)) as served:
                asked = {"contents": [{"parts": [{"text": "x"}]}]} if client == "gemini" else request(client)
                reply = await served.ask(asked, path=PATHS[client])
                assert (reply.status, reply.header("x-llm-gateway-model")) == (200, "n"), reply.body

    run(main())


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_of_the_clients_own_api_without_content_falls_back(stream: bytes) -> None:
    async def first_is_empty(call: Call) -> None:
        if is_first(call):
            await call.stream(stream)
        else:
            await answer(call)

    async def main() -> None:
        plugins = [{"name": "router", "type": "model-router", "config": {"model": "m", "fallbacks": ["n"]}}]
        async with upstream(first_is_empty) as up:
            async with gateway(config(*models(up.url, "openai"), plugins=plugins)) as served:
                reply = await served.ask(request("chat", stream=True), path=ROUTES["chat"])
                assert (reply.status, reply.header("x-llm-gateway-model")) == (200, "n"), reply.body

    run(main())


def test_without_a_fallback_it_is_the_providers_error() -> None:
    async def is_empty(call: Call) -> None:
        await call.send(200, NO_CHOICE)

    async def main() -> None:
        async with upstream(is_empty) as up, gateway(config(model(up.url))) as served:
            reply = await served.ask(request("chat"), path=ROUTES["chat"])
            assert (reply.status, reply.header("x-llm-gateway-error-source")) == (502, "upstream")

    run(main())
