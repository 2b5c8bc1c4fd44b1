"""Signatures of reasoning: never sent where they cannot verify, in whatever way the request or reply travels."""

from __future__ import annotations

# ruff: noqa: SIM117
import json
from pathlib import Path
from typing import Any

import pytest
from loopback import ROUTES, Call, answer, config, gateway, message_event, model, request, run, upstream

EDITOR = """
from llm_gateway_sdk import Plugin, ThinkingPart, plugin_metadata

def edit(messages):
    for message in messages:
        for part in message.content:
            if isinstance(part, ThinkingPart):
                part.text = part.text.replace("secret", "[hidden]")

@plugin_metadata(name="editor", version="1.0.0", description="Edits reasoning", configuration_schema={})
class Editor(Plugin):
    def before_model(self, ctx):
        edit(ctx.request.messages)

    def after_model(self, ctx):
        edit([choice.message for choice in ctx.response.choices])

    def after_chunk(self, ctx):
        edit([choice.message for choice in ctx.buffered_chunk.choices])
"""

FOREIGN = "gw1.gemini.Zm9yZWlnbg=="


def editing(folder: Path) -> dict[str, Any]:
    (folder / "editor.py").write_text(EDITOR)
    return {"availablePlugins": [{"path": str(folder / "editor.py")}], "plugins": [{"name": "e", "type": "editor"}]}


def turn(*thoughts: tuple[str, str]) -> dict[str, Any]:
    thinking = [{"type": "thinking", "thinking": text, "signature": signature} for text, signature in thoughts]
    body = request("messages")
    body["messages"] += [
        {"role": "assistant", "content": [*thinking, {"type": "text", "text": "hi"}]},
        {"role": "user", "content": "go on"},
    ]
    return {**body, "unknown": 1e5}


def test_a_signature_of_another_provider_does_not_pass_through(tmp_path: Path) -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url, "anthropic"))) as served:
            body = turn(("mine", "bmF0aXZl"), ("theirs", FOREIGN), ("own but wrapped", "gw1.anthropic.d3JhcHBlZA=="))
            raw = json.dumps(body).replace("100000.0", "1e5").encode()
            reply = await served.ask(raw, path=ROUTES["messages"])

            assert reply.status == 200
            sent = up.calls[0]
            assert b"gw1." not in sent.raw
            assert b"Zm9yZWlnbg" not in sent.raw
            thoughts = [block for block in sent.body["messages"][1]["content"] if block["type"] == "thinking"]
            assert [block["signature"] for block in thoughts] == ["bmF0aXZl", "d3JhcHBlZA=="]
            assert b"1e5" in sent.raw  # all else as the client wrote it
            assert "signature (reasoning of another provider)" in (reply.header("x-llm-gateway-losses") or "")

    run(main())


def test_unsigned_reasoning_of_another_provider_does_not_pass_through() -> None:
    """A client gives back what it got; Anthropic refuses thinking whose signature is empty."""

    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url, "anthropic"))) as served:
            reply = await served.ask(turn(("theirs", "gw1.unsigned."), ("mine", "bmF0aXZl")), path=ROUTES["messages"])

            assert reply.status == 200
            thoughts = [block for block in up.calls[0].body["messages"][1]["content"] if block["type"] == "thinking"]
            assert [block["thinking"] for block in thoughts] == ["mine"]
            assert "thinking" in (reply.header("x-llm-gateway-losses") or "")

    run(main())


