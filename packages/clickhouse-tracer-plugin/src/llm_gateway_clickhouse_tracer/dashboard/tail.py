"""The live list: interactions that have got a request since the reader looked last.

A record arrives when its request has ended, a long stream after a short one that began later. New is therefore what has
not been seen yet within the last minutes, and not what is later than the last one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from ..database.client import Database
from .filter import Filter
from .finding import details

__all__ = ["Tail"]

_LOOK_BACK_SECONDS: Final = 600
_MOST: Final = 500


class Tail:
    """One reader's. Every `step` asks the database once, and a second time where there is something new.

    `resumed`: the reader has looked until a moment ago, so that the requests of the last minute are given again; the
    reader must know rows by their interaction.
    """

    def __init__(self, connected: Callable[[], Database], chosen: Filter, *, resumed: bool = False) -> None:
        self._connected = connected
        self._chosen = replace(chosen, range="1h", since="", until="", before="", skip=0, sort="newest", search="")
        self._seen: set[str] = set()
        self._first = not resumed
        self._resumed = resumed

    def step(self) -> list[dict[str, Any]]:
        """Interactions with new requests, the newest first, as a list shows them. Raises DatabaseFailure."""
        database = self._connected()
        where, parameters = self._chosen.where()
        back = 60 if self._resumed else _LOOK_BACK_SECONDS
        self._resumed = False
        rows = database.query(
            f"""SELECT request_id, interaction_id FROM {database.table}
            WHERE {where} AND ts > now64(6) - toIntervalSecond({back}) ORDER BY ts DESC LIMIT {_MOST}""",
            parameters,
        )
        fresh = [row["interaction_id"] for row in rows if row["request_id"] not in self._seen]
        self._seen = {row["request_id"] for row in rows} | (self._seen if len(self._seen) < 20 * _MOST else set())
        if self._first:
            self._first = False
            return []
        return details(database, self._chosen, list(dict.fromkeys(fresh)))
