from __future__ import annotations

from llm_gateway.wire.header_names import HeaderNames


def test_a_name_is_the_same_object_however_it_is_written() -> None:
    names = HeaderNames()

    assert names[b"Content-Type"] == "content-type"
    assert names[b"Content-Type"] is names[b"CONTENT-TYPE"] is names[b"content-type"]


def test_bytes_that_are_not_ascii_are_decoded_as_latin_1() -> None:
    assert HeaderNames()[b"X-\xe9"] == "x-\xe9"


def test_the_table_does_not_grow_with_names_that_clients_invent() -> None:
    names = HeaderNames()
    for number in range(5000):
        assert names[b"X-%d" % number] == f"x-{number}"

    assert len(names) <= 2048
    assert names[b"Content-Type"] == "content-type"
