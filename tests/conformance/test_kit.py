"""The floor of the conformance kit, which only rises. `hatch run conformance` runs the kit itself."""

from __future__ import annotations

import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def test_the_floor_is_never_lowered() -> None:
    sys.path.insert(0, str(TOOLS))
    try:
        import conformance
    finally:
        sys.path.remove(str(TOOLS))

    floor = conformance.read_floor(conformance.FLOOR.read_text())

    assert sum(floor.values()) >= 1355
    assert conformance.below(floor, conformance.former_floors()) == ""
