"""Files and batches: what a provider keeps for a client, who alone may see it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ..dialect import Target, WireRequest
from ..errors import DialectError
from .batch import BatchAPI, BatchResult, BatchStatus
from .form import OperationForm

__all__ = ["BatchLine", "OwnedForm", "Role"]

Role = Literal["create", "list", "read", "content", "cancel", "delete"]


@dataclass(slots=True)
class BatchLine:
    """One request of a batch. `body` is a part of the whole, so that a change of it is a change there."""

    custom_id: str
    body: dict[str, Any]
    place: str
    """Where it is, for messages."""
    writes: bool = True
    """Whether its reply is text that a model writes, as long as the line allows."""
    dialect: str = ""
    """The dialect of `body`; empty where it is not a conversation."""


class OwnedForm(OperationForm[None, None]):
    """One endpoint in one of its roles. A file is created by a multipart form, whose content `read_files` puts into the
    body that plugins see, and `file_content` takes out again."""

    api: ClassVar[BatchAPI | None] = None
    """Of batches: how their vendor shows them."""
    id_prefix: ClassVar[str] = "batch_"
    """How the ids of batches begin that the gateway gives."""

    def __init__(self, role: Role, *, multipart: bool = False) -> None:
        self.role = role
        self.multipart = multipart

    reply_texts = frozenset({"text", "content", "arguments", "reasoning", "thinking", "refusal", "output", "summary"})

    def peek(self, wire: WireRequest) -> str | None:
        return None

    def retarget(self, wire: WireRequest, target: Target) -> WireRequest:
        return wire

    def lines(self, body: dict[str, Any]) -> list[BatchLine]:
        """The requests that the body holds. Raises DialectError."""
        return []

    def rests_on(self, body: dict[str, Any]) -> str | None:
        """The id of what has to be the caller's already. Raises DialectError."""
        return None

    # Batches at a provider with another API: what the client sees of them. A form whose API has none leaves these out.

    def _without(self) -> DialectError:
        return DialectError(f"{type(self).__name__} has no form for batches at a provider with another API")

    def facts(self, body: dict[str, Any]) -> dict[str, Any]:
        """What of the submission each description of the batch repeats."""
        return {}

    def show_batch(self, id_: str, status: BatchStatus, facts: dict[str, Any]) -> dict[str, Any]:
        """The batch in this API's shape. Raises DialectError where the API has none, as do the next ones."""
        raise self._without()

    def files_of(self, id_: str, status: BatchStatus) -> dict[str, str]:
        """The files of results that a batch which has ended has, by what is in them (`output`, `errors`)."""
        return {}

    def show_file(self, id_: str, purpose: str, size: int, created: int) -> dict[str, Any]:
        """A file that the gateway itself gives out."""
        raise self._without()

    def show_result(self, result: BatchResult, body: dict[str, Any]) -> tuple[str, bytes]:
        """In which of `files_of` a result is (empty where there are none), and its line there. `body` is the reply in
        the client's dialect, of an error its body."""
        raise self._without()

    def show_deleted(self, id_: str) -> dict[str, Any]:
        """What answers that something was deleted."""
        raise self._without()

    def lines_of(self, content: bytes) -> list[BatchLine]:
        """The requests in a file that was kept; the inverse of `file_content`."""
        raise self._without()

    def own_addresses(self, body: bytes) -> bytes:
        """A provider's description with the gateway's addresses in place of the provider's."""
        return body

    def brings(self, answer: dict[str, Any]) -> list[str]:
        """Ids of files that the provider has made for the owner of this."""
        return []

    def reads_files(self, fields: bytes) -> bool:
        """Whether the content of the form's file is requests."""
        return False

    def read_files(self, fields: bytes, content: bytes) -> bytes:
        """The body that plugins see: the form's fields, with the content of its file where that is text of requests.
        Raises DialectError."""
        return fields

    def file_content(self, body: dict[str, Any]) -> bytes | None:
        """The file's content by that body; None where it is sent as it came."""
        return None
