"""Files and batches: what a provider keeps for a client, who alone may see it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ..dialect import Target, WireRequest
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


class OwnedForm(OperationForm[None, None]):
    """One endpoint in one of its roles. A file is created by a multipart form, whose content `read_files` puts into the
    body that plugins see, and `file_content` takes out again."""

    final: ClassVar[frozenset[str]] = frozenset()
    """Words of `state` after which a batch changes no more."""
    state: ClassVar[str] = "status"

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
