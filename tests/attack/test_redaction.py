"""What a redaction plugin hides reaches no provider and no client, in whichever field, shape or order it is sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from under_attack import (
    PATHS,
    Attacked,
    Provider,
    Reply,
    Sent,
    answering,
    asking,
    chat_chunk,
    chat_reply,
    event,
    message_reply,
    message_stream,
    model,
)

SECRET = "123-45-6789"
DIALECTS = ("chat", "responses", "anthropic", "gemini")


@pytest.fixture(scope="module")
def provider(provide: Callable[..., Provider]) -> Provider:
    return provide()


@pytest.fixture(scope="module")
def attacked(attack: Callable[..., Attacked], provider: Provider) -> Attacked:
    patterns = [(r"\d{3}-\d\d-\d{4}", "[SSN]"), (r"\b4\d{15}\b", "[CARD]")]
    hider = {"patterns": [{"pattern": pattern, "replacement": hidden} for pattern, hidden in patterns]}
    return attack(
        {
            "models": [model(dialect, provider.url, dialect) for dialect in DIALECTS],
            "plugins": [{"name": "hide", "type": "regex-hider", "config": hider}],
        }
    )


def embeddings() -> dict[str, tuple[str, dict[str, Any]]]:
    gemini = "/gemini/v1beta/models/gemini"
    content = {"parts": [{"text": SECRET}]}
    many = [{"model": "models/gemini", "content": content}]
    return {
        "gemini": (f"{gemini}:embedContent", {"model": "models/gemini", "content": content}),
        "gemini, title": (f"{gemini}:embedContent", {"content": {"parts": [{"text": "x"}]}, "title": SECRET}),
        "gemini, second part": (f"{gemini}:embedContent", {"content": {"parts": [{"text": "x"}, {"text": SECRET}]}}),
        "gemini, snake case": (f"{gemini}:batchEmbedContents", {"requests": [{**many[0], "task_type": SECRET}]}),
        "gemini, many": (f"{gemini}:batchEmbedContents", {"requests": many * 3}),
        "openai, text": ("/v1/embeddings", {"model": "chat", "input": SECRET}),
        "openai, list": ("/v1/embeddings", {"model": "chat", "input": ["x", SECRET]}),
        "openai, objects": ("/v1/embeddings", {"model": "chat", "input": [{"text": SECRET}]}),
        "openai, lists": ("/v1/embeddings", {"model": "chat", "input": [["x", SECRET]]}),
        "openai, images": ("/v1/embeddings", {"model": "chat", "input": [{"image": "x", "caption": SECRET}]}),
        "openai, messages": (
            "/v1/embeddings",
            {"model": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": SECRET}]}]},
        ),
        "openai, unknown field": ("/v1/embeddings", {"model": "chat", "input": "x", "instruction": SECRET}),
        "openai, user": ("/v1/embeddings", {"model": "chat", "input": "x", "user": f"person {SECRET}"}),
        "openai, other spelling": ("/openai/embeddings", {"model": "chat", "input": [{"text": SECRET}]}),
        "cohere": ("/v2/embed", {"model": "chat", "texts": [SECRET], "input_type": "search_query"}),
        "cohere, parts": ("/v2/embed", {"model": "chat", "inputs": [{"content": [{"type": "text", "text": SECRET}]}]}),
    }


@pytest.mark.parametrize("name", embeddings())
def test_texts_to_embed_are_hidden_in_every_shape(name: str, attacked: Attacked, provider: Provider) -> None:
    path, body = embeddings()[name]
    provider.texts()

    reply = attacked.http.post(path, json=body)

    assert reply.status_code < 500 or reply.status_code == 502
    assert SECRET not in provider.texts()


def fields(dialect: str) -> dict[str, dict[str, Any]]:
    """Fields of a request that hold words, with the secret in one at a time."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    schemas = {
        "description": {**schema, "description": SECRET},
        "enum": {"type": "object", "properties": {"a": {"type": "string", "enum": [SECRET]}}},
        "default": {"type": "object", "properties": {"a": {"type": "string", "default": SECRET}}},
        "const": {"type": "object", "properties": {"a": {"const": SECRET}}},
        "examples": {"type": "object", "properties": {"a": {"type": "string", "examples": [SECRET]}}},
        "inner title": {"type": "object", "properties": {"a": {"type": "string", "title": f"is {SECRET}"}}},
        "definitions": {**schema, "$defs": {"d": {"type": "string", "description": SECRET}}},
    }
    called = dict.fromkeys(("id", "name", "patient_id", "signature", "status", "_form"), SECRET)
    schemas["default of an object"] = {"type": "object", "properties": {"a": {"type": "object", "default": called}}}
    schemas["example of an object"] = {"type": "object", "properties": {"a": {"type": "object", "examples": [called]}}}
    found: dict[str, dict[str, Any]] = {"metadata by its name": {_LABELS.get(dialect, "metadata"): called}}
    for number, written in enumerate(BASE64):
        found[f"text in base64 {number}"] = _file(dialect, written)
    for name, value in schemas.items():
        found[f"tool {name}"] = _tool(dialect, value)
        found[f"format {name}"] = _format(dialect, value)
    return found | _single(dialect)


