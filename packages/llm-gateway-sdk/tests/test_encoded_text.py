"""What any receiver may read in base64 is read here, and written back in the same form."""

from __future__ import annotations

import base64
import random

import pytest

from llm_gateway_sdk.encoded_text import address, address_of, decoded, is_base64, is_escaped_address

SECRET = "123-45-6789"
LONG = "lorem ipsum dolor sit amet " * 300


def plain(data: bytes) -> str:
    return base64.b64encode(data).decode()


def broken_into(text: str, width: int, end: str) -> str:
    return end.join(text[at : at + width] for at in range(0, len(text), width))


TEXTS = {"short": f"my {SECRET} x", "short, other remainder": f"my {SECRET} xyz", "long": f"{LONG}{SECRET} x"}
FORMS = {
    "plain": plain,
    "without padding": lambda data: plain(data).rstrip("="),
    "too much padding": lambda data: plain(data) + "====",
    "padding in the middle": lambda data: plain(data[:4]) + plain(data[4:]),
    "the other alphabet": lambda data: base64.urlsafe_b64encode(data).decode(),
    "mail": lambda data: base64.encodebytes(data).decode(),
    "64 wide": lambda data: broken_into(plain(data), 64, "\r\n"),
    "odd width": lambda data: broken_into(plain(data), 61, "\n"),
    "blanks": lambda data: broken_into(plain(data), 3, " "),
    "a blank at the end": lambda data: plain(data) + " ",
    "an odd letter at the end": lambda data: plain(data).rstrip("=") + "=A",
    "data URL": lambda data: "data:text/plain;base64," + plain(data),
    "data URL, capitals": lambda data: "DATA:text/plain;BASE64," + plain(data),
    "data URL, blanks": lambda data: " data:text/plain;charset=x;base64 ," + plain(data),
    "data URL, escaped": lambda data: "data:;base64," + plain(data).replace("+", "%2B").replace("=", "%3D"),
    "data URL, broken": lambda data: "data:text/csv;base64," + base64.encodebytes(data).decode(),
}
CHARSETS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_found_in_every_form_and_written_back(text: str, form: str, charset: str) -> None:
    value = FORMS[form](TEXTS[text].encode(charset))

    found = decoded(value)
    assert found is not None
    assert SECRET in found.text

    again = decoded(found.written(found.text.replace(SECRET, "[SSN]")))
    assert again is not None
    assert SECRET not in again.text
    assert "[SSN]" in again.text


@pytest.mark.parametrize("form", ["plain", "mail"])
def test_latin_1_is_a_text_and_stays_it(form: str) -> None:
    found = decoded(FORMS[form](f"{LONG}café {SECRET}".encode("latin-1")))

    assert found is not None
    assert SECRET in found.text
    assert base64.b64decode(found.written(found.text)) == f"{LONG}café {SECRET}".encode("latin-1")
    assert "€".encode() in base64.b64decode(found.written("€")), "what it can't write is written in UTF-8"


@pytest.mark.parametrize("odd", ["\0", "\x07", "\x7f\x1b[31m", "\0\0\0"])
def test_a_control_character_makes_no_text_binary(odd: str) -> None:
    for text in (f"{LONG}{odd}{SECRET}", f"{SECRET} before{odd}"):
        found = decoded(plain(text.encode()))
        assert found is not None
        assert SECRET in found.text


def test_what_is_labelled_as_text_is_taken_for_one() -> None:
    data = bytes(range(256)) + SECRET.encode()

    assert decoded(plain(data)) is None
    assert SECRET in decoded(plain(data), media_type="text/plain").text
    assert SECRET in decoded("data:text/csv;base64," + plain(data)).text


@pytest.mark.parametrize("start", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"%PDF-1.7\n", b"PK\x03\x04", b""])
def test_binary_data_is_none(start: bytes) -> None:
    noise = random.Random(7)
    for size in (40, 300, 9000):
        assert decoded(plain(start + noise.randbytes(size))) is None


@pytest.mark.parametrize("word", ["sunny", "The weather is fine today, and it will stay so.", "", "====", "a", "!?"])
def test_words_are_not_base64(word: str) -> None:
    assert decoded(word) is None


def test_long_values_are_judged_in_slices() -> None:
    assert is_base64("QUJD\r\n" * 50_000)
    assert not is_base64("QUJD" * 50_000 + "?")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("https://x.example/?mail=ann%40b.example", "https://x.example/?mail=ann@b.example"),
        (" HTTPS://x.example/%31%32%33-45-6789", " HTTPS://x.example/123-45-6789"),
        ("gs://bucket/%C3%A9%ff", "gs://bucket/\u00e9\ufffd"),
        ("https://x.example/?q=100%", None),
        ("see https://x.example/?q=%40", None),
        ("https://x.example/plain", None),
    ],
)
def test_a_url_is_read_with_its_escapes_undone(value: str, text: str | None) -> None:
    assert is_escaped_address(value) is (text is not None)
    if text is not None:
        assert address(value) == text
        assert address(address_of(text)) == text
