"""The estimate of a request's tokens against what the vendor counted."""

from __future__ import annotations

from statistics import median

import pytest

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway_sdk import Usage
from llm_gateway_sdk.estimate import estimate_tokens
from llm_gateway_sdk.testing.recordings import Recording, load_recordings

DIALECT = Anthropic()


def recorded() -> list[tuple[Recording, int, int]]:
    """(recording, estimated, counted) of those whose prompt nothing was added to while it was answered."""
    found = []
    for recording in load_recordings("anthropic"):
        usage = _usage(recording)
        if recording.failed or "server-tool" in recording.features or usage is None or not usage.input_tokens:
            continue
        request, _ = DIALECT.decode_request(recording.request)
        found.append((recording, estimate_tokens(request), usage.input_tokens))
    return found


def _usage(recording: Recording) -> Usage | None:
    if recording.stream is not None:
        return DIALECT.usage_of(recording.stream, recording.stream)
    return DIALECT.usage_of(b"", recording.body or b"")


def test_it_errs_high_and_by_less_than_twice_on_the_whole() -> None:
    cases = recorded()
    if not cases:
        pytest.skip("the conformance kit is not there")

    assert [recording.id for recording, estimated, counted in cases if estimated < counted] == []
    assert median(estimated / counted for _, estimated, counted in cases) < 2
