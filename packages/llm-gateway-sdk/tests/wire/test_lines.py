from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.wire.lines import each_line, has_more_lines


@given(st.lists(st.sampled_from([b"a", b" ", b"\n", b"\r", b"\r\n", b"{}", b"\x0b", b"\x1c"])).map(b"".join))
def test_lines_are_those_of_the_standard_library_without_the_blank_ones(data: bytes) -> None:
    expected = [(number, text) for number, text in enumerate(data.splitlines(), 1) if text.strip()]

    assert list(each_line(data)) == expected


def test_ends_of_lines_are_counted_whatever_is_between_them() -> None:
    assert not has_more_lines(b"{}\r\n" * 10, 10)
    assert has_more_lines(b"\n" * 21, 10)
    assert has_more_lines(b"\r" * 21, 10)
    assert not has_more_lines(b"x" * 1000, 10)