_LABELS = {"gemini": "labels"}
_PAGE = f"{SECRET} " + "lorem ipsum dolor sit amet " * 200
BASE64 = [
    base64.encodebytes(_PAGE.encode()).decode(),
    " ".join(base64.b64encode(_PAGE.encode()).decode()),
    base64.b64encode(f"{_PAGE} café".encode("latin-1")).decode(),
    base64.b64encode(f"{_PAGE} \0".encode()).decode(),
    base64.b64encode(_PAGE.encode()).decode() + "====",
    base64.b64encode(_PAGE.encode("utf-16-le")).decode(),
]
"""As mail programs, careless clients and other systems write it; receivers read all of them."""


def _file(dialect: str, data: str) -> dict[str, Any]:
    match dialect:
        case "chat":
            part = {"type": "file", "file": {"filename": "a.txt", "file_data": f"Data:text/plain;base64,{data}"}}
            return {"messages": [{"role": "user", "content": [part]}]}
        case "responses":
            item = {"type": "input_file", "filename": "a.txt", "file_data": f"data:text/plain;base64,{data}"}
            return {"input": [{"role": "user", "content": [item]}]}
        case "anthropic":
            source = {"type": "base64", "media_type": "text/plain", "data": data}
            return {"messages": [{"role": "user", "content": [{"type": "document", "source": source}]}]}
        case _:
            inline = {"inlineData": {"mimeType": "text/plain", "data": data}}
            return {"contents": [{"role": "user", "parts": [inline]}]}


def _tool(dialect: str, schema: dict[str, Any]) -> dict[str, Any]:
    match dialect:
        case "chat":
            return {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}
        case "responses":
            return {"tools": [{"type": "function", "name": "f", "parameters": schema}]}
        case "anthropic":
            return {"tools": [{"name": "f", "input_schema": schema}]}
        case _:
            return {"tools": [{"functionDeclarations": [{"name": "f", "parameters": schema}]}]}


