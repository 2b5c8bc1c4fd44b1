"""Headers of forms: what they say, what is refused, and that no head takes long."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from llm_gateway.exchange.part_heads import MAX_HEAD, PartHead, boundary_of, read_head
from llm_gateway_sdk import DialectError

FORM = b"Content-Disposition: form-data; "


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (FORM + b'name="model"', PartHead("model", None, "text/plain")),
        (FORM + b"name=model\r\nContent-Type: text/plain; charset=utf-8", PartHead("model", None, "text/plain")),
        (
            FORM + b'name="file"; filename="a;b=c.wav"\r\nContent-Type: Audio/WAV',
            PartHead("file", "a;b=c.wav", "audio/wav"),
        ),
        (FORM + b'NAME = "file" ; FileName="a.wav";', PartHead("file", "a.wav", "text/plain")),
        (b'content-disposition:form-data;\r\n name="file";\r\n\tfilename=""', PartHead("file", "", "text/plain")),
        (FORM + rb'name="file"; filename="a \"b\".wav"', PartHead("file", 'a "b".wav', "text/plain")),
        (FORM + rb'name="file"; filename="C:\sounds\a.wav"', PartHead("file", r"C:\sounds\a.wav", "text/plain")),
        # As .NET writes it, and clients that know the encoded form alone.
        (FORM + b"name=file; filename=a.wav; filename*=utf-8''a.wav", PartHead("file", "a.wav", "text/plain")),
        (FORM + b"name=file; filename*=UTF-8''%c3%a9.wav", PartHead("file", "é.wav", "text/plain")),
        (FORM + 'name="é"; filename="é"'.encode(), PartHead("é", "é", "text/plain")),
        (FORM + b'name="a"\r\nContent-Type: nonsense\r\nX-A: 1\r\nX-A: 2', PartHead("a", None, "text/plain")),
        (FORM + b'name="a"\r\nContent-Transfer-Encoding: BINARY', PartHead("a", None, "text/plain")),
    ],
)
def test_a_head_is_read(head: bytes, expected: PartHead) -> None:
    assert read_head(head) == expected


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"Content-Type: text/plain",
        b"Content-Disposition: form-data",
        b'Content-Disposition: attachment; name="a"',
        FORM + b'name="a"; name="b"',
        FORM + b'name="a"; NAME="b"',
        FORM + b"name*=utf-8''model",
        FORM + b"name*0=mod; name*1=el",
        FORM + b"name=\"a\"; name*=utf-8''b",
        FORM + b'name="a"\r\nContent-Disposition: form-data; name="b"',
        FORM + b'name="a"\r\nContent-Type: text/plain\r\nContent-Type: text/html',
        FORM + b'name="a"; filename="x"; filename="y"',
        FORM + b"name=a; filename=x; filename*=utf-8''y",
        FORM + b"name=a; filename*=utf-7''y",
        FORM + b"name=a; filename*=utf-8''%ff",
        FORM + b"name=a; filename*0=x",
        FORM + rb'name="file"; filename="x\"; name=\"model"',
        FORM + rb'name="file\"; name="model"',
        FORM + b'name="a',
        FORM + b'name="a"b',
        FORM + b'name="\xff"',
        FORM + b'name="a\nb"',
        FORM + b'name="a\rb"',
        FORM + b'name="a\0b"',
        b"Content-Disposition : form-data; name=a",
        b" \r\n" + FORM + b"name=a",
        b"nonsense\r\n" + FORM + b"name=a",
        FORM + b'name="a"\r\nContent-Transfer-Encoding: base64',
        FORM + b'name="a"\r\nContent-Transfer-Encoding: quoted-printable',
        FORM + b'name="a"\r\nX: ' + b"x" * MAX_HEAD,
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(head: bytes) -> None:
    with pytest.raises(DialectError):
        read_head(head)


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        ('multipart/form-data; boundary="a b"', "a b"),
        ("Multipart/Form-Data;charset=utf-8; Boundary=----WebKit'()+_,-./:=?", "----WebKit'()+_,-./:=?"),
        ("application/json", None),
        ("multipart/mixed; boundary=a", None),
    ],
)
def test_a_boundary_is_read(kind: str, boundary: str | None) -> None:
    assert boundary_of(kind) == boundary


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 71,
        "multipart/form-data; boundary=a; boundary=b", "multipart/form-data; boundary*=utf-8''a",
        'multipart/form-data; boundary="a', "multipart/form-data; boundary=a b",
    ],
)  # fmt: skip
def test_no_other_boundary_is_taken(kind: str) -> None:
    with pytest.raises(DialectError):
        boundary_of(kind)


@pytest.mark.parametrize("piece", [";", '";', "\\;", ';a="', ";a=b", '\\"', "\r\n x", "\r\na:b", "\t", "''%", "name="])
@pytest.mark.parametrize(
    ("before", "read"),
    [
        ('name="a', lambda text: read_head(FORM + text.encode())),
        ('name="a"; filename="', lambda text: read_head(FORM + text.encode())),
        ("name=a; filename*=utf-8''", lambda text: read_head(FORM + text.encode())),
        ("multipart/form-data; ", boundary_of),
        ('multipart/form-data; boundary="', boundary_of),
    ],
)
def test_no_head_takes_long(piece: str, before: str, read: Callable[[str], object]) -> None:
    """The library that mail programs use takes a minute for some of these."""
    took = []
    for length in (MAX_HEAD // 2, MAX_HEAD * 4 if read is boundary_of else MAX_HEAD - 200):
        text = before + piece * (length // len(piece))
        began = time.process_time()
        try:
            read(text)
        except DialectError:
            pass
        took.append(time.process_time() - began)

    assert max(took) < 0.05
