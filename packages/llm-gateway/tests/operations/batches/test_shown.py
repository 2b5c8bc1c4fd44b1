"""What clients are shown of batches at other vendors' providers."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse

from llm_gateway.operations.batches.forms import AnthropicBatches, OpenAIBatches, OpenAIFiles
from llm_gateway_sdk.operations.batch import BatchResult, BatchStatus

OPENAI, ANTHROPIC = OpenAIBatches("read"), AnthropicBatches("read")
FACTS = {"total": 5, "created": 10, "endpoint": "/v1/responses", "metadata": {"k": "v"}, "input_file_id": "file-1"}


@pytest.mark.parametrize(
    ("phase", "word", "ended"),
    [
        ("validating", "in_progress", False),
        ("finalizing", "in_progress", False),
        ("cancelling", "canceling", False),
        ("completed", "ended", True),
        ("failed", "ended", True),
        ("expired", "ended", True),
        ("cancelled", "ended", True),
    ],
)
def test_a_batch_in_both_forms(phase: Any, word: str, ended: bool) -> None:
    status = BatchStatus("up", phase, created=10, ended=20, counts={"succeeded": 2, "errored": 1})

    theirs = MessageBatch.model_validate(ANTHROPIC.show_batch("msgbatch_1", status, FACTS))
    ours = openai.types.Batch.model_validate(OPENAI.show_batch("batch_1", status, FACTS))

    assert (theirs.processing_status, theirs.results_url is not None) == (word, ended)
    counts = theirs.request_counts
    assert counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired == 5
    assert (ours.status, ours.endpoint, ours.metadata) == (phase, "/v1/responses", {"k": "v"})
    assert getattr(ours, f"{phase}_at", None) == (20 if ended else None)
    assert (ours.output_file_id is not None) == (ended and phase != "failed")


def test_results_in_both_forms() -> None:
    def line(form: Any, result: BatchResult, body: dict[str, Any]) -> tuple[str, Any]:
        part, written = form.show_result(result, body)
        return part, json.loads(written)

    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    for kind in ("errored", "cancelled", "expired"):
        result = BatchResult("a", kind, 400, {}, "req_1")
        part, written = line(ANTHROPIC, result, error)
        MessageBatchIndividualResponse.model_validate(written)
        assert (part, written["custom_id"]) == ("", "a")
        part, written = line(OPENAI, result, {"error": {"message": "no"}})
        assert (part, written["custom_id"]) == ("errors", "a")
        assert (written["response"] is None) == (kind != "errored")
    assert line(OPENAI, BatchResult("a", "succeeded", 200), {"object": "chat.completion"})[0] == "output"


def test_files_that_the_gateway_gives_out() -> None:
    form = OpenAIFiles("read")

    file = openai.types.FileObject.model_validate(form.show_file("file-1", "batch_output", 0, 7))

    assert (file.id, file.purpose, file.created_at) == ("file-1", "batch_output", 7)
    assert openai.types.FileDeleted.model_validate(form.show_deleted("file-1")).deleted


def test_the_lines_of_a_kept_file_are_those_that_came() -> None:
    line = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"model": "m"}}

    (found,) = OPENAI.lines_of(json.dumps(line).encode() + b"\n\n")

    assert (found.custom_id, found.dialect, found.writes, found.body) == ("a", "openai_responses", True, {"model": "m"})


def test_a_results_url_is_the_gateways() -> None:
    came = b'{"id":"msgbatch_1","results_url":"https://vendor.example/v1/x"}'

    assert json.loads(ANTHROPIC.own_addresses(came))["results_url"] == "/v1/messages/batches/msgbatch_1/results"
    assert (
        ANTHROPIC.own_addresses(b'{"id":"msgbatch_1","results_url":null}') == b'{"id":"msgbatch_1","results_url":null}'
    )
