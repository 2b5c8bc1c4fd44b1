"""Shares helpers with the tests of losses."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path += [str(TESTS / name) for name in ("wire", "losses", "errors", "compatibility", "end_to_end")] + [
    str(TESTS.parent / "tools")
]
