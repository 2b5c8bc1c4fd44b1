"""Files and batches: which lines they have, what they depend on and what comes of them."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.operations.batches.forms import AnthropicBatches, OpenAIBatches, OpenAIFiles
from llm_gateway_sdk import DialectError
from llm_gateway_sdk.wire import json

FILES, BATCHES, ANTHROPIC = OpenAIFiles("create", multipart=True), OpenAIBatches("create"), AnthropicBatches("create")


def line(**changed: Any) -> dict[str, Any]:
    return {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}, **changed}


def test_a_file_of_requests_comes_back_as_its_lines() -> None:
    fields = b'{"purpose": "batch"}'
    assert FILES.reads_files(fields) is True

    content = json.dumps(line()) + b"\r\n\n  \n" + json.dumps(line(custom_id="2", url="/v1/embeddings"))
    body = json.loads(FILES.read_files(fields, content))

    assert [each.custom_id for each in FILES.lines(body)] == ["1", "2"]
    assert (
        FILES.file_content(body)
        == json.dumps(line()) + b"\n" + json.dumps(line(custom_id="2", url="/v1/embeddings")) + b"\n"
    )


def test_a_change_of_a_line_is_a_change_of_the_file() -> None:
    body: dict[str, Any] = {"purpose": "batch", "requests": [line()]}
    FILES.lines(body)[0].body["model"] = "theirs"

    assert b'"model":"theirs"' in (FILES.file_content(body) or b"")


def test_other_files_are_not_read() -> None:
    assert FILES.reads_files(b'{"purpose": "vision"}') is False
    assert FILES.lines({"purpose": "vision", "requests": [{"anything": 1}]}) == []
    assert FILES.file_content({"purpose": "vision", "requests": []}) is None


@pytest.mark.parametrize("content", [b"", b"\n \n"], ids=["empty", "blank"])
def test_a_file_without_lines_is_refused(content: bytes) -> None:
    with pytest.raises(DialectError, match="no lines"):
        FILES.read_files(b'{"purpose": "batch"}', content)


def test_a_line_that_is_not_json_is_named_by_its_number_in_the_file() -> None:
    with pytest.raises(DialectError, match="not valid JSON") as caught:
        FILES.read_files(b'{"purpose": "batch"}', json.dumps(line()) + b"\n\n{oops\n")

    assert caught.value.path == "line 3"


@pytest.mark.parametrize(
    "broken",
    ["text", 1, None, [], line(custom_id=1), line(body="text"), line(body=None)],
    ids=["text", "number", "null", "list", "id", "body", "no body"],
)
def test_a_line_that_is_not_a_request_is_refused(broken: Any) -> None:
    with pytest.raises(DialectError, match="custom_id, method, url and body") as caught:
        FILES.lines({"purpose": "batch", "requests": [line(), broken]})

    assert caught.value.path == "line 2"


@pytest.mark.parametrize(
    "changed",
    [{"method": "GET"}, {"url": "/v1/files"}, {"url": "https://evil.example/v1/chat/completions"}, {"url": None},
     {"url": "/v1/chat/completions/../files"}],
    ids=["method", "files", "address", "null", "dots"],
)  # fmt: skip
def test_a_line_asks_an_endpoint_that_batches_have(changed: dict[str, Any]) -> None:
    with pytest.raises(DialectError, match="url of an endpoint"):
        FILES.lines({"purpose": "batch", "requests": [line(**changed)]})


def test_a_batch_depends_on_its_file_and_brings_its_results() -> None:
    assert BATCHES.rests_on({"input_file_id": "file-1"}) == "file-1"
    assert BATCHES.brings({"output_file_id": "o", "error_file_id": None}) == ["o"]
    assert BATCHES.brings({"output_file_id": "o", "error_file_id": "e"}) == ["o", "e"]
    with pytest.raises(DialectError, match="id of an uploaded file"):
        BATCHES.rests_on({"input_file_id": 3})


def test_anthropics_batches_have_their_requests_in_the_body() -> None:
    body = {"requests": [{"custom_id": "a", "params": {"model": "m"}}, {"custom_id": "b", "params": {}}]}

    assert [(each.custom_id, each.place) for each in ANTHROPIC.lines(body)] == [
        ("a", "requests[0]"), ("b", "requests[1]"),
    ]  # fmt: skip


@pytest.mark.parametrize("requests", [None, [], {}, "text"], ids=["null", "empty", "object", "text"])
def test_a_batch_of_nothing_is_refused(requests: Any) -> None:
    with pytest.raises(DialectError, match="expected an array of requests"):
        ANTHROPIC.lines({"requests": requests})


@pytest.mark.parametrize(
    "broken", ["text", {"params": {}}, {"custom_id": "a"}, {"custom_id": 1, "params": {}}], ids=str
)
def test_a_request_of_a_batch_that_is_not_one_is_named(broken: Any) -> None:
    with pytest.raises(DialectError, match="custom_id and params") as caught:
        ANTHROPIC.lines({"requests": [{"custom_id": "a", "params": {}}, broken]})

    assert caught.value.path == "requests[1]"
