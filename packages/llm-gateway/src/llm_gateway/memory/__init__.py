"""Responses with a memory on any provider: what clients of the Responses API leave with a vendor, kept in the store.

A client of that API may send a turn and the id of the response before it, a conversation's id, or ids of items. Where
the provider keeps what those ids name, the request passes as it is. Where it does not, the gateway keeps it:

* `attendance.py` goes with one request: what was kept is put into its body before any hook but authentication sees it,
  so that hooks, limits and providers see a whole conversation; its reply is kept before its last bytes leave.
* `items.py` has the pure parts: what a body refers to, and what becomes of it.
* `shelf.py` reads and writes the store's records, each under the caller that it belongs to.
* `endpoints.py` answers `/responses/{id}` and `/conversations`.
"""

from .responses import ResponsesMemory
from .shelf import Bounds

__all__ = ["Bounds", "ResponsesMemory"]