def test_a_call_whose_thinking_is_withheld_is_answered_without_thinking() -> None:
    """Anthropic wants the thinking before the calls which the last turn answers, where thinking is on."""
    body = request("messages")
    body |= {"max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000}}
    body["messages"] += [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "theirs", "signature": "gw1.unsigned."},
                {"type": "tool_use", "id": "call_1", "name": "f", "input": {}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "done"}]},
    ]

    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url, "anthropic"))) as served:
            reply = await served.ask(body, path=ROUTES["messages"])

            assert reply.status == 200
            sent = up.calls[0].body
            assert "thinking" not in sent
            assert [block["type"] for block in sent["messages"][1]["content"]] == ["tool_use"]

    run(main())


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_details", "thinking_blocks"])
def test_a_server_that_takes_no_reasoning_back_gets_none(field: str) -> None:
    details = [{"type": "reasoning.text", "text": "a thought", "signature": "c2ln", "thinking": "a thought"}]
    thought = "a thought" if field in ("reasoning_content", "reasoning") else details
    body = request("chat")
    body["messages"] += [{"role": "assistant", "content": "hi", field: thought}, {"role": "user", "content": "go on"}]

    async def main() -> None:
        quirks = {"noReasoningHistory": True}
        async with upstream(answer) as up:
            async with gateway(config(model(up.url, "openai", quirks=quirks))) as served:
                reply = await served.ask(body, path=ROUTES["chat"])
                assert reply.status == 200
                assert up.calls[0].body["messages"][1] == {"role": "assistant", "content": "hi"}
                assert "thinking" in (reply.header("x-llm-gateway-losses") or "")
            async with gateway(config(model(up.url, "openai"))) as served:
                await served.ask(body, path=ROUTES["chat"])
                assert up.calls[1].body["messages"] == body["messages"]

    run(main())


def test_strict_projects_refuse_it() -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url, "anthropic"), strict=True)) as served:
            reply = await served.ask(turn(("theirs", FOREIGN)), path=ROUTES["messages"])
            assert reply.status == 400
            assert up.calls == []

    run(main())


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
def test_reasoning_that_a_plugin_edited_is_withheld_from_the_provider(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with upstream(answer) as up:
            async with gateway(config(model(up.url, kind), **editing(tmp_path))) as served:
                body = turn(("a secret thought", "ZWRpdGVk"), ("a plain thought", "a2VwdA=="))
                reply = await served.ask(body, path=ROUTES["messages"])

                assert reply.status == 200
                sent = up.calls[0].raw
                assert b"secret" not in sent
                assert b"hidden" not in sent
                assert b"ZWRpdGVk" not in sent
                if kind == "anthropic":
                    assert b"a plain thought" in sent
                    assert b"a2VwdA==" in sent
                assert "thinking" in (reply.header("x-llm-gateway-losses") or "")

    run(main())


def thinking_events(*texts: str) -> list[bytes]:
    message: dict[str, Any] = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "up", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip
    start = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "thinking", "thinking": "", "signature": ""},
    }
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": text}}
        for text in texts
    ]
    signature = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "signature_delta", "signature": "c2lnbmVk"},
    }
    text: list[dict[str, Any]] = [
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "hi"}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 2},
        },
        {"type": "message_stop"},
    ]
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}, start, *deltas, signature]
    events += [{"type": "content_block_stop", "index": 0}, *text]
    return [message_event(event) for event in events]


@pytest.mark.parametrize("client", ["messages", "chat", "responses"])
@pytest.mark.parametrize("text", ["a secret thought", "a plain thought"])
def test_a_reply_never_carries_a_signature_that_no_longer_fits(client: str, text: str, tmp_path: Path) -> None:
    async def main() -> None:
        async def thinks(call: Call) -> None:
            if call.streaming:
                await call.stream(b"".join(thinking_events(text[:2], text[2:])))
                return
            content = [{"type": "thinking", "thinking": text, "signature": "c2lnbmVk"}, {"type": "text", "text": "hi"}]
            whole = {
                "id": "msg_1", "type": "message", "role": "assistant", "model": "up", "content": content,
                "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 2},
            }  # fmt: skip
            await call.send(200, whole)

        async with upstream(thinks) as up:
            async with gateway(config(model(up.url, "anthropic"), **editing(tmp_path))) as served:
                for stream in (False, True):
                    body = request(client, stream=stream)
                    if client == "responses":
                        body["include"] = ["reasoning.encrypted_content"]
                        body["reasoning"] = {"effort": "low"}
                    reply = await served.ask(body, path=ROUTES[client])
                    assert reply.status == 200
                    assert (b"c2lnbmVk" in reply.body) is ("secret" not in text)
                    if "secret" in text and not stream:
                        assert b"[hidden]" not in reply.body  # the block is withheld whole

    run(main())
