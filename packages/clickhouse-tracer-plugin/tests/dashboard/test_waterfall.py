"""Where the time of a request went: which lanes there are, and where their bars are."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_clickhouse_tracer.dashboard.waterfall import Lane, lanes, waterfall

FAILED = {"model": "gpt", "target": "openai/gpt", "start_ms": 10, "end_ms": 60, "status": 503, "error": "overloaded"}
ANSWERED = {"model": "claude", "target": "anthropic/claude", "start_ms": 70, "first_token_ms": 100, "end_ms": 190}
TIMINGS = {
    "tracer.after_model": 1000, "redactor.before_model": 2000, "keys.authenticate": 1000, "router.on_model_error": 3000,
    "redactor.after_chunk": 5000,
}  # fmt: skip


def row(duration_us: int = 200_000, **timings: int) -> dict[str, Any]:
    return {"duration_us": duration_us, "timings": timings}


def spans(found: list[Lane]) -> dict[str, tuple[float, float]]:
    return {lane.name: (lane.bars[0].start, lane.bars[-1].end) for lane in found}


def test_lanes_are_in_the_order_of_the_walk() -> None:
    names = [lane.name for lane in lanes(row(**TIMINGS), [FAILED, ANSWERED])]

    assert names == [
        "whole request", "keys · authenticate", "redactor · before_model", "1. gpt", "router · on_model_error",
        "2. claude", "redactor · after_chunk", "tracer · after_model",
    ]  # fmt: skip


def test_plugins_are_placed_next_to_the_calls_that_they_come_before_and_after() -> None:
    found = spans(lanes(row(**TIMINGS), [FAILED, ANSWERED]))

    assert found["keys · authenticate"] == (7, 8)
    assert found["redactor · before_model"] == (8, 10)
    assert found["router · on_model_error"] == (60, 63)
    assert found["redactor · after_chunk"] == (100, 105)
    assert found["tracer · after_model"] == (190, 191)


def test_an_attempt_is_divided_at_its_first_token() -> None:
    shown = str(waterfall(row(), [FAILED, ANSWERED]))

    assert "claude: 30 ms to the first token" in shown
    assert "claude: 90 ms of stream" in shown
    assert 'x="5.00%"' in shown
    assert 'width="25.00%"' in shown
    assert shown.count("fill-errors") == 1


def test_an_attempt_without_an_end_lasts_as_long_as_the_request() -> None:
    assert "gpt: 190 ms" in str(waterfall(row(), [{"model": "gpt", "start_ms": 10}]))


def test_a_reply_without_a_call_shows_its_plugins() -> None:
    """An answer from the cache, or a refusal."""
    shown = str(waterfall(row(4000, **{"cache.before_model": 3000}), []))

    assert "cache · before_model" in shown
    assert "3\N{NO-BREAK SPACE}ms" in shown


def test_a_request_without_a_duration_has_no_picture() -> None:
    assert waterfall(row(0), [ANSWERED]) is None


def test_only_the_longest_of_many_plugins_are_shown() -> None:
    many = {f"plugin-{number}.before_model": number for number in range(1, 101)}

    names = [lane.name for lane in lanes(row(**many), [])]

    assert len(names) == 25
    assert "plugin-100 · before_model" in names
    assert "plugin-1 · before_model" not in names


PHASES = st.sampled_from(
    ["authenticate", "before_request", "before_model", "after_chunk", "after_model", "queue", "other"]
)
MOMENTS = st.none() | st.floats(0, 5000)


@given(
    st.integers(1, 5_000_000),
    st.dictionaries(st.builds(lambda phase: f"p.{phase}", PHASES), st.integers(0, 10_000_000)),
    st.lists(st.fixed_dictionaries({"start_ms": MOMENTS, "first_token_ms": MOMENTS, "end_ms": MOMENTS}), max_size=4),
)
def test_bars_stay_in_the_picture(whole: int, timings: dict[str, int], made: list[dict[str, Any]]) -> None:
    for lane in lanes(row(whole, **timings), made):
        for bar in lane.bars:
            assert 0 <= bar.start <= bar.end <= whole / 1000 + 1e-6
    assert waterfall(row(whole, **timings), made) is not None


def test_names_are_escaped() -> None:
    assert "<script>" not in str(waterfall(row(), [{"model": "<script>", "start_ms": 1}]))


def test_a_record_without_attempts_shows_its_first_token_and_stream() -> None:
    found = lanes({**row(), "model_routed": "gpt", "ttft_us": 50_000}, [])

    assert [(bar.start, bar.end, bar.kind) for bar in found[-1].bars] == [(0, 50, "input"), (50, 200, "output")]
    assert len(lanes(row(), [])) == 1
