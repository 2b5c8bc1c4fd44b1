"""OpenAI's batches, as a provider shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway.operations.batches.openai_api import OpenAIBatchAPI
from llm_gateway_sdk import DialectError

API = OpenAIBatchAPI()


def shown(**more: Any) -> bytes:
    return json.dumps({"id": "batch_1", "status": "in_progress", **more}).encode()


def test_paths_hold_no_id_that_leads_elsewhere() -> None:
    assert API.status_request("../files/a").path == "/batches/..%2Ffiles%2Fa"
    assert API.cancel_request("b").path == "/batches/b/cancel"
    assert API.results_request("file-1").path == "/files/file-1/content"


def test_a_status() -> None:
    usage = {"input_tokens": 9, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 4}}
    counts = {"total": 5, "completed": 3, "failed": 2}
    found = API.decode_status(
        shown(
            status="completed", output_file_id="out", error_file_id="err", usage=usage, request_counts=counts,
            created_at=1, completed_at=7, expires_at=9,
        )
    )  # fmt: skip

    assert found.is_final
    assert (found.created, found.ended, found.expires, found.results) == (1, 7, 9, ["out", "err"])
    assert found.counts == {"succeeded": 3, "errored": 2}
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.cache_read_tokens, found.usage.requests) == (9, 4, 3)


def test_a_batch_that_is_not_counted_yet_reports_no_usage() -> None:
    assert API.decode_status(shown(usage={"input_tokens": 0, "output_tokens": 0})).usage is None
    assert not API.decode_status(shown()).is_final


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", shown(status="new word"), shown(id=None)])
def test_what_is_not_a_batch(body: bytes) -> None:
    with pytest.raises(DialectError):
        API.decode_status(body)


def test_results_by_how_they_ended() -> None:
    def line(**more: Any) -> bytes:
        return json.dumps({"custom_id": "a", "response": None, "error": None, **more}).encode()

    good = API.decode_result(line(response={"status_code": 200, "request_id": "r", "body": {"object": "response"}}))
    assert good is not None
    assert (good.kind, good.request_id, API.dialect_of(good)) == ("succeeded", "r", "openai_responses")
    for code, kind in (("batch_expired", "expired"), ("batch_cancelled", "cancelled"), ("other", "errored")):
        found = API.decode_result(line(error={"code": code, "message": "m"}))
        assert found is not None
        assert found.kind == kind
    refused = API.decode_result(line(response={"status_code": 429, "body": {"error": {}}}))
    assert refused is not None
    assert (refused.kind, refused.status) == ("errored", 429)
    assert API.decode_result(b" ") is None
    with pytest.raises(DialectError):
        API.decode_result(b"{}")


def test_handing_in_takes_a_file_and_then_the_batch() -> None:
    lines = [("a", {"model": "m"}), ("b", {"model": "m"})]

    upload = API.next_call(lines, "openai_chat", [])
    assert upload is not None
    assert upload.path == "/files"
    head, _, content = upload.body.partition(b"application/jsonl\r\n\r\n")
    assert b'name="purpose"\r\n\r\nbatch\r\n' in head
    written = [json.loads(line) for line in content.splitlines()[:2]]
    assert [(line["custom_id"], line["url"]) for line in written] == [
        ("a", "/v1/chat/completions"),
        ("b", "/v1/chat/completions"),
    ]
    create = API.next_call(lines, "openai_responses", [b'{"id": "file-1"}'])
    assert create is not None
    asked = json.loads(create.body)
    assert (create.path, asked["input_file_id"], asked["endpoint"]) == ("/batches", "file-1", "/v1/responses")
    assert API.next_call(lines, "openai_chat", [b"{}", b"{}"]) is None
    with pytest.raises(DialectError):
        API.next_call(lines, "openai_chat", [b"{}"])
    with pytest.raises(DialectError):
        API.next_call(lines, "anthropic", [])
