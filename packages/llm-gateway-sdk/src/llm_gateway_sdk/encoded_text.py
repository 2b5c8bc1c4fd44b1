"""Texts in base64 and in data URLs: whether there is one, and how another is written in its place.

What is read here must be what any receiver may read, or a text passes that no plugin has seen. So decoding is as
tolerant as the most tolerant of them: line ends and blanks between the letters, either alphabet, too much padding or
none, and padding in the middle. What a text is does not depend on a single byte: a file in Latin-1 is one, and so is a
log with a control character in it.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

__all__ = ["Decoded", "address", "address_of", "decoded", "is_base64", "is_data_url", "is_escaped_address"]

_PROBE = 4096
"""Characters by which it is judged what the rest is: images and the like are recognised by their first bytes."""
_SLICE = 1 << 16
"""Characters that are worked on at once, while no other thread goes on. A multiple of 4."""
_MOST_CONTROL = 0.02
"""Share of control characters in a text; of compressed data a tenth."""
_LEAST_ASCII = 0.7
"""Share of ASCII in a text in Latin-1."""
_NOT_ASCII = bytes(range(128, 256))
_STRICT = re.compile(r"[A-Za-z0-9+/_\r\n=-]*").fullmatch
_CONTROL = bytes([*range(9), *range(14, 27), *range(28, 32)])
_SIGNATURES = (
    b"%PDF",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"PK\x03\x04",
    b"RIFF",
    b"OggS",
    b"ID3",
    b"fLaC",
    b"\x1f\x8b",
)
_ALPHABET = bytes.maketrans(b"-_", b"+/")
_NO_LETTERS = bytes(
    code for code in range(256) if not (chr(code).isascii() and chr(code).isalnum()) and code not in b"+/-_="
)


@dataclass(slots=True, frozen=True)
class Decoded:
    """A text that was found. `head` is what is in front of it in a data URL."""

    head: str
    text: str
    charset: str
    is_base64: bool = True

    def written(self, text: str) -> str:
        """Another text in the same place and form."""
        if not self.is_base64:
            return self.head + quote(text, errors="replace")
        try:
            data = text.encode(self.charset)
        except UnicodeEncodeError:
            data = text.encode("utf-8", "replace")
        return self.head + base64.b64encode(data).decode()


def is_data_url(value: str) -> bool:
    """Receivers read the scheme in any case, and overlook blanks in front."""
    return value[:5] == "data:" or value[:64].lstrip()[:5].lower() == "data:"


_SCHEME = re.compile(r"\s{0,64}[A-Za-z][A-Za-z0-9+.-]{0,31}://").match
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}").search


def is_escaped_address(value: str) -> bool:
    """Whether the value begins as an absolute URL and has an escape such as `%40`, which who fetches it undoes."""
    return "%" in value and _SCHEME(value) is not None and _ESCAPE(value) is not None


def address(value: str) -> str:
    """A URL with its escapes undone, for those who look for words in it."""
    return unquote(value, errors="replace")


def address_of(text: str) -> str:
    """The URL that `address` reads as this text; `%2F` and others that are not letters may have become `/`."""
    return quote(text, safe=":/?#[]@!$&'()*+,;=~", errors="replace")


def is_base64(value: str) -> bool:
    """Whether the value has nothing but the letters of base64."""
    return all(_STRICT(value, at, at + _SLICE) is not None for at in range(0, len(value), _SLICE))


def decoded(value: str, *, media_type: str = "") -> Decoded | None:
    """The text that base64 or a data URL holds; None where it is binary, or neither. `media_type`: its label;
    what is labelled as text is taken for one."""
    head = ""
    if is_data_url(value):
        head, comma, value = value.partition(",")
        head += comma
        media_type = head.lstrip()[5:]
        if not head.lower().rstrip(", \t\r\n").endswith(";base64"):
            return Decoded(head, unquote(value, errors="replace"), "utf-8", is_base64=False)
        if "%" in value[:_PROBE]:
            value = unquote(value)
    is_text = media_type.strip().lower().startswith("text/")
    charset = _charset_of(_bytes_of(value[:_PROBE]), is_text=is_text)
    if charset is None:
        return None
    data = _bytes_of(value)
    try:
        return Decoded(head, data.decode(charset), charset)
    except UnicodeDecodeError:
        if charset == "utf-8":
            return Decoded(head, data.decode("latin-1"), "latin-1")
        return Decoded(head, data.decode(charset, "replace"), charset)


def _bytes_of(value: str) -> bytes:
    """What the most tolerant reader makes of base64."""
    letters = b"".join(
        value[at : at + _SLICE].encode("ascii", "ignore").translate(_ALPHABET, _NO_LETTERS)
        for at in range(0, len(value), _SLICE)
    )
    found: list[bytes] = []
    for run in letters.split(b"="):
        if len(run) % 4 == 1:
            run = run[:-1]  # half a byte
        run += b"=" * (-len(run) % 4)
        found.extend(base64.b64decode(run[at : at + _SLICE]) for at in range(0, len(run), _SLICE))
    return b"".join(found)


def _charset_of(data: bytes, *, is_text: bool) -> str | None:
    """How the beginning of a text is written; None where it is not one."""
    if not data:
        return None
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if data.startswith(_SIGNATURES) and not is_text:
        return None
    for charset, zeros in (("utf-16-le", data[1::2]), ("utf-16-be", data[::2])):
        if len(data) > 3 and zeros.count(0) > 0.4 * len(data) / 2:
            plain = data[: len(data) // 2 * 2].decode(charset, "ignore").encode("latin-1", "replace")
            if _is_plain(plain):
                return charset
    return "utf-8" if is_text or (_is_plain(data) and (_is_utf8(data) or _is_mostly_ascii(data))) else None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return len(data) >= _PROBE // 2 and error.start >= len(data) - 3  # the last letter is cut
    return True


def _is_mostly_ascii(data: bytes) -> bool:
    """As texts in Latin-1 and its relatives are, and words that were never base64 are not once they are decoded."""
    return len(data) >= 16 and len(data.translate(None, _NOT_ASCII)) >= _LEAST_ASCII * len(data)


def _is_plain(data: bytes) -> bool:
    controls = len(data) - len(data.translate(None, _CONTROL))
    if controls and len(data) < 100:
        return controls == len(data) - len(data.rstrip(b"\0")) or controls == 1 < len(data) / 10
    return controls <= _MOST_CONTROL * len(data)
