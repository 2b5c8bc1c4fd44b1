"""A form: what one that implements nothing but its names does."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from llm_gateway_sdk import DialectError, ErrorInfo, Mint, Target, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm, UploadedFile


class Bare(OperationForm[Any, Any]):
    name: ClassVar[str] = "bare"
    operation: ClassVar[Operation] = "embed"
    path = "/embed"


class ModelInPath(Bare):
    path = ""


FORM = Bare()


def test_the_model_is_found_without_reading_the_whole_body() -> None:
    assert FORM.peek(WireRequest(body=b'{"input": "a", "model": "m"}')) == "m"
    assert FORM.peek(WireRequest(body=b'{"input": "a"}')) is None
    with pytest.raises(ValueError):
        FORM.peek(WireRequest(body=b"not JSON"))


def test_a_request_of_the_same_form_changes_its_model_and_path_alone() -> None:
    wire = WireRequest("POST", "/v2/embed", "a=1", body=b'{"model":"mine","input":["\\u00e9",1.10]}')
    sent = FORM.retarget(wire, Target(model="theirs"))

    assert (sent.method, sent.path, sent.query) == ("POST", "/embed", "a=1")
    assert sent.body == b'{"model":"theirs","input":["\\u00e9",1.10]}'


@pytest.mark.parametrize("model", ["mine", ""])
def test_a_body_with_the_right_model_is_sent_as_it_is(model: str) -> None:
    body = b'{"input":1,"model":"mine"}'

    assert FORM.retarget(WireRequest(body=body), Target(model=model)).body is body


def test_a_form_with_the_model_in_the_path_keeps_the_path() -> None:
    sent = ModelInPath().retarget(WireRequest("POST", "/models/m:embed", body=b"{}"), Target(model="m"))

    assert sent.path == "/models/m:embed"


def test_files_are_refused_by_forms_that_take_none() -> None:
    with pytest.raises(DialectError, match="takes no files"):
        FORM.decode_upload(WireRequest(body=b"{}"), [UploadedFile("file", "a.txt", "text/plain", b"a")])


def test_a_form_of_one_side_has_no_other() -> None:
    with pytest.raises(NotImplementedError):
        FORM.decode_request(WireRequest(body=b"{}"))
    with pytest.raises(NotImplementedError):
        FORM.encode_reply(None, None, Mint(lambda prefix: prefix, lambda: 0))
    with pytest.raises(NotImplementedError):
        FORM.encode_request(None, Target(model="m"), Losses())
    with pytest.raises(NotImplementedError):
        FORM.decode_reply(WireReply(200), None)


def test_what_a_form_leaves_out_is_left_to_the_route() -> None:
    assert FORM.encode_error(ErrorInfo("no", 400)) is None
    assert FORM.most_inputs(Target(model="m")) is None
    assert FORM.usage_of({"usage": {"total_tokens": 3}}) is None
