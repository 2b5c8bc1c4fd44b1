"""A secret that is cut over the parts of one content, or written with escapes in JSON that is a text: it is hidden by
every operation, in lines of batches, in their results, in what tools have answered, and in what is embedded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from under_attack import Attacked, Provider, Reply, Sent, answering, asking, chat_reply, model

SECRET = "ann4711@patients.example"
HEAD, TAIL = SECRET[:10], SECRET[10:]
ESCAPED = '{"who": "\\u0061nn4711@patients.example"}'
CHAT = "/v1/chat/completions"
TWO = [{"type": "text", "text": HEAD}, {"type": "text", "text": TAIL}]
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def tool_of_chat(content: Any, arguments: str = "{}") -> dict[str, Any]:
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    return {
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": content},
        ]
    }


def tool_of_messages(content: Any) -> dict[str, Any]:
    use = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    return {
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": content}]},
        ]
    }


def line(url: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "file", {"custom_id": "a", "method": "POST", "url": url, "body": {"model": "chat", **body}}


def batched(more: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    params = {**asking("anthropic", name="anthropic"), **more}
    return "/v1/messages/batches", {"requests": [{"custom_id": "a", "params": params}]}


SPLIT: dict[str, tuple[str, dict[str, Any]]] = {
    "what a tool answered, in Chat": (CHAT, {**asking("chat"), **tool_of_chat(TWO)}),
    "what a tool answered, in Messages": ("/v1/messages", {**asking("anthropic"), **tool_of_messages(TWO)}),
    "a line of Chat": line(CHAT, {"messages": [{"role": "user", "content": TWO}]}),
    "a line with what a tool answered": line(CHAT, tool_of_chat(TWO)),
    "a batch of Messages": batched({"messages": [{"role": "user", "content": TWO}]}),
    "its prompt": batched({"system": TWO}),
    "what a tool answered in it": batched(tool_of_messages(TWO)),
    "parts that are embedded": (
        "/v1beta/models/gemini:embedContent", {"content": {"parts": [{"text": HEAD}, {"text": TAIL}]}}
    ),
}  # fmt: skip
WITH_ESCAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "arguments": (CHAT, {**asking("chat"), **tool_of_chat("fine", ESCAPED)}),
    "what a tool answered": (CHAT, {**asking("chat"), **tool_of_chat(ESCAPED)}),
    "a line with arguments": line(CHAT, tool_of_chat("fine", ESCAPED)),
    "a line with what a tool answered": line(CHAT, tool_of_chat(ESCAPED)),
    "a line with both": line(
        "/v1/responses",
        {
            "input": [
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": ESCAPED},
                {"type": "function_call_output", "call_id": "c", "output": ESCAPED},
            ]
        },
    ),
    "a batch of Messages": batched(tool_of_messages(ESCAPED)),
    "parts of what a tool answered in it": batched(tool_of_messages([{"type": "text", "text": ESCAPED}])),
}
BYTES = [{"token": text, "logprob": -1.0, "bytes": list(text.encode()), "top_logprobs": []} for text in (HEAD, TAIL)]
ANSWERS = [
    chat_reply({"content": None, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": ESCAPED}}]}),
    {**chat_reply({"content": SECRET}), "choices": [{"index": 0, "logprobs": {"content": BYTES}}]},
    chat_reply({"content": [{"type": "text", "text": HEAD}, {"type": "text", "text": TAIL}]}),
]


def answer(sent: Sent) -> Reply:
    if "/content" in sent.path:
        lines = [{"custom_id": "a", "response": {"status_code": 200, "body": body}} for body in ANSWERS]
        return Reply("\n".join(map(json.dumps, lines)).encode(), 200, {"content-type": "application/octet-stream"})
    if "/files" in sent.path:
        return Reply({"id": "file-1", "object": "file", "purpose": "batch"})
    if "/messages/batches" in sent.path:
        return Reply({"id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress"})
    if "/batches" in sent.path:
        return Reply({"id": "batch_1", "object": "batch", "status": "completed", "output_file_id": "file-2"})
    return answering("fine")(sent)


def spelled(text: str) -> Iterator[str]:
    """Every string of what was sent, those in JSON that is a string too, and what numbers spell."""
    yield text
    waiting: list[Any] = text.splitlines()
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            yield "".join(chr(item) for item in value if isinstance(item, int) and 31 < item < 127)
            waiting += value
        elif isinstance(value, str):
            yield value
            with suppress(ValueError):
                waiting.append(json.loads(value))


@pytest.fixture(scope="module")
def provider(provide: Callable[..., Provider]) -> Provider:
    return provide(answer)


@pytest.fixture(scope="module")
def gateway(attack: Callable[..., Attacked], provider: Provider) -> Attacked:
    return attack(
        {
            "models": [model(dialect, provider.url, dialect) for dialect in ("chat", "anthropic", "gemini")],
            "plugins": [
                {"name": "hide", "type": "regex-hider", "config": {"patterns": [{"pattern": r"ann\d+@\w+\.example"}]}}
            ],
            "store": {"url": "sqlite:state.db"},
        }
    )


def send(gateway: Attacked, path: str, body: dict[str, Any]) -> Any:
    if path == "file":
        form = {"file": ("a.jsonl", json.dumps(body))}
        return gateway.http.post("/v1/files", files=form, data={"purpose": "batch"})
    return gateway.http.post(path, json=body)


def models_of(path: str) -> tuple[str, ...]:
    return ("chat", "anthropic", "gemini") if path in (CHAT, "/v1/messages") else ("",)


@pytest.mark.parametrize("case", SPLIT)
def test_what_goes_over_two_parts_is_hidden(case: str, gateway: Attacked, provider: Provider) -> None:
    path, body = SPLIT[case]
    for name in models_of(path):
        reply = send(gateway, path, {**body, "model": name} if name else body)
        sent = provider.texts()

        assert reply.status_code == 200, reply.text
        assert "[REDACTED]" in sent
        assert HEAD not in sent
        assert TAIL not in sent


@pytest.mark.parametrize("case", WITH_ESCAPES)
def test_what_is_written_with_escapes_in_json_is_hidden(case: str, gateway: Attacked, provider: Provider) -> None:
    path, body = WITH_ESCAPES[case]
    for name in models_of(path):
        reply = send(gateway, path, {**body, "model": name} if name else body)
        sent = provider.texts()

        assert reply.status_code == 200, reply.text
        assert "[REDACTED]" in sent
        assert not any(SECRET in text for text in spelled(sent))


def test_so_it_is_in_the_results_of_a_batch(gateway: Attacked) -> None:
    assert send(gateway, *line(CHAT, {"messages": [{"role": "user", "content": "hello"}]})).status_code == 200
    batch = {"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h"}
    assert gateway.http.post("/v1/batches", json=batch).status_code == 200
    assert gateway.http.get("/v1/batches/batch_1").status_code == 200

    results = gateway.http.get("/v1/files/file-2/content")

    assert results.status_code == 200
    assert len(results.text.splitlines()) == len(ANSWERS)
    found = [text for text in spelled(results.text) if SECRET in text or HEAD in text or TAIL in text]
    assert found == []
