"""Gemini's embeddings, read and written."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from llm_gateway_gemini.embeddings import GeminiEmbeddings

from llm_gateway_sdk import DialectError, Mint, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingReply, EmbeddingRequest, Purpose
from llm_gateway_sdk.wire import json

FORM = GeminiEmbeddings()
MINT = Mint(lambda prefix: prefix, lambda: 0)


def content(text: str) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}]}}


def single(**fields: Any) -> EmbeddingRequest:
    body = json.dumps({**content("a"), **fields})
    return FORM.decode_request(WireRequest("POST", "/v1beta/models/mine:embedContent", body=body))


def batch(*requests: Any) -> EmbeddingRequest:
    body = json.dumps({"requests": list(requests)})
    return FORM.decode_request(WireRequest("POST", "/v1beta/models/mine:batchEmbedContents", body=body))


def sent(request: EmbeddingRequest) -> tuple[str, list[dict[str, Any]], list[str]]:
    losses = Losses()
    wire = FORM.encode_request(request, Target(model="theirs"), losses)
    return wire.path, json.loads(wire.body)["requests"], sorted(loss.path for loss in losses)


@pytest.mark.parametrize("purpose", get_args(Purpose))
def test_every_purpose_has_a_task_that_is_read_again(purpose: Purpose) -> None:
    path, requests, lost = sent(EmbeddingRequest("m", ["a", "b"], purpose=purpose, dimensions=64))

    assert path == "/models/theirs:batchEmbedContents"
    read = batch(*requests)
    assert (read.purpose, read.dimensions, read.inputs, lost) == (purpose, 64, ["a", "b"], [])


@pytest.mark.parametrize(
    "fields",
    [
        {"taskType": "RETRIEVAL_DOCUMENT", "outputDimensionality": 64, "title": "T"},
        {"task_type": "RETRIEVAL_DOCUMENT", "output_dimensionality": 64, "title": "T"},
        {"embedContentConfig": {"taskType": "RETRIEVAL_DOCUMENT", "outputDimensionality": 64, "title": "T"}},
        {"embed_content_config": {"task_type": "RETRIEVAL_DOCUMENT", "output_dimensionality": 64, "title": "T"}},
    ],
    ids=["camel", "snake", "config", "snake config"],
)
def test_every_spelling_of_a_field_is_read(fields: dict[str, Any]) -> None:
    request = single(**fields)

    assert (request.purpose, request.dimensions, request.titles) == ("document", 64, ["T"])
    assert (request.model, request.single) == ("mine", True)


def test_a_title_belongs_to_its_text() -> None:
    read = batch(content("a"), {**content("b"), "title": "B"})
    assert read.titles == [None, "B"]

    _, requests, _ = sent(read)
    assert [item.get("title") for item in requests] == [None, "B"]


@pytest.mark.parametrize("field", ["taskType", "outputDimensionality"])
def test_requests_that_differ_cannot_go_to_another_provider(field: str) -> None:
    with pytest.raises(DialectError, match="the same in all requests"):
        batch({**content("a"), field: 1}, {**content("b"), field: 2})


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "64", [64], {"size": 64}], ids=str)
def test_a_size_is_a_whole_number(size: Any) -> None:
    with pytest.raises(DialectError, match="whole number from 1 on") as caught:
        single(outputDimensionality=size)

    assert caught.value.path == "outputDimensionality"


@pytest.mark.parametrize("task", [["CLUSTERING"], {"a": 1}, 7, "NEW_TASK"], ids=str)
def test_a_task_that_is_not_known_leaves_the_purpose_open(task: Any) -> None:
    assert single(taskType=task).purpose is None


@pytest.mark.parametrize("requests", [None, [], {}, ["text"], 3], ids=str)
def test_a_batch_is_a_list_of_requests(requests: Any) -> None:
    wire = WireRequest("POST", "/v1beta/models/m:batchEmbedContents", body=json.dumps({"requests": requests}))
    with pytest.raises(DialectError, match="expected an array of requests"):
        FORM.decode_request(wire)


@pytest.mark.parametrize(
    "written", [None, "text", {}, {"parts": []}, {"parts": [{"inlineData": {}}]}, {"parts": ["text"]}], ids=str
)
def test_what_is_embedded_is_text(written: Any) -> None:
    with pytest.raises(DialectError) as caught:
        batch(content("a"), {"content": written})

    assert (caught.value.path or "").startswith("requests[1].content")


def test_several_parts_are_one_text() -> None:
    assert single(content={"parts": [{"text": "a"}, {"text": "b"}]}).inputs == ["a\nb"]
    assert single(content={"parts": {"text": "a"}}).inputs == ["a"]


def test_what_google_has_no_field_for_is_reported() -> None:
    request = EmbeddingRequest("m", ["a"], user="u", truncate=True, provider_metadata={"openai": {"x": 1}})

    assert sent(request)[2] == ["truncate", "user", "x"]
    with pytest.raises(DialectError, match="not of int8"):
        sent(EmbeddingRequest("m", ["a"], element="int8"))


@pytest.mark.parametrize(
    ("path", "body", "sent_body"),
    [
        ("embedContent", {"model": "models/mine", "x": 1}, {"model": "models/theirs", "x": 1}),
        ("embedContent", {"x": 1}, {"x": 1}),
        ("batchEmbedContents", {"requests": [{"model": "models/mine"}, 3]},
         {"requests": [{"model": "models/theirs"}, 3]}),
    ],
    ids=["named", "unnamed", "batch"],
)  # fmt: skip
def test_a_request_of_googles_client_names_the_providers_model_everywhere(
    path: str, body: dict[str, Any], sent_body: dict[str, Any]
) -> None:
    wire = WireRequest("POST", f"/models/mine:{path}", body=json.dumps(body))
    moved = FORM.retarget(wire, Target(model="theirs"))

    assert moved.path == f"/models/theirs:{path}"
    assert json.loads(moved.body) == sent_body
    assert FORM.retarget(wire, Target(model="mine")) is wire


def test_replies_of_both_methods_are_read_and_written() -> None:
    one = FORM.decode_reply(WireReply(200, body=b'{"embedding": {"values": [1.0]}}'), single())
    assert one == EmbeddingReply([[1.0]])
    assert json.loads(FORM.encode_reply(one, single(), MINT).body) == {"embedding": {"values": [1.0]}}

    body = {"embeddings": [{"values": [1.0]}, {"values": [2.0]}], "usageMetadata": {"promptTokenCount": 5}}
    two = FORM.decode_reply(WireReply(200, body=json.dumps(body)), batch(content("a")))
    assert two.usage == Usage(input_tokens=5)
    assert json.loads(FORM.encode_reply(two, batch(content("a")), MINT).body) == body


@pytest.mark.parametrize("body", [b"{}", b'{"embeddings": [1]}', b'{"embedding": 1}', b'{"embeddings": [{}]}', b"[]"])
def test_a_reply_without_vectors_is_a_failure(body: bytes) -> None:
    with pytest.raises(DialectError):
        FORM.decode_reply(WireReply(200, body=body), EmbeddingRequest("m", ["a"]))