def _format(dialect: str, schema: dict[str, Any]) -> dict[str, Any]:
    match dialect:
        case "chat":
            return {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}
        case "responses":
            return {"text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}}
        case "anthropic":
            return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
        case _:
            return {"generationConfig": {"responseMimeType": "application/json", "responseSchema": schema}}


def _single(dialect: str) -> dict[str, dict[str, Any]]:
    document = base64.b64encode(f"page {SECRET} end".encode()).decode()
    match dialect:
        case "chat":
            user = {"role": "user", "content": "x"}
            assistant = {"role": "assistant", "content": "x"}
            return {
                "format description": {
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "n", "description": SECRET, "schema": {"type": "object"}},
                    }
                },
                "metadata": {"metadata": {"k": SECRET}},
                "metadata key": {"metadata": {f"about {SECRET}": "v"}},
                "user": {"user": f"mail {SECRET}"},
                "message name": {"messages": [{**user, "name": f"Mr {SECRET}"}]},
                "stop": {"stop": [SECRET]},
                "prediction": {"prediction": {"type": "content", "content": SECRET}},
                "grammar": {
                    "tools": [
                        {
                            "type": "custom",
                            "custom": {
                                "name": "c",
                                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": SECRET}},
                            },
                        }
                    ]
                },
                "two reasonings": {"messages": [user, {**assistant, "reasoning": "a", "reasoning_content": SECRET}]},
                "reasonings the other way": {
                    "messages": [user, {**assistant, "reasoning": SECRET, "reasoning_content": "a longer one"}]
                },
                "thinking blocks": {
                    "messages": [
                        user,
                        {
                            **assistant,
                            "reasoning_content": "a",
                            "thinking_blocks": [{"type": "thinking", "thinking": SECRET, "signature": "c2ln"}],
                        },
                    ]
                },
                "reasoning details": {
                    "messages": [
                        user,
                        {
                            **assistant,
                            "reasoning": "a",
                            "reasoning_details": [{"type": "reasoning.text", "text": SECRET}],
                        },
                    ]
                },
                "function call next to calls": {
                    "messages": [
                        user,
                        {
                            "role": "assistant",
                            "function_call": {"name": "f", "arguments": json.dumps({"a": SECRET})},
                            "tool_calls": [
                                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                            ],
                        },
                        {"role": "tool", "tool_call_id": "c", "content": "x"},
                    ]
                },
                "unknown field": {"x_notes": {"deep": [{"deeper": SECRET}]}},
                "unknown field of a message": {"messages": [{**user, "remark": SECRET}]},
                "file": {
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {
                                    "type": "file",
                                    "file": {"filename": "f.txt", "file_data": f"data:text/plain;base64,{document}"},
                                }
                            ],
                        }
                    ]
                },
            }
        case "responses":
            return {
                "instructions": {"instructions": SECRET},
                "variables as text": {"prompt": {"id": "p", "variables": {"a": SECRET}}},
                "variables as parts": {
                    "prompt": {"id": "p", "variables": {"a": {"type": "input_text", "text": SECRET}}}
                },
                "metadata": {"metadata": {"k": SECRET}},
                "format description": {
                    "text": {"format": {"type": "json_schema", "name": "n", "description": SECRET, "schema": {}}}
                },
                "mcp": {
                    "tools": [
                        {
                            "type": "mcp",
                            "server_label": "s",
                            "server_url": "https://mcp.invalid",
                            "server_description": SECRET,
                            "headers": {"x": SECRET},
                        }
                    ]
                },
                "filter": {
                    "tools": [
                        {
                            "type": "file_search",
                            "vector_store_ids": ["v"],
                            "filters": {"type": "eq", "key": "k", "value": SECRET},
                        }
                    ]
                },
                "place": {"tools": [{"type": "web_search", "user_location": {"type": "approximate", "city": SECRET}}]},
                "namespace": {
                    "tools": [
                        {
                            "type": "namespace",
                            "name": "n",
                            "description": SECRET,
                            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
                        }
                    ]
                },
                "file": {
                    "input": [
                        {
                            "role": "user",
                            "content": [
                                {
                                    "type": "input_file",
                                    "filename": "f.txt",
                                    "file_data": f"data:text/plain;base64,{document}",
                                }
                            ],
                        }
                    ]
                },
                "unknown item": {"input": [{"type": "from_the_future", "body": {"words": SECRET}}]},
            }
        case "anthropic":
            return {
                "system": {"system": [{"type": "text", "text": SECRET}]},
                "user": {"metadata": {"user_id": f"mail {SECRET}"}},
                "stop": {"stop_sequences": [SECRET]},
                "examples": {
                    "tools": [{"name": "f", "input_schema": {"type": "object"}, "input_examples": [{"a": SECRET}]}]
                },
                "document in base64": {
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {
                                    "type": "document",
                                    "source": {"type": "base64", "media_type": "text/plain", "data": document},
                                }
                            ],
                        }
                    ]
                },
                "fetched page": {"messages": [{"role": "user", "content": "x"}, *_fetched()]},
                "mcp": {
                    "mcp_servers": [
                        {"type": "url", "url": f"https://mcp.invalid/?q={SECRET}", "name": "s"},
                    ]
                },
            }
        case _:
            return {
                "instruction": {"systemInstruction": {"parts": [{"text": SECRET}]}},
                "snake case": {"system_instruction": {"parts": [{"text": SECRET}]}},
                "stop": {"generationConfig": {"stopSequences": [SECRET]}},
                "labels": {"labels": {"k": f"is {SECRET}"}},
                "code": {
                    "contents": [
                        {"role": "user", "parts": [{"text": "x"}]},
                        {"role": "model", "parts": [{"executableCode": {"language": "PYTHON", "code": SECRET}}]},
                        {
                            "role": "user",
                            "parts": [{"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": SECRET}}],
                        },
                    ]
                },
                "inline text": {
                    "contents": [
                        {"role": "user", "parts": [{"inlineData": {"mimeType": "text/plain", "data": document}}]}
                    ]
                },
            }


