"""What a success of an operation next to generation has to be: an empty body, a page or plain text in place of an API's
JSON is a failure of the provider, after which another model may answer.

What a vendor keeps under an address (`native`, `stored`, contents of files) may be anything.
"""

from __future__ import annotations

from llm_gateway_sdk import HTTPReply, ModelProtocolError
from llm_gateway_sdk.operations.form import ReplyKind
from llm_gateway_sdk.operations.owned import OwnedForm
from llm_gateway_sdk.wire import json

from .errors import refuse_web_page
from .headers import find
from .request import ClientRequest

__all__ = ["check_body", "first_pieces", "protocol_error", "reply_kind"]

_HELD_BYTES = 256 * 1024
"""Of a document that is held until it is whole; a longer one goes on as it comes, and its beginning is looked at."""


def protocol_error(reason: str) -> ModelProtocolError:
    return ModelProtocolError(f"The provider's reply is not what its API promises: {reason}")


def reply_kind(request: ClientRequest, headers: list[tuple[str, str]]) -> ReplyKind:
    """What the body of a success is. Raises ModelProtocolError for a web page where that can't be."""
    form, operation = request.route.form, request.ctx.operation
    if operation in ("native", "stored") or (isinstance(form, OwnedForm) and form.role == "content"):
        return "anything"
    media_type = find(headers, "content-type").lstrip().lower()
    refuse_web_page(media_type)
    if media_type.startswith("text/event-stream"):
        return "anything"
    return "object" if form is None else form.reply_kind(request.wire.body)


def check_body(kind: ReplyKind, body: bytes, *, is_whole: bool = True) -> None:
    """Raises ModelProtocolError for a body, or the beginning of a long one, that is not what its API promises."""
    if kind == "bytes" and not body:
        raise protocol_error("it is empty.")
    if kind != "object":
        return
    if not (json.is_object(body) if is_whole else body[:64].lstrip()[:1] == b"{"):
        raise protocol_error("the body is not a JSON object.")


async def first_pieces(kind: ReplyKind, reply: HTTPReply) -> bytes:
    """The beginning of the body, a short document as a whole: what can't be read fails here, while there is still
    another answer. Empty where there is no body. Raises ModelError."""
    data = await reply.receive()
    if kind != "object":
        check_body(kind, data)
        return data
    pieces, size = [data], len(data)
    while data and size <= _HELD_BYTES:
        data = await reply.receive()
        pieces.append(data)
        size += len(data)
    begin = b"".join(pieces)
    check_body(kind, begin, is_whole=not data)
    return begin
