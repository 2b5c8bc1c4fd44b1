"""Forms with files come out as they came in, however they are cut, or with what was changed in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from llm_gateway.exchange.multipart import FormUpload, WholeSource, boundary_of
from llm_gateway_sdk import DialectError, PayloadTooLarge
from llm_gateway_sdk.wire import json

FIELD = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
PROMPT = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nhello\r\n'
FILE = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n'
    b"Content-Type: audio/mpeg\r\n\r\n\r\n--\r\n-b\r\n--\r\r\n\r\n"
)
END = b"--b--\r\n"


class Pieces:
    """A body in pieces of `size` bytes."""

    def __init__(self, body: bytes, size: int) -> None:
        self.length: int | None = len(body)
        self._pieces = [body[at : at + size] for at in range(0, len(body), size)]

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def passed(
    source: Any, change: Callable[[dict[str, Any]], None] | None = None, *, all_fields: bool = False, **options: Any
) -> tuple[dict[str, Any], int | None, bytes]:
    """The form as plugins see it; length and bytes of what is sent."""

    async def run() -> tuple[dict[str, Any], int | None, bytes]:
        form = await FormUpload.open("b", source, all_fields=all_fields)
        try:
            seen = json.loads(form.as_json())
            fields = json.loads(form.as_json())
            if change is not None:
                change(fields)
            body = form.body(fields, **options)
            return seen, body.length, b"".join([piece async for piece in body])
        finally:
            form.close()

    return asyncio.run(run())


@pytest.mark.parametrize("all_fields", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
@pytest.mark.parametrize("body", [FIELD + FILE + END, FILE + FIELD + PROMPT + END, FIELD + FILE + PROMPT + FILE + END])
def test_a_form_without_changes_is_the_same(body: bytes, size: int, all_fields: bool) -> None:
    seen, length, sent = passed(Pieces(body, size), all_fields=all_fields)

    assert sent == body
    assert length == len(body)
    assert seen["model"] == "m"


def test_fields_after_the_files_are_seen_where_all_are_asked_for() -> None:
    assert "prompt" not in passed(WholeSource(FIELD + FILE + PROMPT + END))[0]
    assert passed(WholeSource(FIELD + FILE + PROMPT + END), all_fields=True)[0] == {
        "model": "m", "file": "a.mp3", "prompt": "hello",
    }  # fmt: skip


@pytest.mark.parametrize("all_fields", [False, True])
def test_a_field_has_its_new_value_and_the_length_fits(all_fields: bool) -> None:
    body = FIELD + FILE + END

    _, length, sent = passed(WholeSource(body), lambda fields: fields.update(model="other"), all_fields=all_fields)

    assert sent == body.replace(b"\r\n\r\nm\r\n", b"\r\n\r\nother\r\n")
    assert length == len(sent)


def test_a_name_of_a_file_is_a_field_too() -> None:
    _, length, sent = passed(WholeSource(FIELD + FILE + END), lambda fields: fields.update(file='x"\r\n.mp3'))

    assert b'filename="x%22%0D%0A.mp3"' in sent
    assert length == len(sent)


def test_what_no_plugin_sees_of_a_part_is_left_out() -> None:
    body = FIELD.replace(b"\r\n\r\n", b"\r\nX-Note: secret\r\n\r\n") + FILE + END

    assert b"secret" in passed(WholeSource(body))[2]
    assert b"secret" not in passed(WholeSource(body), anew=True)[2]


def test_a_file_may_be_another_one() -> None:
    _, length, sent = passed(WholeSource(FIELD + FILE + END), all_fields=True, replaced={"file": b"new"})

    assert b"\r\n\r\nnew\r\n--b--" in sent
    assert length == len(sent)


@pytest.mark.parametrize("name", [b"include[]", b"include", b"timestamp_granularities"])
def test_an_array_comes_as_several_fields(name: bytes) -> None:
    first = PROMPT.replace(b"prompt", name)
    body = FIELD + first + first.replace(b"hello", b"world") + END

    assert passed(WholeSource(body))[0][name.decode()] == ["hello", "world"]


@pytest.mark.parametrize("all_fields", [False, True])
@pytest.mark.parametrize("size", [1, 5, 64, 10_000])
@pytest.mark.parametrize("second", [FIELD.replace(b"\r\nm\r\n", b"\r\nother\r\n"), PROMPT])
def test_no_other_field_comes_twice_wherever_the_second_is(second: bytes, size: int, all_fields: bool) -> None:
    """It is not known which of them the provider takes. What comes after a file is seen before it leaves."""
    for body in (FIELD + PROMPT + second + FILE + END, FIELD + PROMPT + FILE + second + FILE + END):
        with pytest.raises(DialectError, match="given twice"):
            passed(Pieces(body, size), all_fields=all_fields)


@pytest.mark.parametrize(
    "head",
    [
        b'Content-Disposition: form-data; name="user"; name="model"',
        b'Content-Disposition: form-data; name="user"\r\nContent-Disposition: form-data; name="model"',
        b'Content-Disposition: form-data; name="file"; filename="a"; filename="b"',
        b"Content-Disposition: form-data; name*=utf-8''model",
        b"Content-Type: text/plain",
    ],
)
@pytest.mark.parametrize("after_file", [False, True])
def test_a_part_whose_name_can_be_read_in_two_ways_is_refused(head: bytes, after_file: bool) -> None:
    part = b"--b\r\n" + head + b"\r\n\r\nx\r\n"

    with pytest.raises(DialectError, match="name"):
        passed(WholeSource(FIELD + (FILE if after_file else b"") + part + END))


@pytest.mark.parametrize("after_file", [False, True])
def test_a_form_has_no_more_parts_than_are_looked_at(after_file: bool) -> None:
    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n\r\n' % number for number in range(1001)
    )

    with pytest.raises(PayloadTooLarge, match="1000 parts"):
        passed(WholeSource(FIELD + (FILE if after_file else b"") + parts + END))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        FIELD,
        FIELD + b"--b",
        FILE,
        b"--b x\r\n\r\n",
        b"--b\r\nX: y\r\n\r\nz\r\n" + END,
        FIELD * 2 + END,
    ],
)
def test_what_is_not_a_form_is_refused(body: bytes) -> None:
    with pytest.raises(DialectError):
        passed(WholeSource(body))


def test_fields_without_end_are_refused() -> None:
    begin = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    with pytest.raises(PayloadTooLarge):
        passed(Pieces(begin + bytes(3 << 20) + b"\r\n" + END, 1 << 16))


def test_what_was_sent_while_it_arrived_is_gone() -> None:
    async def run() -> list[bool]:
        found = []
        for all_fields in (False, True):
            form = await FormUpload.open("b", WholeSource(FIELD + FILE + END), all_fields=all_fields)
            form.body({"model": "m"})
            found.append(form.may_be_sent)
            form.close()
        return found

    assert asyncio.run(run()) == [False, True]


def test_a_boundary_is_read_and_checked() -> None:
    assert boundary_of('multipart/form-data; boundary="a b"') == "a b"
    assert boundary_of("application/json") is None
    for wrong in ("multipart/form-data", "multipart/form-data; boundary=" + "x" * 71):
        with pytest.raises(DialectError):
            boundary_of(wrong)
