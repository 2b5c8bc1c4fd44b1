"""The short forms; `python tools/reliability.py` has the long ones."""

from __future__ import annotations

from pathlib import Path

from load import fuzz, soak, storm
from loopback import run


def test_clients_that_leave_in_a_storm_leave_nothing_behind(tmp_path: Path) -> None:
    figures = run(storm(200, tmp_path))

    assert figures["seconds until all are freed"] < 2
    assert figures["descriptors after"] - figures["descriptors before"] < 10 + figures["idle upstream connections"]


def test_a_mixture_with_reloads_leaks_no_descriptors_and_fails_nothing(tmp_path: Path) -> None:
    soaked = run(soak(1500, tmp_path))

    assert soaked.wrong == []
    assert soaked.descriptors[-1] < 60
    assert max(bytes_ for _, bytes_ in soaked.memory) < 200 << 20


def test_bad_requests_get_good_errors() -> None:
    statuses = run(fuzz(2000))

    assert sum(statuses.values()) == 2000
    assert statuses["400"] > 500
    assert "500" not in statuses