def _fetched() -> list[dict[str, Any]]:
    source = {"type": "text", "media_type": "text/plain", "data": SECRET}
    content = {
        "type": "web_fetch_result",
        "url": "https://page.invalid",
        "content": {"type": "document", "source": source, "title": SECRET},
    }
    result = {"type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_1", "content": content}
    use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_fetch", "input": {"url": "https://page.invalid"}}
    turn = {"role": "assistant", "content": [use, result]}
    return [turn, {"role": "user", "content": "go on"}]


CASES = [(dialect, name) for dialect in DIALECTS for name in fields(dialect)]


@pytest.mark.parametrize("receiver", DIALECTS)
@pytest.mark.parametrize(("dialect", "name"), CASES, ids=[f"{dialect} {name}" for dialect, name in CASES])
def test_words_of_a_request_are_hidden_in_every_field(
    dialect: str, name: str, receiver: str, attacked: Attacked, provider: Provider
) -> None:
    path = PATHS[dialect].replace("/m:", f"/{receiver}:")
    provider.texts()

    reply = attacked.http.post(path, json={**asking(dialect, "x", name=receiver), **fields(dialect)[name]})

    sent = provider.texts()
    assert SECRET not in sent
    assert base64.b64encode(f"page {SECRET} end".encode()).decode() not in sent
    assert not [written for written in BASE64 if json.dumps(written)[1:60] in sent]
    assert sent or reply.status_code in (400, 403), reply.text


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("second", ["the whole", "within"])
def test_a_key_that_is_written_twice_passes_no_secret(
    dialect: str, second: str, attacked: Attacked, provider: Provider
) -> None:
    clean, dirty = (asking(dialect, text, name=dialect) for text in ("clean", SECRET))
    key = {"responses": "input", "gemini": "contents"}.get(dialect, "messages")
    if second == "the whole":
        body = json.dumps(clean)[:-1] + f', "{key}": {json.dumps(dirty[key])}, "{key}": {json.dumps(clean[key])}}}'
    else:
        body = json.dumps({**clean, "metadata": {"k": "MARK"}}).replace('"MARK"', f'"{SECRET}", "k": "clean"')
    provider.texts()

    reply = attacked.http.post(
        PATHS[dialect].replace("/m:", f"/{dialect}:"), content=body, headers={"content-type": "application/json"}
    )

    assert reply.status_code == 400
    assert SECRET not in provider.texts()


def chat_replies() -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    page = {"type": "url_citation", "url_citation": {"url": f"https://page.invalid/{SECRET}", "title": SECRET}}
    choice = chat_reply({"content": "x"})["choices"][0]
    return {
        "two reasonings": chat_reply({"content": "x", "reasoning": SECRET, "reasoning_content": SECRET}),
        "a short one": chat_reply({"content": "x", "reasoning": f"longer {SECRET}", "reasoning_content": SECRET}),
        "details": chat_reply(
            {"content": "x", "reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": SECRET}]}
        ),
        "function call next to calls": chat_reply(
            {"content": None, "tool_calls": [call], "function_call": {"name": "f", "arguments": f'{{"a":"{SECRET}"}}'}},
            "tool_calls",
        ),
        "annotations": chat_reply({"content": "x", "annotations": [page]}),
        "audio": chat_reply({"content": None, "audio": {"id": "a", "data": "", "transcript": SECRET, "expires_at": 1}}),
        "refusal": chat_reply({"content": None, "refusal": SECRET}),
        "unknown field": {**chat_reply({"content": "x"}), "x_debug": {"prompt": SECRET}},
        "unknown field of the message": chat_reply({"content": "x", "search_results": [{"snippet": SECRET}]}),
        "an error": {"error": {"message": f"can't do {SECRET}", "code": 400}},
        "an error next to choices": {**chat_reply({"content": "x"}), "error": {"message": SECRET, "code": 500}},
        "an error in the choice": {
            **chat_reply({"content": "x"}),
            "choices": [{**choice, "error": {"message": SECRET, "code": 502}, "finish_reason": "error"}],
        },
        "a text twice": json.dumps(chat_reply({"content": SECRET, "MARK": "clean"}))
        .replace("MARK", "content")
        .encode(),
        "choices twice": (
            f'{{"choices": {json.dumps(chat_reply({"content": SECRET})["choices"])}, '
            + json.dumps(chat_reply({"content": "clean"}))[1:]
        ).encode(),
        "log probabilities": {
            **chat_reply({"content": SECRET}),
            "choices": [
                {
                    **chat_reply({"content": SECRET})["choices"][0],
                    "logprobs": {
                        "content": [
                            {"token": SECRET, "logprob": -1, "bytes": None, "top_logprobs": []},
                        ]
                    },
                }
            ],
        },
    }


