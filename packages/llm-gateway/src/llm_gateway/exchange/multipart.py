"""Multipart forms with large files: fields are read and may be written anew, files pass through unread.

    --boundary CRLF  headers CRLF CRLF  content CRLF      a field, or a file
    --boundary CRLF  …
    --boundary-- CRLF

The fields that come before the first file are read. Where the model is among them and no plugin needs all fields, the
rest of the body is sent on while it arrives. Else it is kept in a temporary file until all of it has come, for a field
may still follow the files. Either way the memory that is needed does not depend on the size of the files.

As plugins see it the form is a JSON object of its fields, in which a file is its name; a field that comes several times
is an array. Only fields that are arrays may: of a second `model` or `purpose` another reader may take the other one.
That holds for what comes after the first file, too, also where it is sent on while it arrives.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, Protocol

from llm_gateway_sdk import DialectError, PayloadTooLarge
from llm_gateway_sdk.wire import json

from .part_heads import MAX_HEAD, boundary_of, read_head

__all__ = ["FormBody", "FormFile", "FormUpload", "Source", "WholeSource", "boundary_of"]

_NOTHING: Mapping[str, bytes] = {}
_MAX_FIELDS = 1 << 20
"""Bytes of all fields together."""
_MAX_PARTS = 1000
_IN_MEMORY = 1 << 20
_PIECE = 256 * 1024
_ARRAYS = frozenset({"include", "timestamp_granularities"})
"""Fields that are arrays also without `[]` at the end of their name."""


class Source(Protocol):
    """The body as it arrives."""

    length: int | None

    async def read(self) -> bytes:
        """The next bytes; `b""` at the end."""
        ...


class WholeSource:
    """A body that has come already."""

    def __init__(self, body: bytes) -> None:
        self.length: int | None = len(body)
        self._body = body

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body


@dataclass(slots=True)
class _Field:
    head: bytes
    """Headers, without the empty line."""
    name: str
    value: bytes


@dataclass(slots=True)
class FormFile:
    """A file of the form. `begin` and `end` are where its content is kept."""

    head: bytes
    name: str
    filename: str
    media_type: str
    begin: int
    end: int


@dataclass(slots=True)
class _Rest:
    """A file, and all that comes after it, as it arrives."""

    head: bytes
    name: str
    filename: str
    media_type: str


_Item = _Field | FormFile | _Rest


class FormBody:
    """A body to send: pieces, and their length in bytes where it is known."""

    def __init__(self, length: int | None, pieces: AsyncIterator[bytes]) -> None:
        self.length = length
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces


class FormUpload:
    """Made by `open`, ended by `close`."""

    def __init__(self, boundary: str, source: Source, most: int | None = None) -> None:
        self._most = most
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._source = source
        self._buffer = bytearray(b"\r\n")  # so that the first delimiter is one like the others
        self._taken = -2
        """Bytes that have come, but for those two."""
        self._items: list[_Item] = []
        self._field_bytes = self._parts = 0
        self._file: SpooledTemporaryFile[bytes] | None = None
        self._sent = False

    @classmethod
    async def open(cls, boundary: str, source: Source, *, all_fields: bool, most: int | None = None) -> FormUpload:
        """Reads the fields: those before the first file, or with `all_fields`, and where the model is not among the
        first, all of them, for which at most `most` bytes of files are kept. Raises DialectError, PayloadTooLarge, or
        what the source raises."""
        form = cls(boundary, source, most)
        try:
            await form._read(all_fields=all_fields)
        except BaseException:
            form.close()
            raise
        return form

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def may_be_sent(self) -> bool:
        """False once what had to be sent while it arrived is gone."""
        return not (self._sent and self._streams)

    @property
    def _streams(self) -> bool:
        return bool(self._items) and isinstance(self._items[-1], _Rest)

    # Fields.

    def as_json(self) -> bytes:
        """The fields as a JSON object. Raises DialectError for one that is not text."""
        found: dict[str, Any] = {}
        for item in self._items:
            text = _text(item)
            if item.name not in found:
                found[item.name] = text
            elif isinstance(item, _Field) and _is_single(item.name):
                raise DialectError("is given twice", path=item.name)
            elif isinstance(found[item.name], list):
                found[item.name].append(text)
            else:
                found[item.name] = [found[item.name], text]
        return json.dumps(found)

    # Sending.

    def body(
        self, fields: Mapping[str, Any], *, anew: bool = False, replaced: Mapping[str, bytes] = _NOTHING
    ) -> FormBody:
        """The form with these values in its fields; those that are left out of `fields` are not sent. With `anew` the
        headers of all parts are written anew, so that nothing goes out that is not in `fields`. `replaced` has the new
        contents of files, by the names of their fields. To be called again only while `may_be_sent`."""
        self._sent = True
        pieces: list[bytes | FormFile] = []
        for item, value in self._with_values(fields):
            head = item.head
            if anew or (not isinstance(item, _Field) and value.decode() != item.filename):
                head = _new_head(item, value)
            framed = self._delimiter + b"\r\n" + head + b"\r\n\r\n"
            pieces.append(framed + value if isinstance(item, _Field) else framed)
            if isinstance(item, FormFile):
                pieces.append(replaced.get(item.name, item))
        if not self._streams:
            pieces.append(self._delimiter + b"--\r\n")
        pieces[0] = _without_first_line_end(pieces[0])
        length = sum(len(each) if isinstance(each, bytes) else each.end - each.begin for each in pieces)
        if not self._streams:
            return FormBody(length, self._kept(pieces))
        total = self._source.length
        known = None if total is None else length + len(self._buffer) + total - self._taken
        return FormBody(known, self._arriving(pieces))

    def _with_values(self, fields: Mapping[str, Any]) -> list[tuple[_Item, bytes]]:
        found: list[tuple[_Item, bytes]] = []
        seen: dict[str, int] = {}
        for item in self._items:
            given, place = fields.get(item.name), seen.get(item.name, 0)
            seen[item.name] = place + 1
            values = given if isinstance(given, list) else [given]
            value = values[place] if place < len(values) else None
            if isinstance(value, str):
                found.append((item, value.encode("utf-8", "replace")))
        return found

    async def _kept(self, pieces: list[bytes | FormFile]) -> AsyncIterator[bytes]:
        for piece in pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            assert self._file is not None
            place = piece.begin
            while place < piece.end:
                self._file.seek(place)
                data = self._file.read(min(_PIECE, piece.end - place))
                place += len(data)
                yield data

    async def _arriving(self, pieces: list[bytes | FormFile]) -> AsyncIterator[bytes]:
        for piece in pieces:
            if isinstance(piece, bytes):
                yield piece
        known = {item.name for item in self._items}
        while True:
            async for data in self._content():
                yield data
            written = await self._written_head()
            if written is None:
                break
            part = read_head(_head_in(written))
            if part.filename is None and part.name in known and _is_single(part.name):
                raise DialectError("is given twice", path=part.name)
            known.add(part.name)
            yield self._delimiter + written
        yield self._delimiter + bytes(self._buffer)
        self._buffer.clear()
        while data := await self._source.read():
            yield data

    async def _content(self) -> AsyncIterator[bytes]:
        """The content of the part that has begun, up to the next delimiter."""
        overlap = len(self._delimiter) - 1
        while (end := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > overlap:
                data = bytes(self._buffer[: len(self._buffer) - overlap])
                del self._buffer[: len(data)]
                yield data
            await self._more()
        yield bytes(self._buffer[:end])
        del self._buffer[: end + len(self._delimiter)]

    async def files(self, limit: int) -> list[tuple[FormFile, bytes]]:
        """The files with their content, for providers that take no form. Raises PayloadTooLarge beyond `limit`."""
        if self._streams:
            rest = self._items.pop()
            assert isinstance(rest, _Rest)
            await self._keep_file(rest)
            await self._read(all_fields=True, begun=True)
        found: list[tuple[FormFile, bytes]] = []
        for item in self._items:
            if isinstance(item, FormFile):
                limit -= item.end - item.begin
                if limit < 0:
                    raise PayloadTooLarge("The files are larger than what this model's provider takes.")
                assert self._file is not None
                self._file.seek(item.begin)
                found.append((item, self._file.read(item.end - item.begin)))
        return found

    async def only_file(self, name: str, limit: int) -> bytes:
        """The content of the one file that the form must have. Raises DialectError, PayloadTooLarge."""
        files = await self.files(limit)
        if [file.name for file, _ in files] != [name]:
            raise DialectError("expected one file", path=name)
        return files[0][1]

    # Reading.

    async def _read(self, *, all_fields: bool, begun: bool = False) -> None:
        if not begun and not await self._skip_to_delimiter():
            raise DialectError("the body is not a multipart form of its boundary")
        while True:
            head = await self._head()
            if head is None:
                return
            part = read_head(head)
            if part.filename is None:
                self._items.append(_Field(head, part.name, await self._value()))
                continue
            file = _Rest(head, part.name, part.filename, part.media_type)
            if not all_fields and any(isinstance(item, _Field) and item.name == "model" for item in self._items):
                self._items.append(file)
                return
            await self._keep_file(file)

    async def _more(self) -> None:
        data = await self._source.read()
        if not data:
            raise DialectError("the form ends before its last boundary")
        if self._taken < 0:
            self._taken = 0
        self._taken += len(data)
        self._buffer += data

    async def _skip_to_delimiter(self) -> bool:
        """What comes before the first delimiter means nothing."""
        start = 0
        while (found := self._buffer.find(self._delimiter, start)) < 0:
            if len(self._buffer) > _MAX_FIELDS:
                return False
            start = self._searched(self._delimiter)
            try:
                await self._more()
            except DialectError:
                return False
        del self._buffer[: found + len(self._delimiter)]
        return True

    async def _head(self) -> bytes | None:
        """The headers of the part that begins; None after the last one. The buffer begins after a delimiter."""
        written = await self._written_head()
        if written is not None:
            return _head_in(written)
        while await self._source.read():
            pass  # what comes after the end means nothing
        return None

    async def _written_head(self) -> bytes | None:
        """The same with the end of the delimiter's line, and the empty line."""
        while len(self._buffer) < 2:
            await self._more()
        if self._buffer.startswith(b"--"):
            return None
        start = 0
        while (end := self._buffer.find(b"\r\n\r\n", start)) < 0 and len(self._buffer) <= MAX_HEAD:
            start = self._searched(b"\r\n\r\n")
            await self._more()
        if not 0 <= end <= MAX_HEAD:
            raise PayloadTooLarge(f"The headers of a part of the form are larger than {MAX_HEAD} bytes.")
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise PayloadTooLarge(f"The form has more than {_MAX_PARTS} parts.")
        written = bytes(self._buffer[: end + 4])
        del self._buffer[: end + 4]
        return written

    async def _value(self) -> bytes:
        start = 0
        while (end := self._buffer.find(self._delimiter, start)) < 0:
            self._count(len(self._buffer))
            start = self._searched(self._delimiter)
            await self._more()
        value = bytes(self._buffer[:end])
        del self._buffer[: end + len(self._delimiter)]
        self._field_bytes += len(value)
        self._count(0)
        return value

    async def _keep_file(self, part: _Rest) -> None:
        if self._file is None:
            self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 — `close` closes it
        kept = self._file
        kept.seek(0, 2)
        begin = kept.tell()
        overlap = len(self._delimiter) - 1
        while (end := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > overlap:
                kept.write(self._buffer[: len(self._buffer) - overlap])
                del self._buffer[: len(self._buffer) - overlap]
            if self._most is not None and self._taken > self._most:
                raise PayloadTooLarge(f"Write the fields before the files: of these {self._most} bytes are kept here.")
            await self._more()
        kept.write(self._buffer[:end])
        del self._buffer[: end + len(self._delimiter)]
        self._items.append(FormFile(part.head, part.name, part.filename, part.media_type, begin, kept.tell()))

    def _searched(self, sign: bytes) -> int:
        """Where to go on looking for a sign that is not in what has come."""
        return max(0, len(self._buffer) - len(sign) + 1)

    def _count(self, more: int) -> None:
        if self._field_bytes + more > _MAX_FIELDS:
            raise PayloadTooLarge(f"The fields of the form are larger than {_MAX_FIELDS} bytes.")


def _head_in(written: bytes) -> bytes:
    """Raises DialectError where the delimiter's line goes on."""
    begin = written.find(b"\r\n") + 2
    if written[: begin - 2].strip(b" \t"):
        raise DialectError("a boundary of the form does not end its line")
    return written[begin:-4]


def _is_single(name: str) -> bool:
    return not name.endswith("[]") and name not in _ARRAYS


def _text(item: _Item) -> str:
    if not isinstance(item, _Field):
        return item.filename.encode("utf-8", "replace").decode("utf-8")
    try:
        return item.value.decode("utf-8")
    except UnicodeDecodeError:
        raise DialectError("expected text in UTF-8", path=item.name) from None


def _new_head(item: _Item, value: bytes) -> bytes:
    def quoted(text: str) -> str:
        return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")  # HTML, "multipart/form-data"

    head = f'Content-Disposition: form-data; name="{quoted(item.name)}"'
    if isinstance(item, _Field):
        return head.encode()
    return f'{head}; filename="{quoted(value.decode())}"\r\nContent-Type: {item.media_type}'.encode()


def _without_first_line_end(piece: bytes | FormFile) -> bytes | FormFile:
    return piece[2:] if isinstance(piece, bytes) else piece
