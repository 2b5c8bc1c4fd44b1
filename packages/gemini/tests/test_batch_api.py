"""Batches at a provider of the Gemini API, as pure functions over bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llm_gateway_gemini.batch_api import GeminiBatchAPI

from llm_gateway_sdk import DialectError

API = GeminiBatchAPI()


def operation(state: str, **about: Any) -> bytes:
    return json.dumps({"name": "batches/b1", "metadata": {"state": state, **about}}).encode()


@pytest.mark.parametrize(
    ("state", "phase", "final"),
    [
        ("BATCH_STATE_PENDING", "validating", False),
        ("BATCH_STATE_RUNNING", "in_progress", False),
        ("BATCH_STATE_SUCCEEDED", "completed", True),
        ("JOB_STATE_FAILED", "failed", True),
        ("BATCH_STATE_CANCELLED", "cancelled", True),
        ("BATCH_STATE_EXPIRED", "expired", True),
    ],
)
def test_states(state: str, phase: str, final: bool) -> None:
    output = {"responsesFile": "files/out"}
    status = API.decode_status(operation(state, output=output, inputConfig={"fileName": "files/in"}))

    assert (status.id, status.phase, status.is_final) == ("b1", phase, final)
    assert status.results == (["out"] if final else [])
    assert status.files == ["in", "out"]


def test_counts_are_texts_and_moments_have_fractions() -> None:
    stats = {"requestCount": "3", "successfulRequestCount": "2", "failedRequestCount": "1"}
    whole = operation("BATCH_STATE_SUCCEEDED", batchStats=stats, createTime="2026-01-01T00:00:00.123456789Z")

    status = API.decode_status(whole)

    assert status.counts == {"succeeded": 2, "errored": 1}
    assert status.created == 1767225600


def test_a_batch_that_ended_with_an_error_has_failed() -> None:
    whole = {"name": "batches/b", "metadata": {"state": "BATCH_STATE_SUCCEEDED"}, "done": True}
    error = {"code": 3, "message": "a line is not valid", "status": "INVALID_ARGUMENT"}

    status = API.decode_status(json.dumps({**whole, "error": error}).encode())

    assert status.phase == "failed"
    assert status.problems == [{"code": "INVALID_ARGUMENT", "message": "a line is not valid"}]


@pytest.mark.parametrize("body", [b"[]", b"{}", operation("BATCH_STATE_ODD"), b'{"name": "models/x", "metadata": {}}'])
def test_what_does_not_describe_a_batch_is_reported(body: bytes) -> None:
    with pytest.raises(DialectError):
        API.decode_status(body)


def test_results() -> None:
    good = API.decode_result(b'{"key": "a", "response": {"candidates": []}}')
    bad = API.decode_result(b'{"key": "b", "error": {"code": 8, "message": "m"}}')
    undone = API.decode_result(b'{"key": "c", "error": {"code": 1}}')
    embedded = API.decode_result(b'{"key": "d", "response": {"embedding": {"values": [1]}, "tokenCount": "7"}}')
    assert good is not None
    assert bad is not None
    assert undone is not None
    assert embedded is not None
    assert (good.kind, API.dialect_of(good), API.used_by(good)) == ("succeeded", "gemini", None)
    assert (bad.kind, bad.status) == ("errored", 429)
    assert undone.kind == "cancelled"
    used = API.used_by(embedded)
    assert used is not None
    assert (API.dialect_of(embedded), used.input_tokens, used.service_tier) == ("", 7, "batch")
    assert API.decode_result(b"  ") is None
    for line in (b"{}", b'{"key": "a"}', b"not JSON"):
        with pytest.raises(DialectError):
            API.decode_result(line)


def test_handing_in_takes_a_file_and_then_the_batch() -> None:
    lines = [("a", {"contents": []}), ("b", {"contents": []})]

    upload = API.next_call(lines, "gemini", [], "flash")
    assert upload is not None
    assert (upload.method, upload.path) == ("POST", "/upload/files")
    content = upload.body.partition(b"Content-Type: application/jsonl\r\n\r\n")[2]
    assert [json.loads(line)["key"] for line in content.splitlines()[:2]] == ["a", "b"]
    file = b'{"file": {"name": "files/f1"}}'
    create = API.next_call(lines, "gemini", [file], "flash")
    assert create is not None
    assert create.path == "/models/flash:batchGenerateContent"
    assert json.loads(create.body)["batch"]["inputConfig"] == {"fileName": "files/f1"}
    embeds = API.next_call(lines, "", [file], "vectors")
    assert embeds is not None
    assert embeds.path == "/models/vectors:asyncBatchEmbedContent"
    assert API.next_call(lines, "gemini", [file, b"{}"], "flash") is None
    with pytest.raises(DialectError):
        API.next_call(lines, "gemini", [b"{}"], "flash")


def test_what_was_begun_is_taken_back() -> None:
    file, batch = b'{"file": {"name": "files/f1"}}', operation("BATCH_STATE_PENDING")

    assert [(call.method, call.path) for call in API.undo_requests([file])] == [("DELETE", "/files/f1")]
    assert [call.path for call in API.undo_requests([file, batch])] == ["/batches/b1:cancel", "/files/f1"]
    assert API.undo_requests([]) == API.undo_requests([b"odd"]) == []


def test_a_batch_is_deleted_with_its_files() -> None:
    status = API.decode_status(operation("BATCH_STATE_SUCCEEDED", output={"responsesFile": "files/out"}))

    assert [call.path for call in API.delete_requests(status)] == ["/batches/b1", "/files/out"]
