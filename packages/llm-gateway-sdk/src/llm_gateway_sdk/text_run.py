"""Chunks that are more of one text, as nearly all chunks of a stream are, recognised by one comparison in C."""

from __future__ import annotations

from .parts import TextPart
from .request import Message
from .response import Choice, LLMResponse

__all__ = ["TextRun"]


class TextRun:
    """Chunks that equal one another but for their text, and hold nothing else."""

    __slots__ = ("_chunk", "_part")

    def __init__(self, chunk: LLMResponse, part: TextPart) -> None:
        """`part` is the only one of `chunk`; both are the run's own."""
        self._chunk = chunk
        self._part = part

    @classmethod
    def of(cls, chunk: LLMResponse) -> TextRun | None:
        """The run of which a chunk is one; None where it holds more than a text, or has none."""
        choices = chunk.choices
        if len(choices) != 1 or len(choices[0].message.content) != 1:
            return None
        choice = choices[0]
        part = choice.message.content[0]
        if type(part) is not TextPart or part.index is None:
            return None
        own = TextPart("", index=part.index, item_id=part.item_id)
        message = Message(choice.message.role, [own])
        run = cls(
            LLMResponse(
                chunk.id, chunk.model, chunk.created, [Choice(choice.index, message)], service_tier=chunk.service_tier
            ),
            own,
        )
        return run if run.text_of(chunk) is not None else None

    def text_of(self, chunk: LLMResponse) -> str | None:
        """The text of a chunk of the run; None for any other chunk."""
        choices = chunk.choices
        if len(choices) != 1:
            return None
        content = choices[0].message.content
        if len(content) != 1 or type(part := content[0]) is not TextPart:
            return None
        text = self._part.text = part.text
        return text if text and chunk == self._chunk else None

    def with_text(self, text: str) -> LLMResponse:
        """A new chunk of the run; one without a part where the text is empty."""
        chunk, own = self._chunk, self._part
        choice = chunk.choices[0]
        content = [TextPart(text, [], index=own.index, item_id=own.item_id)] if text else []
        message = Message(choice.message.role, content)  # type: ignore[arg-type]
        return LLMResponse(
            chunk.id, chunk.model, chunk.created, [Choice(choice.index, message)], None, chunk.service_tier
        )
