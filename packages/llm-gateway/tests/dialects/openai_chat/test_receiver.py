"""What a server that speaks Chat Completions takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_chat.receiver import receiver_of, receiver_of_own
from llm_gateway.providers.presets import PRESETS
from llm_gateway_sdk import LLMRequest, Losses, Target, WireRequest
from llm_gateway_sdk.dialects.receiver import CHAT
from llm_gateway_sdk.wire import json


def adapted(body: dict[str, Any], preset: str) -> tuple[dict[str, Any], Losses]:
    dialect, losses = OpenAIChat(), Losses()
    request = dialect.decode_request(WireRequest(body=json.dumps(body)))[0]
    wire = dialect.adapt(request, Target("m", preset, quirks=PRESETS[preset].quirks), losses)
    written: dict[str, Any] = json.loads(wire.body)
    return written, losses


def test_without_quirks_it_is_openais_own() -> None:
    assert receiver_of(Target("some-model", "openai")) is CHAT
    assert receiver_of(Target("gpt-4.1", "openai")) == replace(CHAT, model=replace(CHAT.model, thinks=False))
    assert receiver_of(Target("llama", "vllm")).vendors == frozenset()


def test_quirks_change_the_limits() -> None:
    quirks = {"tool_name_length": 32, "user_length": 64, "call_id_length": 9, "system_turns": "first"}

    receiver = receiver_of(Target("m", "custom", quirks=quirks))

    assert receiver.tool_names is not None
    assert not receiver.tool_names.takes("a" * 33)
    assert receiver.users is not None
    assert receiver.users.length == 64
    assert receiver.call_ids is not None
    assert receiver.call_ids.takes("a1b2c3d4e")
    assert receiver.one_system


def test_a_receiver_is_made_once_per_target() -> None:
    dialect, target = OpenAIChat(), Target("m", "groq", quirks=PRESETS["groq"].quirks)

    assert dialect.receiver(target) is dialect.receiver(target)


def test_own_clients_keep_names_and_fit_the_quirks() -> None:
    own = receiver_of_own(Target("m", "mistral", quirks={"tool_name_length": 32, "call_id_length": 9}))

    assert own.tool_names is None
    assert own.call_ids is not None
    assert not own.whole_schemas


def test_mistral_gets_what_it_takes_from_openais_own_clients() -> None:
    call = {"id": "call_0123456789", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = {
        "model": "m",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Look."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_0123456789", "content": "found"},
            {"role": "user", "content": "Go on."},
        ],
        "max_completion_tokens": 10,
        "store": True,
        "tool_choice": "required",
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }

    written, losses = adapted(body, "mistral")

    assert [message["role"] for message in written["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    identity = written["messages"][3]["tool_call_id"]
    assert len(identity) == 9
    assert written["messages"][2]["tool_calls"][0]["id"] == identity
    assert written["max_tokens"] == 10
    assert written["tool_choice"] == "any"
    assert "store" not in written
    assert "parameters" not in written["tools"][0]["function"]
    assert "dropped store" in {str(loss) for loss in losses}


def test_presets_that_are_known_to_refuse_serve_openais_own_clients() -> None:
    for name in ("mistral", "deepseek", "groq"):
        assert PRESETS[name].quirks["for_same_dialect"]
    for name in ("vllm", "ollama", "openrouter"):
        assert "for_same_dialect" not in PRESETS[name].quirks


def test_a_request_that_fits_is_written_as_without_quirks() -> None:
    dialect, request = OpenAIChat(), LLMRequest("m")
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    request = dialect.decode_request(WireRequest(body=json.dumps(body)))[0]

    written, losses = adapted(body, "mistral")

    assert written == json.loads(dialect.encode_request(request, Target("m"), Losses()).body)
    assert not losses


def test_a_server_may_take_more_stop_sequences_than_openai() -> None:
    assert receiver_of(Target("m")).bounds.stop == 4
    assert receiver_of(Target("m", quirks={"max_stop": 16})).bounds.stop == 16
