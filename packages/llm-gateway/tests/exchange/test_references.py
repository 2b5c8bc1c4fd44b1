"""What a body names of what a provider keeps."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from llm_gateway.exchange.references import may_name, may_refer, references_in
from llm_gateway.exchange.request import ClientRequest

NAMED = {
    "chat, a file": ({"messages": [{"content": [{"type": "file", "file": {"file_id": "f"}}]}]}, "file"),
    "responses, a file": ({"input": [{"content": [{"type": "input_file", "file_id": "f"}]}]}, "file"),
    "responses, an image": ({"input": [{"content": [{"type": "input_image", "file_id": "f"}]}]}, "file"),
    "responses, the result of a tool": (
        {"input": [{"type": "function_call_output", "output": [{"type": "input_file", "file_id": "f"}]}]},
        "file",
    ),
    "responses, a mask": ({"tools": [{"type": "image_generation", "input_image_mask": {"file_id": "f"}}]}, "file"),
    "responses, a container": (
        {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["f"]}}]},
        "file",
    ),
    "responses, a search": ({"tools": [{"type": "file_search", "vector_store_ids": ["f"]}]}, "vector_store"),
    "responses, a conversation": ({"conversation": "f"}, "conversation"),
    "responses, a conversation's object": ({"conversation": {"id": "f"}}, "conversation"),
    "responses, a response": ({"previous_response_id": "f"}, "previous_response"),
    "responses, an item": ({"input": [{"type": "item_reference", "id": "f"}]}, "item"),
    "responses, the container of a tool": ({"tools": [{"type": "code_interpreter", "container": "f"}]}, "container"),
    "responses, the container of a shell": (
        {"tools": [{"type": "shell", "environment": {"type": "container_reference", "container_id": "f"}}]},
        "container",
    ),
    "anthropic, a container": ({"container": "f"}, "container"),
    "anthropic, a container with skills": ({"container": {"id": "f", "skills": []}}, "container"),
    "anthropic, a document": (
        {"messages": [{"content": [{"type": "document", "source": {"type": "file", "file_id": "f"}}]}]},
        "file",
    ),
    "anthropic, an upload": ({"messages": [{"content": [{"type": "container_upload", "file_id": "f"}]}]}, "file"),
    "anthropic, within a result": (
        {"messages": [{"content": [{"type": "tool_result", "content": [{"source": {"file_id": "f"}}]}]}]},
        "file",
    ),
    "gemini, a file": ({"contents": [{"parts": [{"fileData": {"fileUri": "files/f"}}]}]}, "file"),
    "gemini, snake case": (
        {"contents": [{"parts": [{"file_data": {"file_uri": "https://generativelanguage.googleapis.com/v1beta/files/f"}}]}]},
        "file",
    ),
    "gemini, a store of files": (
        {"tools": [{"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/f"]}}]}, "file_search_store"
    ),
    "gemini, a store of files in snake case": (
        {"tools": [{"file_search": {"file_search_store_names": ["fileSearchStores/f"]}}]}, "file_search_store"
    ),
    "vertex, a corpus": (
        {"tools": [{"retrieval": {"vertexRagStore": {"ragResources": [{"ragCorpus": "ragCorpora/f"}]}}}]}, "rag_corpus"
    ),
    "anthropic, a skill": ({"container": {"skills": [{"type": "custom", "skill_id": "f"}]}}, "skill"),
    "anthropic, next to an output": (
        {"messages": [{"content": [{"type": "bash_code_execution_output", "file_id": "x",
                                    "content": [{"source": {"file_id": "f"}}]}]}]},
        "file",
    ),
    "a line of a batch, a response": (
        {"requests": [{"body": {"input": "x", "previous_response_id": "f"}}]}, "previous_response"
    ),
    "a line of a batch, a conversation": (
        {"requests": [{"body": {"input": "x", "conversation": "f"}}]}, "conversation"
    ),
    "gemini, a cache": ({"cachedContent": "cachedContents/f"}, "cached_content"),
}  # fmt: skip


def asking(body: bytes, *, operation: str = "generate", memory: object = "one") -> ClientRequest:
    request = SimpleNamespace(
        wire=SimpleNamespace(body=body), is_large=False, ctx=SimpleNamespace(operation=operation),
        project=SimpleNamespace(memory=memory),
    )  # fmt: skip
    return cast(ClientRequest, request)


@pytest.mark.parametrize("name", NAMED)
def test_what_is_named_is_found(name: str) -> None:
    body, kind = NAMED[name]

    assert may_name(json.dumps(body).encode())
    assert may_refer(asking(json.dumps(body).encode()))
    ((found, id_),) = references_in(body)
    assert found == kind
    assert "f" in id_


@pytest.mark.parametrize("item", [{"id": "f"}, {"id": "f", "type": None}])
@pytest.mark.parametrize("in_line", [False, True])
def test_an_item_without_a_type_is_found_where_it_is_looked_for(item: dict[str, Any], *, in_line: bool) -> None:
    body: dict[str, Any] = {"input": [{"role": "user", "content": "x", "id": "other"}, item]}
    body = {"requests": [{"body": body}]} if in_line else body
    written = json.dumps(body).encode()

    assert may_name(written, bare=True)
    assert may_refer(asking(written, operation="file"))
    assert may_refer(asking(written, memory=None))
    assert not may_refer(asking(written))
    assert list(references_in(body)) == [("item", "f")]


@pytest.mark.parametrize("name", NAMED)
def test_and_however_its_name_is_written(name: str) -> None:
    """A letter of the field's name as an escape is the same field to every reader."""
    written = json.dumps(NAMED[name][0])
    for sign in ("file_id", "fileUri", "file_uri", "vector_store", "cachedContent", "conversation", "skill_id"):
        for place in range(len(sign)):
            hidden = written.replace(sign, f"{sign[:place]}\\u{ord(sign[place]):04x}{sign[place + 1 :]}")
            assert may_name(hidden.encode())
            assert may_refer(asking(hidden.encode()))
            assert list(references_in(json.loads(hidden))) == list(references_in(NAMED[name][0]))


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"content": [{"type": "tool_use", "input": {"file_id": "mine"}}]}]},
        {"tools": [{"function": {"parameters": {"properties": {"file_id": {"type": "string"}}}}}]},
        {"tools": [{"input_schema": {"properties": {"file_id": {"default": "x"}}, "required": ["file_id"]}}]},
        {"contents": [{"parts": [{"functionCall": {"args": {"file_id": "x"}}}]}]},
        {"contents": [{"parts": [{"fileData": {"fileUri": "https://www.youtube.com/watch?v=x"}}]}]},
        {"contents": [{"parts": [{"fileData": {"fileUri": "gs://bucket/files/x"}}]}]},
        {"input": [{"content": [{"type": "output_text", "annotations": [{"type": "file_citation", "file_id": "x"}]}]}]},
        {"input": [{"type": "file_search_call", "results": [{"file_id": "x"}]}]},
        {"messages": [{"content": [{"content": [{"type": "bash_code_execution_output", "file_id": "x"}]}]}]},
        {"container": {"skills": [{"type": "anthropic", "skill_id": "pdf"}]}},
        {"messages": [{"content": "my file_id is file-1"}], "metadata": {"file_id": "x"}},
    ],
    ids=[
        "a call", "a schema", "another", "gemini's call", "a page", "a bucket", "a citation", "a search", "an output",
        "a skill of the vendor", "words",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_not(body: Any) -> None:
    assert list(references_in(body)) == []


@pytest.mark.parametrize(
    "uri",
    [
        "files/x", "FILES/x", "/files/x", "v1beta/files/x", "fil%65s/x", "files/x?alt=media", "files/x/", "files//x",
        "https://generativelanguage.googleapis.com/v1beta/files/x", "HTTPS://generativelanguage.googleapis.com/files/x",
        "https://GenerativeLanguage.googleapis.com/v1beta/files/x#y", " https://generativelanguage.googleapis.com/files/x",
        "https://user@europe-aiplatform.googleapis.com:443/v1/files/x", "//generativelanguage.googleapis.com/files/x",
        "https:\\\\generativelanguage.googleapis.com\\files\\x",
        "https://generativelanguage.googleapis.com/v1beta/%66iles/x",
    ],
)  # fmt: skip
def test_a_file_of_google_is_one_however_its_address_is_spelled(uri: str) -> None:
    body = {"contents": [{"parts": [{"fileData": {"fileUri": uri}}]}]}

    assert [name for _, name in references_in(body)] == [uri]


@pytest.mark.parametrize(
    "uri",
    ["gs://b/files/x", "https://storage.googleapis.com/b/files/x", "https://example.com/files/x", "s3://b/files/x"],
)
def test_an_address_of_the_public_web_or_of_a_bucket_is_none(uri: str) -> None:
    assert list(references_in({"contents": [{"parts": [{"fileData": {"fileUri": uri}}]}]})) == []


def test_nearly_every_body_is_not_read() -> None:
    for text in ("hello", "Grüße \u2014 \u4f60\u597d", "<b>&amp;</b>\n\t\x00", "C:\\users\\u"):
        assert not may_name(json.dumps({"messages": [{"role": "user", "content": text}]}).encode())
    assert not may_name(b'{"content": "\\u003cb\\u003e \\u0026 \\u0027 \\u001b \\u00e9"}')
