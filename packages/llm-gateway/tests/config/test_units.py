import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.config.units import decode_duration, decode_size, show_duration, show_size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (1500, 1.5),
        ("1500", 1.5),
        ("15s", 15),
        ("250ms", 0.25),
        ("2m", 120),
        ("1h", 3600),
        ("1m30s", 90),
        (0, 0),
        (" 1.5 s", 1.5),
    ],
)
def test_a_duration_is_milliseconds_or_has_a_unit(written, seconds):
    assert decode_duration(written) == seconds


@pytest.mark.parametrize("written", ["soon", "", "5 parsecs", -1, True, None, "s", "1s!", float("inf")])
def test_what_is_not_a_duration_is_refused_with_what_would_be_right(written):
    with pytest.raises(ValueError, match="milliseconds"):
        decode_duration(written)


@pytest.mark.parametrize(
    ("written", "size"), [(10, 10), ("64KiB", 65536), ("10MB", 10 << 20), ("1g", 1 << 30), ("7", 7), ("1.5k", 1536)]
)
def test_a_size_is_bytes_or_has_a_unit(written, size):
    assert decode_size(written) == size


@given(st.integers(min_value=0, max_value=10**12))
def test_what_is_shown_of_a_size_reads_back_as_the_same(size):
    assert decode_size(show_size(size)) == size


@given(st.integers(min_value=0, max_value=10**9))
def test_what_is_shown_of_a_duration_reads_back_as_the_same(milliseconds):
    assert decode_duration(show_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)
