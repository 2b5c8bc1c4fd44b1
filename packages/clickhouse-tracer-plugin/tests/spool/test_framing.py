"""The form of records on disk: every cut leaves the whole ones, whatever their bodies look like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_clickhouse_tracer.spool.framing import (
    MAX_BODIES,
    Record,
    count_records,
    encode_record,
    parts_of,
    records_of,
    whole_length,
)

from llm_gateway_sdk.wire import json

BODIES = st.one_of(
    st.binary(max_size=30),
    # What would be taken for a record by a reader that looked for one instead of counting.
    st.sampled_from([b"", b"\n", b"@3 [1]\nabc\n", b'{"n":1}\n', b"@", b"@1,2 "]),
)
RECORDS = st.lists(st.tuples(st.integers(), st.lists(BODIES, max_size=MAX_BODIES)), max_size=6)


def written(records: list[tuple[int, list[bytes]]]) -> list[Record]:
    return [encode_record(json.dumps({"n": number}), tuple(bodies)) for number, bodies in records]


def bytes_of(record: Record) -> bytes:
    return b"".join(record.pieces)


@given(RECORDS)
def test_records_come_back_as_they_were_written(records: list[tuple[int, list[bytes]]]) -> None:
    encoded = written(records)
    segment = b"".join(map(bytes_of, encoded))

    assert sum(record.size for record in encoded) == len(segment)
    assert list(records_of(segment)) == list(map(bytes_of, encoded))
    assert count_records(segment) == len(records)
    assert [parts_of(record) for record in records_of(segment)] == [
        (json.dumps({"n": number}), bodies) for number, bodies in records
    ]


@given(RECORDS, st.integers(0, 400))
def test_a_cut_anywhere_leaves_the_records_before_it(records: list[tuple[int, list[bytes]]], cut: int) -> None:
    encoded = list(map(bytes_of, written(records)))
    torn = b"".join(encoded)[:cut]
    whole = [record for place, record in enumerate(encoded) if len(b"".join(encoded[: place + 1])) <= cut]

    assert list(records_of(torn[: whole_length(torn)])) == whole


def test_what_follows_a_damaged_head_is_not_trusted() -> None:
    first, damaged, last = (encode_record(head, (b"{}",)) for head in (b'["a"]', b'["b', b'["c"]'))
    segment = b"".join(map(bytes_of, (first, damaged, last)))

    assert segment[: whole_length(segment)] == bytes_of(first)


def test_a_long_head_is_not_copied_and_comes_back() -> None:
    head = json.dumps({"text": "a" * 200_000})

    for bodies in ((), (b"{}", b"\n")):
        record = encode_record(head, bodies)
        assert any(piece is head for piece in record.pieces)
        assert record.size == len(bytes_of(record))
        assert parts_of(bytes_of(record)) == (head, list(bodies))
        assert list(records_of(bytes_of(record) * 2)) == [bytes_of(record)] * 2
