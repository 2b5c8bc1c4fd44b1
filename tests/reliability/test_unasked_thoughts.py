"""No answer ends in a thought without words, and none comes to a client that did not ask for thinking.

Gemini signs the last text of each answer, OpenAI's reasoning comes encrypted, Claude's on Bedrock redacted, and
OpenRouter's proofs come after the text. Each goes to a client of each other API, whole and streamed. What a call
needs comes back to its provider.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from llm_gateway_bedrock.eventstream import encode_message
from loopback import ROUTES, Call, Reply, config, gateway, model, request, run, upstream

KEYS = {
    "region": "us-east-1",
    "accessKeyId": "AKIDEXAMPLE",
    "secretAccessKey": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
}
PROOF = b64encode(b"a proof of reasoning").decode()
SOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "gemini": ("gemini", {"model": "gemini-3-pro-preview"}),
    "responses": ("openai", {"model": "gpt-5.6", "api": "responses"}),
    "bedrock": ("bedrock", {"model": "anthropic.claude-sonnet-4-20250514-v1:0", **KEYS}),
    "openrouter": ("openrouter", {}),
}
Pieces = list[dict[str, Any]]


def gemini(*, calls: bool) -> Pieces:
    parts: Pieces = [{"text": "echo: "}, {"text": "hi"}, {"text": "", "thoughtSignature": PROOF}]
    if calls:
        parts.append({"functionCall": {"name": "look", "args": {}}, "thoughtSignature": PROOF})
    return parts


async def answer_gemini(call: Call, *, calls: bool) -> None:
    parts = gemini(calls=calls)
    if "stream" not in call.path:
        parts = [{"text": "echo: hi", "thoughtSignature": PROOF}, *parts[3:]]
        await call.send(200, {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]})
        return
    chunks: Pieces = [{"content": {"role": "model", "parts": [part]}} for part in parts]
    chunks[-1]["finishReason"] = "STOP"
    await call.stream(b"".join(b"data: " + json.dumps({"candidates": [chunk]}).encode() + b"\n\n" for chunk in chunks))


async def answer_responses(call: Call, *, calls: bool) -> None:
    text = {"type": "output_text", "text": "echo: hi", "annotations": []}
    output: Pieces = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": PROOF},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]},
    ]
    if calls:
        output.append({"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "{}"})
    whole = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "up",
        "output": output,
        "status": "completed",
    }
    if not call.streaming:
        await call.send(200, whole)
        return
    events: Pieces = [{"type": "response.created", "response": {**whole, "output": [], "status": "in_progress"}}]
    for place, item in enumerate(output):
        at = {"output_index": place, "item_id": item["id"], "content_index": 0}
        events.append({"type": "response.output_item.added", **at, "item": {**item, "content": []}})
        if item["type"] == "message":
            events.append({"type": "response.output_text.delta", **at, "delta": "echo: hi"})
        events.append({"type": "response.output_item.done", **at, "item": item})
    events.append({"type": "response.completed", "response": whole})
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    await call.stream("".join(lines).encode())


async def answer_bedrock(call: Call, *, calls: bool) -> None:
    content: Pieces = [{"reasoningContent": {"redactedContent": PROOF}}, {"text": "echo: hi"}]
    if calls:
        content.append({"toolUse": {"toolUseId": "c1", "name": "look", "input": {}}})
    stop = "tool_use" if calls else "end_turn"
    if "stream" not in call.path:
        message = {"role": "assistant", "content": content}
        usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
        await call.send(200, {"output": {"message": message}, "stopReason": stop, "usage": usage})
        return
    events: list[tuple[str, dict[str, Any]]] = [("messageStart", {"role": "assistant"})]
    for place, block in enumerate(content):
        at = {"contentBlockIndex": place}
        if "toolUse" in block:
            start = {"toolUse": {"toolUseId": "c1", "name": "look"}}
            events.append(("contentBlockStart", {**at, "start": start}))
            events.append(("contentBlockDelta", {**at, "delta": {"toolUse": {"input": "{}"}}}))
        else:
            events.append(("contentBlockDelta", {**at, "delta": block}))
        events.append(("contentBlockStop", at))
    events.append(("messageStop", {"stopReason": stop}))
    await call.open_stream({"content-type": "application/vnd.amazon.eventstream"})
    for name, body in events:
        headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
        await call.chunk(encode_message(headers, json.dumps(body).encode()))
    await call.end_stream()


async def answer_openrouter(call: Call, *, calls: bool) -> None:
    details = {"reasoning_details": [{"type": "reasoning.encrypted", "data": PROOF, "format": "google-gemini-v1"}]}
    made = [{"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    deltas: Pieces = [{"role": "assistant", "content": "echo: hi"}, {"content": "", **details}]
    if calls:
        deltas.append({"tool_calls": made})
    end = "tool_calls" if calls else "stop"
    if not call.streaming:
        message = {key: value for delta in deltas for key, value in delta.items() if value}
        choices = [{"index": 0, "message": message, "finish_reason": end}]
        await call.send(200, {"id": "c", "object": "chat.completion", "created": 1, "model": "up", "choices": choices})
        return
    chunks: Pieces = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    chunks.append({"index": 0, "delta": {}, "finish_reason": end})
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up"}
    lines = [f"data: {json.dumps({**head, 'choices': [chunk]})}\n\n" for chunk in chunks]
    await call.stream("".join([*lines, "data: [DONE]\n\n"]).encode())


ANSWERS = {
    "gemini": answer_gemini,
    "responses": answer_responses,
    "bedrock": answer_bedrock,
    "openrouter": answer_openrouter,
}
PATHS = {":generateContent": "gemini", ":streamGenerateContent": "gemini", "/responses": "responses"}
PATHS |= {"/converse": "bedrock", "/converse-stream": "bedrock", "/chat/completions": "openrouter"}
TOOLS: dict[str, dict[str, Any]] = {
    "chat": {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}},
    "responses": {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}},
    "messages": {"name": "look", "input_schema": {"type": "object", "properties": {}}},
}
ASKING: dict[str, dict[str, Any]] = {
    "chat": {"reasoning_effort": "low"},
    "responses": {"reasoning": {"effort": "low"}},
    "messages": {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000},
}


def blocks(client: str, reply: Reply, *, stream: bool) -> list[str]:
    """The kinds of what the answer is made of, in order, each once in a row; `proof` is a thought without words."""
    assert reply.status == 200, reply.body
    if client == "messages":
        if stream:
            events = [json.loads(line[5:]) for line in reply.body.split(b"\n") if line.startswith(b"data:")]
            return [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
        return [block["type"] for block in reply.json["content"]]
    if client == "responses":
        whole = json.loads(reply.body.split(b"event: response.completed\ndata: ")[1]) if stream else reply.json
        return [item["type"] for item in (whole["response"] if stream else whole)["output"]]
    return ["thinking_blocks"] if b"thinking_blocks" in reply.body or b"reasoning_details" in reply.body else []


THOUGHTS = {"thinking", "redacted_thinking", "reasoning", "thinking_blocks"}


@pytest.mark.parametrize("client", ROUTES)
def test_a_client_sees_no_proof_that_it_did_not_ask_for_and_none_last(client: str) -> None:
    async def answer(call: Call) -> None:
        name = next(name for ending, name in PATHS.items() if call.path.split("?")[0].endswith(ending))
        await ANSWERS[name](call, calls=b"look" in call.raw)

    async def main() -> None:
        async with upstream(answer) as up:
            models = [model(up.url, kind, name, **more) for name, (kind, more) in SOURCES.items() if name != client]
            async with gateway(config(*models)) as served:
                for name in SOURCES:
                    if name in (client, "openrouter" if client == "chat" else ""):
                        continue
                    for stream in (False, True):
                        body = {**request(client, stream=stream), "model": name}
                        where = f"{name}, {stream}"

                        plain = blocks(client, await served.ask(body, path=ROUTES[client]), stream=stream)
                        assert not THOUGHTS & set(plain), where

                        asked = await served.ask({**body, **ASKING[client]}, path=ROUTES[client])
                        found = blocks(client, asked, stream=stream)
                        assert client == "chat" or found[-1] not in THOUGHTS, f"{where}: {found}"

                        called = await served.ask({**body, "tools": [TOOLS[client]]}, path=ROUTES[client])
                        found = blocks(client, called, stream=stream)
                        assert client == "chat" or found[-1] not in THOUGHTS, f"{where}: {found}"
                        carried = PROOF.encode() in called.body
                        assert carried, f"{where}: what the call needs is not there"

    run(main())
