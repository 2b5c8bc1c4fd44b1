"""A batch as its provider shows it."""

from __future__ import annotations

from typing import get_args

from llm_gateway_sdk.operations.batch import FINAL, BatchPhase, BatchStatus


def test_four_phases_are_the_last_ones() -> None:
    final = {phase for phase in get_args(BatchPhase) if BatchStatus("b", phase).is_final}

    assert final == FINAL == {"completed", "failed", "expired", "cancelled"}
