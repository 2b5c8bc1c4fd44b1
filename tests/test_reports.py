"""Reports of tests can be sent to the process that collects them, whatever a test has logged (see `conftest.py`)."""

from __future__ import annotations

import json

import pytest


def test_half_a_letter_in_what_was_captured_is_escaped(request: pytest.FixtureRequest) -> None:
    report = pytest.TestReport(
        nodeid="test_a.py::test_a[\ud800]",
        location=("test_a.py", 1, "test_a"),
        keywords={},
        outcome="passed",
        longrepr="\udfff was not expected",
        when="call",
        sections=[("Captured log call", "my \ud800-word")],
    )
    hook = request.config.hook
    data = hook.pytest_report_to_serializable(config=request.config, report=report)
    json.dumps(data, ensure_ascii=False).encode()  # raises for what UTF-8 can't express
    again = hook.pytest_report_from_serializable(config=request.config, data=data)
    assert again.sections == [("Captured log call", "my \\ud800-word")]
    assert again.longrepr == "\\udfff was not expected"
