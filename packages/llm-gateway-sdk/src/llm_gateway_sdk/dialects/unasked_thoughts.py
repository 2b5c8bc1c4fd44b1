"""Proofs of reasoning in replies to clients of another dialect: shown where something needs them, and nowhere else.

Providers sign reasoning that they don't show, and some sign the text of an answer. Such a proof has no words. In a
reply made of blocks it is a thinking block without text, and where that is the last block, or the first one for a
client that never asked for thinking, clients take it for the answer: Claude Code prints an empty line.

So a proof is held back until what follows it is known:

- Before a tool call it goes out: the provider wants it back together with the call's result, and may refuse the
  conversation without it.
- Before anything else it goes out where the client asked for thinking; else it goes on waiting for a call.
- At the end of the reply it is dropped and reported. No provider refuses the next turn for want of it.

What is held has no words, so nothing that a reader waits for is late.
"""

from __future__ import annotations

from collections.abc import Callable

from ..dialect import Dialect
from ..losses import Losses
from ..parts import Part, TextPart, ThinkingPart, ToolCallPart
from ..request import LLMRequest
from ..response import Choice, LLMResponse
from ..values import replace

__all__ = ["ThoughtGate"]

_UNNEEDED = "nothing in the answer needs it"


class ThoughtGate:
    """One per reply, between its chunks (or its whole) and the encoder. Chunks are not changed but replaced."""

    __slots__ = ("_asked", "_choices", "_dialect", "_losses", "_request", "watches")

    def __init__(
        self, dialect: Dialect, request: Callable[[], LLMRequest] | None, losses: Losses, *, asked: bool | None = None
    ) -> None:
        """Either with the request, or with `asked`, whether that asks for thinking."""
        self._dialect = dialect
        """The client's."""
        self._request = request
        self._losses = losses
        self._asked = asked
        self._choices: dict[int, _Waiting] = {}
        self.watches = False
        """The next chunk must come here, whatever it holds; else only one with a thought or a signed text must."""

    def let_through(self, chunk: LLMResponse) -> LLMResponse:
        """The chunk with what may go out now."""
        choices = [self._pass(choice) for choice in chunk.choices]
        self.watches = any(waiting.held or waiting.open is not None for waiting in self._choices.values())
        return replace(chunk, choices=choices)

    def close(self) -> None:
        """The reply is over: reports what was never needed."""
        for waiting in self._choices.values():
            for part in waiting.held:
                place = "content" if isinstance(part, TextPart) else "thoughts"
                if part.signature is not None:
                    self._losses.dropped(f"choices[*].message.{place}[*].signature", _UNNEEDED)
                elif isinstance(part, ThinkingPart) and part.redacted is not None:
                    self._losses.dropped("choices[*].message.thoughts[*].redacted", _UNNEEDED)

    def whole(self, response: LLMResponse) -> LLMResponse:
        """A reply that comes at once."""
        answer = self.let_through(response)
        self.close()
        return answer

    @property
    def _is_asked(self) -> bool:
        if self._asked is None:
            assert self._request is not None
            self._asked = self._dialect.asks_for_thoughts(self._request())
        return self._asked

    def _pass(self, choice: Choice) -> Choice:
        apart = self._dialect.thoughts == "apart"
        # In blocks there is one answer, and a call in any choice is its call.
        waiting = self._choices.setdefault(choice.index if apart else 0, _Waiting())
        out: list[Part] = []
        for part in choice.message.content:
            if waiting.takes(part, self._dialect.name):
                waiting.held.append(part)
                continue
            proof = self._proof_of_text(part)
            if proof is not None:
                part = replace(part, signature=None, signed_by=None)
            if waiting.held:
                out += waiting.release(part, asked=self._is_asked)
            if proof is None or (isinstance(part, TextPart) and (part.text or part.citations)):
                out.append(part)
            waiting.open = (part.index, part.item_id) if isinstance(part, ThinkingPart) else None
            if proof is not None:
                waiting.held.append(proof)
        if choice.finish_reason is not None and waiting.held and apart and self._is_asked:
            out += waiting.release(None, asked=True)
        return replace(choice, message=replace(choice.message, content=out))

    def _proof_of_text(self, part: Part) -> TextPart | None:
        """The proof of a text, to follow it, where the client's dialect has no field for it."""
        if not isinstance(part, TextPart) or part.signature is None or self._dialect.signs_texts:
            return None
        return TextPart("", index=part.index, signature=part.signature, signed_by=part.signed_by)


class _Waiting:
    """What one answer holds back."""

    __slots__ = ("held", "open")

    def __init__(self) -> None:
        self.held: list[Part] = []
        self.open: tuple[int | None, str | None] | None = None
        """The thought that went out last and may still get its proof: its index and item."""

    def takes(self, part: Part, dialect: str) -> bool:
        """Whether the part is a proof, or the beginning of a thought, without words so far."""
        if not isinstance(part, ThinkingPart) or part.text or part.signed_by == dialect:
            return False
        return self.open is None or not _is_one(part, *self.open)

    def release(self, part: Part | None, *, asked: bool) -> list[Part]:
        """What goes out before `part` (None: the end)."""
        if isinstance(part, ToolCallPart):
            freed = bool(part.id or part.name)  # else it is a piece of a call that has begun
        elif isinstance(part, ThinkingPart):
            out = [held for held in self.held if _is_one(held, part.index, part.item_id)]
            self.held = [held for held in self.held if not _is_one(held, part.index, part.item_id)]
            return out
        else:
            freed = asked
        if not freed:
            return []
        out, self.held = self.held, []
        return out


def _is_one(part: Part, index: int | None, item_id: str | None) -> bool:
    """Whether the part belongs to the thought of that index or item."""
    if not isinstance(part, ThinkingPart):
        return False
    return (index is not None and part.index == index) or (item_id is not None and part.item_id == item_id)
