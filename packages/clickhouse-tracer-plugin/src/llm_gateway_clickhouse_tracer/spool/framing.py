"""Records as the spool holds them: a head of JSON, and after it bodies as they are on the wire.

    @1830,512 ["r1","shop", ...]⏎<1830 bytes><512 bytes>⏎
    {"row": ...}⏎

Bodies are neither copied nor escaped until they are sent: that of a long stream has megabytes, and making text
of it keeps all others from the interpreter. The sizes are first, so that a reader goes from record to record without
looking into them. A record without bodies is one line of JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from llm_gateway_sdk.wire import json

__all__ = ["MAX_BODIES", "Record", "count_records", "encode_record", "parts_of", "records_of", "whole_length"]

MAX_BODIES: Final = 3

_SIZES: Final = re.compile(rb"@(\d{1,12}(?:,\d{1,12})*) ")


_LINES: Final = {count: b"@" + b",".join([b"%d"] * count) + b" %b\n" for count in range(1, MAX_BODIES + 1)}
_SHORT_HEAD: Final = 64 * 1024
"""A head up to this size is written together with what comes before and after it: fewer pieces cost less."""
_BEYOND: Final = _SHORT_HEAD + 1


class Record(NamedTuple):
    """`pieces` are written one after the other."""

    size: int
    pieces: tuple[bytes, ...]


def encode_record(head: bytes, bodies: tuple[bytes, ...] = ()) -> Record:
    """`head` is JSON without line feeds; there are at most `MAX_BODIES` bodies."""
    if head[_SHORT_HEAD:_BEYOND]:
        return _with_long_head(head, bodies)
    if not bodies:
        line = head + b"\n"
        return Record(len(line), (line,))
    sizes = tuple(map(len, bodies))
    line = _LINES[len(bodies)] % (*sizes, head)
    return Record(len(line) + sum(sizes) + 1, (line, *bodies, b"\n"))


def _with_long_head(head: bytes, bodies: tuple[bytes, ...]) -> Record:
    """Not copied, for that would hold all other requests."""
    if not bodies:
        return Record(len(head) + 1, (head, b"\n"))
    start = _LINES[len(bodies)][:-3] % tuple(map(len, bodies))
    return Record(len(start) + len(head) + sum(map(len, bodies)) + 2, (start, head, b"\n", *bodies, b"\n"))


def records_of(segment: bytes) -> Iterator[bytes]:
    """The records one by one. Ends before the first that is not whole."""
    start = 0
    while (end := _end_of(segment, start)) > start:
        yield segment[start:end]
        start = end


def count_records(segment: bytes) -> int:
    return sum(1 for _ in records_of(segment))


def whole_length(segment: bytes) -> int:
    """Up to where a segment is sound, its heads included.

    What follows an unsound record was written later than it, and is not trusted: a body can look like a record.
    """
    start = 0
    while (end := _end_of(segment, start)) > start and _is_json(segment[start:end]):
        start = end
    return start


def parts_of(record: bytes) -> tuple[bytes, list[bytes]]:
    """(head, bodies)"""
    sizes = _SIZES.match(record)
    if sizes is None:
        return record[:-1], []
    place = record.index(b"\n")
    head = record[sizes.end() : place]
    bodies, place = [], place + 1
    for size in sizes[1].split(b","):
        bodies.append(record[place : (place := place + int(size))])
    return head, bodies


def _end_of(segment: bytes, start: int) -> int:
    """Where the record ends that begins at `start`; `start` where it does not end."""
    line_end = segment.find(b"\n", start)
    if line_end < 0:
        return start
    sizes = _SIZES.match(segment, start, line_end)
    if sizes is None:
        return line_end + 1
    end = line_end + 1 + sum(map(int, sizes[1].split(b",")))
    return end + 1 if segment[end : end + 1] == b"\n" else start


def _is_json(record: bytes) -> bool:
    try:
        json.loads(parts_of(record)[0])
    except ValueError:
        return False
    return True
