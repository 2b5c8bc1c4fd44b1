"""The bounds of a session."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RealtimeLimits"]


@dataclass(slots=True, frozen=True)
class RealtimeLimits:
    """Bounds of a session. Sizes in bytes, times in seconds."""

    message_bytes: int = 16 << 20
    items: int = 200_000
    """Values of one message of the client."""
    longest: float = 3600.0
    silence: float = 900.0
    """Without a message from either side."""
    ping: float = 20.0
    """Between pings of the client; one that answers none of two is gone. 0 sends none."""
    messages_per_second: float = 200.0
    """Of the client, over some seconds; more are taken later."""
