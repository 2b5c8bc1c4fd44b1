"""Headers of a form and of its parts, read in time that is linear in their length.

Readers differ in what they make of a head that is out of the ordinary: of two names, of quotes inside quotes, of values
that are encoded. A head of which another reader may read the name of another field is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from llm_gateway_sdk import DialectError

__all__ = ["MAX_HEAD", "PartHead", "boundary_of", "read_head"]

MAX_HEAD = 16 * 1024
"""Bytes of the headers of one part."""
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf';[ \t]*({_TOKEN})[ \t]*=[ \t]*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s;"]*))[ \t]*')
_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})[ \t]*(?=;|$)")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
"""RFC 2046, 5.1.1."""
_ENCODED = re.compile(r"(utf-8|iso-8859-1|us-ascii)'[^']*'(.*)", re.I)
"""RFC 5987, 3.2."""
_READ = ("content-disposition", "content-type", "content-transfer-encoding")
_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")
_INNER_NAME = re.compile(r"name\s*+\*?[0-9]*+\*?\s*+=", re.I)


@dataclass(slots=True)
class PartHead:
    name: str
    filename: str | None
    """None for a field."""
    media_type: str


def boundary_of(content_type: str) -> str | None:
    """The boundary of `multipart/form-data`; None for another type. Raises DialectError for one that is not valid."""
    kind, _, rest = content_type.partition(";")
    if kind.strip().lower() != "multipart/form-data":
        return None
    boundary = (_parameters(";" + rest) or {}).get("boundary", "")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise DialectError("the content type has no valid boundary")
    return boundary


def read_head(head: bytes) -> PartHead:
    """Raises DialectError for headers that another reader could take for those of another part."""
    headers = _headers(head)
    kind, _, rest = headers.get("content-disposition", "").partition(";")
    if not rest:
        raise DialectError("a part of the form has no name")
    found = _parameters(";" + rest)
    if kind.strip().lower() != "form-data" or found is None:
        raise DialectError("a part of the form has a name that can be read in two ways")
    if "name" not in found or not found["name"].isprintable():
        raise DialectError("a part of the form has no name")
    if headers.get("content-transfer-encoding", "").lower() not in _PLAIN_ENCODINGS:
        raise DialectError("a part of the form has a transfer encoding")
    media_type = _TYPE.match(headers.get("content-type", ""))
    return PartHead(
        found["name"], _filename(found), "text/plain" if media_type is None else media_type.group(1).lower()
    )


def _headers(head: bytes) -> Mapping[str, str]:
    """By lower-case name, with folded lines joined."""
    found: dict[str, str] = {}
    text = head.decode("utf-8", "surrogateescape")
    if len(head) > MAX_HEAD or "\0" in text or text.count("\r") + text.count("\n") != 2 * text.count("\r\n"):
        raise DialectError("the headers of a part of the form are not valid")
    for line in re.sub(r"\r\n(?=[ \t])", "", text).split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or re.fullmatch(_TOKEN, name) is None:
            raise DialectError("the headers of a part of the form are not valid")
        name = name.lower()
        if name in found and name in _READ:
            raise DialectError(f"a part of the form has two names or types: {name} is given twice")
        found[name] = value.strip(" \t")
    return found


def _parameters(text: str) -> dict[str, str] | None:
    """Of `; name=value; …`, by lower-case name; None where another reader may find others."""
    found: dict[str, str] = {}
    place = 0
    text = text.rstrip(" \t;")
    while place < len(text):
        match = _PARAMETER.match(text, place)
        if match is None:
            return None
        name, quoted, plain = match.groups()
        value = plain if quoted is None else quoted
        if '\\"' in value and _INNER_NAME.search(value) is not None:
            return None  # to a reader without escapes the quotes end there
        name = name.lower()
        if name in found or name.startswith(("name*", "boundary*", "filename*0")):
            raise DialectError("a part of the form has two names")
        found[name] = re.sub(r'\\(["\\])', r"\1", value)
        place = match.end()
    return found


def _filename(found: Mapping[str, str]) -> str | None:
    """The two forms of a name have to be the same one."""
    plain, encoded = found.get("filename"), found.get("filename*")
    if encoded is None:
        return plain
    match = _ENCODED.fullmatch(encoded)
    try:
        decoded = unquote_to_bytes(match.group(2)).decode(match.group(1)) if match is not None else None
    except UnicodeDecodeError:
        decoded = None
    if decoded is None or plain not in (None, decoded):
        raise DialectError("a part of the form has two names")
    return decoded