def chat_streams() -> dict[str, list[bytes]]:
    first, rest = SECRET[:6], SECRET[6:]
    end = [chat_chunk({}, "stop"), b"data: [DONE]\n\n"]
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {
        "two reasonings": [chat_chunk({"reasoning": SECRET, "reasoning_content": SECRET}), *end],
        "two reasonings in pieces": [
            chat_chunk({"reasoning": first, "reasoning_content": first}),
            chat_chunk({"reasoning": rest, "reasoning_content": rest}),
            *end,
        ],
        "interrupted by reasoning": [
            chat_chunk({"content": first}),
            chat_chunk({"reasoning_content": "hm"}),
            chat_chunk({"content": rest}),
            *end,
        ],
        "interrupted by a call": [
            chat_chunk({"content": first}),
            chat_chunk({"tool_calls": [call]}),
            chat_chunk({"content": rest}),
            chat_chunk({}, "tool_calls"),
            b"data: [DONE]\n\n",
        ],
        "reasoning interrupted by content": [
            chat_chunk({"reasoning": first}),
            chat_chunk({"content": "hm"}),
            chat_chunk({"reasoning": rest}),
            *end,
        ],
        "an error": [chat_chunk({"content": "x"}), event({"error": {"message": SECRET, "code": 500}})],
        "unknown field": [chat_chunk({"content": "x", "x_note": SECRET}), *end],
        "annotations": [
            chat_chunk({"content": "x", "annotations": [{"type": "url_citation", "url_citation": {"title": SECRET}}]}),
            *end,
        ],
    }


def message_replies() -> dict[str, Any]:
    page = _fetched()[0]["content"]
    return {
        "a fetched page": message_reply([*page, {"type": "text", "text": "x"}]),
        "an unknown block": message_reply([{"type": "from_the_future", "data": SECRET, "name": SECRET}]),
        "a result of code": message_reply(
            [
                {
                    "type": "code_execution_tool_result",
                    "tool_use_id": "srvtoolu_1",
                    "content": {"type": "code_execution_result", "stdout": SECRET, "stderr": "", "return_code": 0},
                }
            ]
        ),
        "two blocks": message_reply([{"type": "text", "text": SECRET[:6]}, {"type": "text", "text": SECRET[6:]}]),
        "thinking": message_reply([{"type": "thinking", "thinking": SECRET, "signature": "c2ln"}]),
    }


def message_streams() -> dict[str, list[bytes]]:
    use, result = _fetched()[0]["content"]
    text = {"type": "text", "text": ""}
    halves = [{"type": "text_delta", "text": SECRET[:6]}], [{"type": "text_delta", "text": SECRET[6:]}]
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    return {
        "a fetched page": message_stream([(use, []), (result, []), (text, [{"type": "text_delta", "text": "x"}])]),
        "two blocks": message_stream([(text, halves[0]), (text, halves[1])]),
        "interrupted": message_stream(
            [(text, halves[0]), (thinking, [{"type": "thinking_delta", "thinking": "hm"}]), (text, halves[1])]
        ),
        "a citation": message_stream(
            [
                (
                    text,
                    [
                        {"type": "text_delta", "text": "x"},
                        {
                            "type": "citations_delta",
                            "citation": {
                                "type": "char_location",
                                "cited_text": SECRET,
                                "document_index": 0,
                                "document_title": SECRET,
                                "start_char_index": 0,
                                "end_char_index": 9,
                            },
                        },
                    ],
                )
            ]
        ),
    }


def gemini_replies() -> dict[str, Any]:
    def reply(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
        candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP", **more}
        return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1}}

    return {
        "a call": reply({"functionCall": {"name": "f", "args": {"a": [SECRET]}}}),
        "code": reply({"executableCode": {"language": "PYTHON", "code": SECRET}}),
        "grounding": reply({"text": "x"}, groundingMetadata={"webSearchQueries": [SECRET]}),
        "two parts": reply({"text": SECRET[:6]}, {"text": SECRET[6:]}),
        "a message at the finish": reply({"text": "x"}, finishMessage=SECRET),
    }


