"""Files and batches: what an endpoint does that reads nothing of them."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway_sdk import DialectError, Target, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.operations.batch import BatchResult, BatchStatus
from llm_gateway_sdk.operations.owned import OwnedForm, Role


class Kept(OwnedForm):
    name = "vendor"
    operation: Operation = "file"  # type: ignore[misc]


@pytest.mark.parametrize("role", ["create", "list", "read", "content", "cancel", "delete"])
def test_a_request_passes_untouched_whatever_its_body_is(role: Role) -> None:
    form, wire = Kept(role), WireRequest("POST", "/v1/files/x", "a=1", body=b"\x00 not JSON")

    assert form.peek(wire) is None
    assert form.retarget(wire, Target(model="m")) is wire
    assert form.read_files(b'{"purpose": "vision"}', b"image") == b'{"purpose": "vision"}'


def test_nothing_is_read_of_what_the_form_does_not_know() -> None:
    form = Kept("create", multipart=True)

    assert form.multipart is True
    assert form.reads_files(b"{}") is False
    assert form.file_content({"requests": [{}]}) is None
    assert form.lines({"requests": [{}]}) == []
    assert form.rests_on({"input_file_id": "f"}) is None
    assert form.brings({"output_file_id": "f"}) == []


@pytest.mark.parametrize(
    "show",
    [
        lambda form: form.show_batch("b", BatchStatus("b", "running"), {}),
        lambda form: form.show_file("f", "batch", 1, 1),
        lambda form: form.show_result(BatchResult("a", "succeeded", {}), {}),
        lambda form: form.show_deleted("f"),
        lambda form: form.lines_of(b""),
    ],
)
def test_a_form_without_batches_of_other_providers_is_an_error_of_the_request(show: Any) -> None:
    with pytest.raises(DialectError, match="Kept has no form for batches"):
        show(Kept("read"))
