"""A folder with a configuration, and `command_line`, which these tests share (tests are not a package)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the configuration in the current folder."""
    from command_line import CONFIG

    (folder / "gateway.yaml").write_text(CONFIG)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("KEY", "sk-canary-0123456789")
    return "gateway.yaml"