REPLIES: dict[str, dict[str, dict[str, Any]]] = {
    "chat": {"whole": chat_replies(), "stream": chat_streams()},
    "anthropic": {"whole": message_replies(), "stream": message_streams()},
    "gemini": {"whole": gemini_replies(), "stream": {name: [event(b)] for name, b in gemini_replies().items()}},
}
REPLY_CASES = [(sender, mode, name) for sender, modes in REPLIES.items() for mode in modes for name in modes[mode]]


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize(("sender", "mode", "name"), REPLY_CASES, ids=[" ".join(case) for case in REPLY_CASES])
def test_words_of_a_reply_are_hidden_in_every_field(
    sender: str, mode: str, name: str, client: str, attacked: Attacked, provider: Provider
) -> None:
    scripted = REPLIES[sender][mode][name]
    stream = mode == "stream"

    def answer(sent: Sent) -> Reply:
        return Reply(pieces=scripted) if stream else Reply(scripted)

    provider.answer = answer
    path = PATHS["gemini stream" if client == "gemini" and stream else client].replace("/m:", f"/{sender}:")
    try:
        reply = attacked.http.post(path, json=asking(client, name=sender, stream=stream))
    finally:
        provider.answer = answering()

    received = "".join(_strings(reply.text)) + str(reply.headers)
    assert SECRET not in received
    assert SECRET not in reply.text
    assert reply.status_code in (200, 502) or "error" in name


def _strings(text: str) -> list[str]:
    """The texts of all events or of the body, one kind after the other, as a client joins them."""
    found: dict[str, list[str]] = {}

    def walk(value: Any, place: str) -> None:
        match value:
            case dict():
                for key, inner in value.items():
                    walk(inner, f"{place}.{key}")
            case list():
                for inner in value:
                    walk(inner, place)
            case str():
                found.setdefault(place, []).append(value)

    for line in text.splitlines() if "data:" in text else [text]:
        try:
            walk(json.loads(line.removeprefix("data:")), "")
        except ValueError:
            continue
    return ["".join(pieces) + "\n" for pieces in found.values()]


CARD = 4111_1111_1111_1111


def numbered(dialect: str, number: float) -> dict[str, dict[str, Any]]:
    """Requests with a number in a field that the dialect does not read."""
    body = asking(dialect, name=dialect)
    if dialect == "responses":
        body["input"] = [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}]
    messages = next(name for name in ("messages", "input", "contents") if name in body)
    [message] = body[messages]
    content = "parts" if dialect == "gemini" else "content"
    if isinstance(message[content], str):
        message = {**message, content: [{"type": "text", "text": message[content]}]}
    [part] = message[content]
    return {
        "top": {**body, "x_card": number},
        "list": {**body, "x_cards": [1, number]},
        "deep": {**body, "x_more": {"note": "words", "under": [{"card": number}]}},
        "message": {**body, messages: [{**message, "x_card": number}]},
        "part": {**body, messages: [{**message, content: [{**part, "x_card": number}]}]},
    }


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_card_that_is_a_number_is_hidden_in_fields_that_no_dialect_reads(
    dialect: str, attacked: Attacked, provider: Provider
) -> None:
    path = PATHS[dialect] if dialect != "gemini" else "/gemini/v1beta/models/gemini:generateContent"
    for number in (CARD, float(CARD), -CARD):
        for place, body in numbered(dialect, number).items():
            for sent in (body, json.loads(json.dumps(body).replace('"hello"', f'"it is {SECRET}"'))):
                provider.texts()

                reply = attacked.http.post(path, json=sent)

                assert reply.status_code == 200, (place, reply.text)
                assert str(CARD) not in provider.texts(), place


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_setting_that_no_dialect_reads_goes_on_as_a_number(
    dialect: str, attacked: Attacked, provider: Provider
) -> None:
    path = PATHS[dialect] if dialect != "gemini" else "/gemini/v1beta/models/gemini:generateContent"
    provider.sent.clear()

    attacked.http.post(path, json={**asking(dialect, name=dialect), "x_context": 131_072, "x_few": 7})

    [sent] = provider.sent
    assert sent.json["x_context"] == 131_072
    assert sent.json["x_few"] == 7


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_card_that_is_a_number_in_a_reply_reaches_no_client(
    dialect: str, attacked: Attacked, provider: Provider
) -> None:
    path = PATHS[dialect] if dialect != "gemini" else "/gemini/v1beta/models/gemini:generateContent"
    plain = answering()

    def answer(sent: Sent) -> Reply:
        reply = plain(sent)
        return Reply({**reply.body, "x_card": CARD, "x_more": {"cards": [CARD]}})

    provider.answer = answer
    try:
        reply = attacked.http.post(path, json=asking(dialect, name=dialect))
    finally:
        provider.answer = plain

    assert reply.status_code == 200
    assert str(CARD) not in reply.text
