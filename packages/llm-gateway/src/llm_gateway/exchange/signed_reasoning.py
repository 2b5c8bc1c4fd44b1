"""Signed reasoning: what a provider's proof no longer fits is not sent on with it.

A plugin may edit everything that it sees. Where it edits a thinking block that carries a signature, the block would be
refused by the provider that signed it, so it is withheld whole and listed as a loss. In a stream the text has left when
the signature comes; there the signature is what is withheld.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_gateway_sdk import UNSIGNED, Choice, LLMResponse, Message, ThinkingPart
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.wire.byte_search import has_sign
from llm_gateway_sdk.wire.pieces import PIECE_BYTES, replaced

__all__ = [
    "StreamedSignatures",
    "disguise_wrapped",
    "has_signed_thinking",
    "has_wrapped",
    "withhold_edited",
    "withhold_edited_reply",
]

_DETAIL = "a plugin edited it, and its signature no longer fits"

_WRAPPED = ((b'"gw1.', b'"gw1~'), (b'"Z3cxL', b'"Z3cxM'))
"""How a wrapped signature begins, as text and in base64, and the same made unrecognisable."""
(_TEXT, _), (_BASE64, _) = _WRAPPED
_RAREST_OF_TEXT, _RAREST_OF_BASE64 = _TEXT.index(b"1"), _BASE64.index(b"Z")
_LONGEST_WRAPPED = 6
_SMALL = 16 * 1024
_BEYOND_SMALL = _SMALL + 1


def has_wrapped(body: bytes) -> bool:
    """Whether it has signatures that the gateway wrapped."""
    if not body[_SMALL:_BEYOND_SMALL]:  # a slice costs less than a call of `len`
        return body.rfind(_TEXT) >= 0 or body.rfind(_BASE64) >= 0
    for start in range(0, len(body), PIECE_BYTES):
        stop = start + PIECE_BYTES + _LONGEST_WRAPPED
        if has_sign(body, _BASE64, _RAREST_OF_BASE64, start, stop) or has_sign(
            body, _TEXT, _RAREST_OF_TEXT, start, stop
        ):
            return True
    return False


def disguise_wrapped(body: bytes) -> bytes:
    """The body with signatures that the gateway wrapped made to look like the dialect's."""
    for wrapped, other in _WRAPPED:
        body = replaced(body, wrapped, other)
    return body


def has_signed_thinking(messages: Sequence[Message]) -> bool:
    return any(isinstance(part, ThinkingPart) and part.signature for message in messages for part in message.content)


def withhold_edited(before: Sequence[Message], after: Sequence[Message], losses: Losses) -> None:
    """Takes signed thinking out of `after` where it differs from what it was in `before`."""
    signed = {_signature(group): _texts(group) for message in before for group in _groups(message)}
    for place, message in enumerate(after):
        edited = [group for group in _groups(message) if signed.get(_signature(group), _texts(group)) != _texts(group)]
        if edited:
            gone = {id(part) for group in edited for part in group}
            message.content = [part for part in message.content if id(part) not in gone]
            losses.dropped(f"messages[{place}].thinking", _DETAIL)


def withhold_edited_reply(before: Sequence[Choice], after: Sequence[Choice], losses: Losses) -> None:
    withhold_edited([choice.message for choice in before], [choice.message for choice in after], losses)


class StreamedSignatures:
    """Compares what came with what plugins let through, per thinking part, and judges signatures by it."""

    __slots__ = ("_came", "_losses", "_went")

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._came: dict[tuple[int, int | None], list[str]] = {}
        self._went: dict[tuple[int, int | None], list[str]] = {}

    def came(self, chunk: LLMResponse) -> None:
        for choice in chunk.choices:
            for part in choice.message.content:
                if isinstance(part, ThinkingPart) and part.text:
                    self._came.setdefault((choice.index, part.index), []).append(part.text)

    def judge(self, chunk: LLMResponse) -> None:
        """Takes signatures off `chunk` which plugins have made invalid."""
        for choice in chunk.choices:
            for part in choice.message.content:
                if not isinstance(part, ThinkingPart):
                    continue
                key = (choice.index, part.index)
                if part.text:
                    self._went.setdefault(key, []).append(part.text)
                if part.signature and "".join(self._came.get(key, ())) != "".join(self._went.get(key, ())):
                    part.signature, part.signed_by = None, UNSIGNED
                    self._losses.dropped("thinking.signature", _DETAIL)


def _groups(message: Message) -> Iterator[list[ThinkingPart]]:
    """The signed thinking of a message: one part, or the parts of one item, of which the last is signed."""
    group: list[ThinkingPart] = []
    for part in message.content:
        if not isinstance(part, ThinkingPart) or (group and part.item_id != group[-1].item_id):
            group = []
        if isinstance(part, ThinkingPart):
            if part.item_id is None:
                group = []
            group.append(part)
            if part.signature:
                yield group
                group = []


def _signature(group: list[ThinkingPart]) -> str:
    return group[-1].signature or ""


def _texts(group: list[ThinkingPart]) -> list[str]:
    return [part.text for part in group]
