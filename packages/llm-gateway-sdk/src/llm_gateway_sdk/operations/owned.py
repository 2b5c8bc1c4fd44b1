"""Files and batches: what a provider keeps for a client, who alone may see it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from ..dialect import Target, WireReply, WireRequest
from ..errors import DialectError
from ..numerals import whole_number
from ..wire import json
from .batch import BatchAPI, BatchResult, BatchStatus
from .form import OperationForm

__all__ = ["BatchLine", "OwnedForm", "PageAsked", "Role", "UploadStep"]

Role = Literal["create", "list", "read", "content", "cancel", "delete"]


@dataclass(slots=True)
class PageAsked:
    """Which part of a list a client asks for."""

    after: str = ""
    """The id of the last one of the page before."""
    size: int = 100
    purpose: str = ""
    """Of files; empty means any."""
    before: str = ""
    """The id of the first one of the page after."""
    oldest_first: bool = False


@dataclass(slots=True)
class UploadStep:
    """One request of an upload that takes several.

    begin ──▶ data ──▶ … ──▶ data, last        `ask` and `cancel` at any time; `whole` is all of it in one request
    """

    kind: Literal["begin", "data", "ask", "cancel", "whole"]
    token: str = ""
    """What names the upload, after `begin`. It is a credential: a request with it goes on with the upload."""
    offset: int = 0
    content: bytes = b""
    last: bool = False
    about: dict[str, Any] = field(default_factory=dict)
    """What the client wrote of the file, with `begin` and `whole`."""


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
    model: str | None = None
    """Where `body` does not name it."""
    path: str = ""
    """Of the same request outside a batch, where that names its model or method."""


class OwnedForm(OperationForm[None, None]):
    """One endpoint in one of its roles. A file is created by a multipart form, whose content `read_files` puts into the
    body that plugins see, and `file_content` takes out again."""

    api: ClassVar[BatchAPI | None] = None
    """Of batches: how their vendor shows them."""
    id_prefix: ClassVar[str] = "batch_"
    """How the ids of batches begin that the gateway gives."""

    keeps: ClassVar[bool] = False
    """The gateway itself keeps the files, and hands in each batch under an id that it gives, whichever provider has
    it: an upload of this API does not name a model."""

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

    # Files that the gateway keeps, where `keeps`.

    def upload_step(self, wire: WireRequest) -> UploadStep:
        """What a request of an upload does. Raises DialectError."""
        raise self._without()

    def upload_token(self, query: str) -> str:
        """The token of an upload that is under way, in the query; empty where there is none."""
        return ""

    def show_upload(self, address: str, received: int, object_: Mapping[str, Any] | None) -> WireReply:
        """How an upload is: at which address it goes on, how many bytes have come, and when it is done the file."""
        raise self._without()

    def completed(self, wire: WireRequest) -> bytes:
        """The body of a submission, with what only the path names. Raises DialectError."""
        return wire.body

    def with_lines(self, body: dict[str, Any], content: bytes) -> bytes:
        """A body that names a file, with the file's requests in it. Raises DialectError."""
        raise self._without()

    # Lists.

    def asked_page(self, query: Mapping[str, str]) -> PageAsked:
        size = whole_number(query.get("limit"))
        after = query.get("after", query.get("after_id", ""))
        size = 100 if size is None else max(1, min(1000, size))
        oldest = query.get("order") == "asc"
        return PageAsked(after, size, query.get("purpose", ""), query.get("before_id", ""), oldest)

    def show_page(self, objects: Sequence[dict[str, Any]], ids: Sequence[str], *, more: bool) -> dict[str, Any]:
        """A page of a list; `ids` are those of the objects."""
        return {
            "object": "list",
            "data": list(objects),
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
            "has_more": more,
        }

    # Batches at a provider with another API: what the client sees of them. A form whose API has none leaves these out.

    def _without(self) -> DialectError:
        return DialectError(f"{type(self).__name__} has no form for batches at a provider with another API")

    def facts(self, body: dict[str, Any]) -> dict[str, Any]:
        """What of the submission each description of the batch repeats."""
        return {}

    def show_batch(self, id_: str, status: BatchStatus, facts: dict[str, Any]) -> dict[str, Any]:
        """The batch in this API's shape. Raises DialectError where the API has none, as do the next ones."""
        raise self._without()

    def sample(self, dialect: str) -> WireRequest:
        """The smallest request of a client in this dialect: replies to lines are written as if to it."""
        message = {"role": "user", "content": "-"}
        return WireRequest("POST", "", body=json.dumps({"model": "-", "max_tokens": 1, "messages": [message]}))

    def shows_results(self, facts: Mapping[str, Any]) -> bool:
        """Whether the results of a batch which has ended are a part of its description."""
        return False

    def with_results(self, batch: dict[str, Any], results: Sequence[bytes], facts: Mapping[str, Any]) -> None:
        """Puts results, as `show_result` has written them, into a description."""
        raise self._without()

    def show_cancelled(self, batch: dict[str, Any]) -> dict[str, Any]:
        """What answers a cancellation."""
        return batch

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
