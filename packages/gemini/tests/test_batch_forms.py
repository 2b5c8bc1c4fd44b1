"""Batches and files as clients of the Gemini API ask for them: what is read, and what is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llm_gateway_gemini.batch_forms import GeminiBatches, GeminiFiles

from llm_gateway_sdk import DialectError, ErrorInfo, Headers, WireRequest
from llm_gateway_sdk.operations.batch import BatchResult, BatchStatus

BATCHES, FILES = GeminiBatches("create"), GeminiFiles("create")
REQUEST = {"contents": [{"parts": [{"text": "Hi"}]}]}


def asked(source: Any, **more: Any) -> WireRequest:
    body = {"batch": {"inputConfig": source, **more}}
    return WireRequest("POST", "/models/flash:batchGenerateContent", body=json.dumps(body).encode())


def upload(headers: dict[str, str], body: bytes = b"", query: str = "") -> WireRequest:
    return WireRequest("POST", "/upload/files", query, Headers.of(list(headers.items())), body)


def test_a_submission_with_its_requests() -> None:
    source = {"requests": {"requests": [{"request": REQUEST, "metadata": {"m": 1}}, {"request": REQUEST}]}}

    body = json.loads(BATCHES.completed(asked(source, displayName="mine")))

    assert BATCHES.rests_on(body) is None
    first, second = BATCHES.lines(body)
    assert (first.custom_id, first.model, first.dialect, first.writes) == ("0", "flash", "gemini", True)
    assert (second.custom_id, second.place) == ("1", "requests[1]")
    assert BATCHES.facts(body) == {
        "model": "flash", "displayName": "mine", "method": "batchGenerateContent", "metadata": {"0": {"m": 1}},
    }  # fmt: skip


def test_a_submission_with_a_file() -> None:
    body = json.loads(BATCHES.completed(asked({"file_name": "files/f1"})))
    assert (BATCHES.rests_on(body), BATCHES.facts(body)["file"]) == ("f1", "files/f1")
    content = b"".join(json.dumps({"key": key, "request": REQUEST}).encode() + b"\r\n" for key in "ab")

    body = json.loads(BATCHES.with_lines(body, b"\xef\xbb\xbf" + content))

    assert BATCHES.rests_on(body) is None
    assert [line.custom_id for line in BATCHES.lines(body)] == ["a", "b"]


@pytest.mark.parametrize(
    "source",
    [{}, {"fileName": "f1"}, {"fileName": "files/f", "requests": {"requests": []}}, {"fileName": 1}],
    ids=["neither", "not-a-name", "both", "number"],
)
def test_a_submission_that_names_no_requests(source: Any) -> None:
    with pytest.raises(DialectError):
        BATCHES.completed(asked(source))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [({}, "a request"), ({"request": {**REQUEST, "model": "models/other"}}, "another model")],
    ids=["none", "other-model"],
)
def test_a_line_that_can_not_be_taken_is_named(request_: Any, reason: str) -> None:
    body = json.loads(BATCHES.completed(asked({"requests": {"requests": [{"request": REQUEST}, request_]}})))

    with pytest.raises(DialectError, match=reason) as failed:
        BATCHES.lines(body)
    assert failed.value.path == "requests[1]"


def test_results_within_a_batch_are_in_the_order_of_the_requests() -> None:
    facts = {"model": "flash", "total": 3, "metadata": {"2": {"m": 1}}}
    shown = BATCHES.show_batch("b", BatchStatus("x", "completed", created=1, results=["r"]), facts)
    results = [BatchResult("2", "succeeded"), BatchResult("0", "errored", 400)]
    bodies: list[dict[str, Any]] = [{"candidates": []}, {"error": {"code": 400, "message": "no", "details": [{}]}}]
    lines = [BATCHES.show_result(result, body)[1] for result, body in zip(results, bodies, strict=True)]

    BATCHES.with_results(shown, lines, facts)

    first, second, third = shown["metadata"]["output"]["inlinedResponses"]["inlinedResponses"]
    assert first == {"error": {"code": 400, "message": "no"}}
    assert second["error"]["status"] == "CANCELLED"
    assert third == {"response": {"candidates": []}, "metadata": {"m": 1}}
    assert (shown["name"], shown["done"], shown["metadata"]["state"]) == (
        "batches/b", True, "BATCH_STATE_SUCCEEDED",
    )  # fmt: skip


def test_a_batch_over_a_file_has_a_file_of_results() -> None:
    facts = {"model": "flash", "total": 1, "file": "files/f"}
    status = BatchStatus("x", "completed", results=["r"])

    assert BATCHES.shows_results(facts) is False
    assert BATCHES.files_of("b", status) == {"output": "b-output"}
    shown = BATCHES.show_batch("b", status, facts)
    assert shown["metadata"]["output"] == {"responsesFile": "files/b-output"}
    assert BATCHES.files_of("b", BatchStatus("x", "in_progress")) == {}


def test_a_batch_that_failed_has_the_reason() -> None:
    status = BatchStatus("x", "failed", problems=[{"message": "too large"}])

    shown = BATCHES.show_batch("b", status, {"total": 1})

    assert shown["error"]["message"] == "too large"


def test_lists() -> None:
    page = FILES.asked_page({"pageSize": "2", "pageToken": "x"})
    assert (page.size, page.after) == (2, "x")
    assert FILES.show_page([{}], ["a"], more=True) == {"files": [{}], "nextPageToken": "a"}
    assert BATCHES.show_page([], [], more=False) == {"operations": []}


def test_an_upload_in_steps() -> None:
    start = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
    begun = FILES.upload_step(upload({**start, "x-goog-upload-header-content-type": "application/jsonl"}))
    assert (begun.kind, begun.about) == ("begin", {"mimeType": "application/jsonl"})
    part = upload({"x-goog-upload-command": "upload", "x-goog-upload-offset": "9"}, b"abc", "upload_id=t")
    data = FILES.upload_step(part)
    assert (data.kind, data.token, data.offset, data.content, data.last) == ("data", "t", 9, b"abc", False)
    last = FILES.upload_step(upload({"x-goog-upload-command": "upload, finalize"}, b"c", "upload_id=t"))
    assert (last.last, last.offset) == (True, 0)
    for command, kind in (("query", "ask"), ("cancel", "cancel")):
        assert FILES.upload_step(upload({"x-goog-upload-command": command}, query="upload_id=t")).kind == kind
    odd = {"x-goog-upload-command": "upload", "x-goog-upload-offset": "-1"}
    for headers, query in (({}, ""), ({}, "upload_id=t"), (odd, "upload_id=t")):
        with pytest.raises(DialectError):
            FILES.upload_step(upload(headers, query=query))


def test_an_upload_in_one_request() -> None:
    body = (
        b'--x\r\nContent-Type: application/json\r\n\r\n{"file": {"displayName": "n"}}\r\n'
        b"--x\r\nContent-Type: application/x-ndjson\r\n\r\n{}\n\r\n--x--\r\n"
    )
    headers = {"x-goog-upload-protocol": "multipart", "content-type": 'multipart/related; boundary="x"'}

    step = FILES.upload_step(upload(headers, body))

    assert (step.kind, step.content) == ("whole", b"{}\n")
    assert step.about == {"displayName": "n", "mimeType": "application/x-ndjson"}
    with pytest.raises(DialectError):
        FILES.upload_step(upload(headers, b"--x--"))


@pytest.mark.parametrize("kind", ["jsonl", "application/jsonl", "application/x-ndjson", "text/json; charset=utf-8"])
def test_types_of_files_of_requests(kind: str) -> None:
    headers = {"x-goog-upload-command": "start", "x-goog-upload-header-content-type": kind}
    assert FILES.upload_step(upload(headers)).about["mimeType"] == kind


def test_an_error_ends_an_upload_unless_it_may_pass() -> None:
    """google-genai repeats a part for as long as a reply has no status of the upload."""
    ended = FILES.encode_error(ErrorInfo("no", 400, "bad_request"))
    later = FILES.encode_error(ErrorInfo("later", 503, "overloaded"))
    assert ended is not None
    assert later is not None
    assert ended.headers.get("x-goog-upload-status") == "final"
    assert later.headers.get("x-goog-upload-status") is None
    assert GeminiFiles("read").encode_error(ErrorInfo("no", 404, "not_found")) is None
