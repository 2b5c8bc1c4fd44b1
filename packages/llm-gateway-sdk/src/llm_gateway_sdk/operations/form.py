"""A form: how one vendor writes one operation, as pure functions over bytes.

An operation is translated as a conversation is: the client's form reads its request into the canonical type, the
provider's form writes it, and the same the way back. Where both forms have the same name, bytes pass untouched.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from ..context import Operation
from ..dialect import Mint, Target, WireReply, WireRequest
from ..errors import DialectError, ErrorInfo
from ..losses import Losses
from ..response import Usage
from ..wire import json

__all__ = ["OperationForm", "ReplyKind", "UploadedFile"]

Q = TypeVar("Q")
A = TypeVar("A")

ReplyKind = Literal["object", "bytes", "anything"]
"""What the body of a success is: one JSON object; some bytes; anything, nothing included."""


@dataclass(slots=True, frozen=True)
class UploadedFile:
    """A file of a multipart form."""

    name: str
    """Of its field."""
    filename: str
    media_type: str
    content: bytes


class OperationForm(ABC, Generic[Q, A]):
    """Subclass per vendor and operation; instances hold no state. A form that only providers have leaves out the
    client's side, and the other way round."""

    name: ClassVar[str]
    """Forms of the same name and operation understand each other's bytes."""
    operation: ClassVar[Operation]
    path: str = ""
    """Where a provider has the operation, relative to its base URL; forms with a model in the path leave it empty."""
    reply_texts: ClassVar[frozenset[str]] = frozenset()
    """Fields of the reply, at any depth, that hold text which a model has written or which the client had sent."""
    multipart: bool = False
    """Requests are multipart forms, whose files may be large."""

    # The client's side.

    def peek(self, wire: WireRequest) -> str | None:
        """The model that is asked for. Raises ValueError."""
        return self._named(wire.body)

    def _named(self, body: bytes) -> str | None:
        """The fields of a multipart form are all text, `stream` too."""
        return self._named_in_fields(body) if self.multipart else json.peek(body)[0]

    @staticmethod
    def _named_in_fields(body: bytes) -> str | None:
        fields = json.loads(body)
        model = fields.get("model") if isinstance(fields, dict) else None
        if model is not None and not isinstance(model, str):
            raise ValueError("model: expected a string")
        return model

    def decode_request(self, wire: WireRequest) -> Q:
        """Raises DialectError naming the place."""
        raise NotImplementedError

    def decode_upload(self, wire: WireRequest, files: Sequence[UploadedFile]) -> Q:
        """The same for a multipart form; the body has its fields as a JSON object. Raises DialectError."""
        raise DialectError("the model's provider takes no files here")

    def encode_reply(self, reply: A, request: Q, mint: Mint) -> WireReply:
        raise NotImplementedError

    def encode_error(self, error: ErrorInfo) -> WireReply | None:
        """The error in the vendor's shape; None leaves it to the route's dialect."""
        return None

    def pieces_of(self, body: bytes, size: int) -> dict[str, int] | None:
        """What the request asks for that some vendors charge by the piece, by the kinds of `Prices.calls`; None where
        there is nothing of the kind. `size` are the bytes of a form with its files, 0 where unknown."""
        return None

    # The provider's side.

    def retarget(self, wire: WireRequest, target: Target) -> WireRequest:
        """A request of this form for another model and at the provider's own path, all else untouched. Raises
        ValueError."""
        body = wire.body
        if target.model and self._named(body) != target.model:
            body = json.replace_top_level(body, {"model": target.model})
        return WireRequest(wire.method, self.path or wire.path, wire.query, wire.headers, body)

    def encode_request(self, request: Q, target: Target, losses: Losses) -> WireRequest:
        """Raises DialectError for what the provider can't do at all."""
        raise NotImplementedError

    def decode_reply(self, wire: WireReply, request: Q) -> A:
        """Raises DialectError."""
        raise NotImplementedError

    def most_inputs(self, target: Target) -> int | None:
        """How many inputs one call takes; None where it has no limit."""
        return None

    def reply_kind(self, body: bytes) -> ReplyKind:
        """What a success has to be; `body` is the request's."""
        return "object"

    def usage_of(self, body: dict[str, Any]) -> Usage | None:
        """What a reply of this form reports; `body` is the decoded JSON."""
        return None
