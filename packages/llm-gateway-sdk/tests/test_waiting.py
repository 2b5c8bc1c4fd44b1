import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk import Headers
from llm_gateway_sdk.waiting import (
    LONGEST_WAIT_SECONDS,
    bounded_seconds,
    decode_reset,
    decode_retry_after,
    moment_of_seconds,
    retry_after,
    seconds_of_moment,
)

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0), ("7", 7.0), (" 7 ", 7.0), ("1.5", 1.5), ("-3", 0.0), ("6m0s", 360.0), ("12ms", 0.012),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0), ("Tue, 14 Nov 2023 22:13:30 -0000", 10.0),
        ("2023-11-14T22:13:30Z", 10.0), ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0),
        ("99999999999", LONGEST_WAIT_SECONDS), ("9" * 200, LONGEST_WAIT_SECONDS),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT_SECONDS),
        ("inf", None), ("1e400", None), ("nan", None), ("", None), ("soon", None), ("1_000", None), ("٣", None),
        ("9" * 5000, None), ("Mon, 32 Foo 2023 00:00:00", None), ("0x10", None),
    ],
)  # fmt: skip
def test_a_retry_after_in_each_form(value, seconds):
    assert decode_retry_after(value, now=NOW) == seconds


def test_a_date_counts_from_the_replys_own_clock():
    headers = Headers.of([("retry-after", "Tue, 14 Nov 2023 22:13:30 GMT"), ("date", "Tue, 14 Nov 2023 22:13:00 GMT")])
    assert retry_after(headers, now=0.0) == 30.0
    assert retry_after(Headers.of([("retry-after", "Tue, 14 Nov 2023 22:13:30 GMT")])) is None


def test_milliseconds_come_first_where_they_are_a_number():
    assert retry_after(Headers.of([("retry-after", "9"), ("retry-after-ms", "1500")])) == 1.5
    assert retry_after(Headers.of([("retry-after", "9"), ("retry-after-ms", "inf")])) == 9.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1s", 1.0), ("6m0s", 360.0), ("2m59.56s", 179.56), ("300000000d", LONGEST_WAIT_SECONDS), ("45", 45.0),
        (str(int(NOW) + 20), 20.0), (str((int(NOW) + 20) * 1000), 20.0), ("2023-11-14T22:13:50+00:00", 30.0),
        ("9999-12-31T23:59:59Z", LONGEST_WAIT_SECONDS), ("inf", None), ("", None), ("d", None),
    ],
)  # fmt: skip
def test_a_reset_in_each_form(value, seconds):
    assert decode_reset(value, now=NOW) == pytest.approx(seconds)


HEADER_TEXT = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=60),
    st.from_regex(r"[+-]?[0-9.]{0,30}(e[0-9]{1,5})?(ms|s|m|h|d)?", fullmatch=True),
    st.from_regex(r"[A-Z][a-z]{2}, \d{1,2} (Jan|Feb|Dec) \d{1,6} \d\d:\d\d:\d\d( GMT| [+-]\d{4})?", fullmatch=True),
    st.from_regex(r"\d{4,5}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", fullmatch=True),
    st.floats().map(str),
)


@given(HEADER_TEXT, HEADER_TEXT)
def test_no_text_raises_and_every_number_is_bounded(value, date):
    for seconds in (
        decode_retry_after(value, now=NOW),
        decode_retry_after(value, date=date),
        decode_reset(value, now=NOW),
        retry_after(Headers.of([("retry-after-ms", value), ("retry-after", date)])),
    ):
        assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= LONGEST_WAIT_SECONDS)


@given(st.floats() | st.none())
def test_a_bounded_wait(value):
    seconds = bounded_seconds(value)
    assert (seconds is None) == (value is None or math.isnan(value))
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT_SECONDS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-28T10:00:00Z", 1795860000),
        ("2026-11-28T11:00:00.123456789+01:00", 1795860000),
        ("2026-11-28T10:00:00", 1795860000),
        ("0001-01-01T00:00:00+14:00", -62135647200),
        ("now", None),
        ("9" * 10_000, None),
        (None, None),
        (5, None),
    ],
)
def test_moments_are_seconds(text: object, expected: int | None) -> None:
    assert seconds_of_moment(text) == expected


@given(st.integers() | st.floats())
def test_any_number_has_a_moment(seconds: float) -> None:
    moment = moment_of_seconds(seconds)

    assert seconds_of_moment(moment) is not None
    if 0 <= seconds < 2**33:
        assert seconds_of_moment(moment) == int(seconds)
