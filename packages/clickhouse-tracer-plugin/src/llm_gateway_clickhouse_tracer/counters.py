"""What the tracer counts about itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["Counters"]


@dataclass(slots=True)
class Counters:
    """Records unless the name states otherwise. Each field is written by one thread only, so that no lock is needed."""

    submitted: int = 0
    acknowledged: int = 0
    """Written to the spool."""
    sent: int = 0
    """Accepted by ClickHouse."""
    dropped_new: int = 0
    """Never written, because the spool was full."""
    dropped_old: int = 0
    """Written, and given up for newer ones (`onFull: dropOldest`)."""
    unreadable: int = 0
    """Recorded without their bodies, because a body did not decode."""
    dead: int = 0
    """Refused by ClickHouse for what is in them, and set aside."""
    torn: int = 0
    """Cut off half-written by a crash; they had not been acknowledged."""
    adopted_segments: int = 0
    retries: int = 0
    """Segments sent again."""
    spool_errors: int = 0
    """Failed writes to the spool; the records are tried again."""

    def snapshot(self) -> dict[str, int]:
        return asdict(self)
