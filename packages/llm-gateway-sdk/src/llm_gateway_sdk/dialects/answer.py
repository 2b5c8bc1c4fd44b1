"""One answer out of what a provider sent: replies that contradict themselves, or are spread over several choices.

Three rules, used by the encoders and decoders of all dialects:

- A client whose API has one answer gets all that the choices of a reply hold. Some servers put the text of a turn into
  one choice and its tool call into another.
- The word for the end follows what is there: a reply with calls ends with the word for calls, and one without them
  does not. Clients wait for, or silently drop, a call that the word promises.
- An end with an error is an error of the provider, not a success that is empty or cut off.

Pure functions.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from ..errors import ErrorInfo
from ..parts import Part, TextPart, ThinkingPart, ToolCallPart
from ..request import Message
from ..response import Choice

__all__ = [
    "broken_end",
    "broken_output",
    "finish_that_fits",
    "has_calls",
    "has_content",
    "join_choices",
    "parts_of_later_choice",
]

_INDICES_PER_CHOICE = 1_000_000


def join_choices(choices: Sequence[Choice]) -> Choice:
    """All choices of a whole reply as one. A list of none is an empty choice."""
    if not choices:
        return Choice()
    first = choices[0]
    if len(choices) == 1:
        return first
    content = [part for choice in choices for part in choice.message.content]
    joined = Choice(0, Message("assistant", content), logprobs=first.logprobs)
    for choice in choices:
        if choice.finish_reason is not None and joined.finish_reason in (None, "stop", "tool_calls"):
            # An end that cuts off (a limit, a filter) counts wherever it is.
            joined.finish_reason, joined.raw_finish_reason = choice.finish_reason, choice.raw_finish_reason
        joined.stop_sequence = joined.stop_sequence or choice.stop_sequence
    return joined


def parts_of_later_choice(choice: Choice) -> list[Part]:
    """The parts of a further choice of a stream, to be written after those of the first.

    They get indices of their own, so that they begin parts of their own. Changes the parts.
    """
    for part in choice.message.content:
        if part.index is not None and part.index < _INDICES_PER_CHOICE:
            part.index += choice.index * _INDICES_PER_CHOICE
    return choice.message.content


def finish_that_fits(reason: str | None, *, calls: bool) -> str | None:
    """The canonical finish reason of a message that has calls for the client to run, or has none."""
    if calls:
        return "tool_calls" if reason in (None, "stop") else reason
    return "stop" if reason == "tool_calls" else reason


def has_content(content: Iterable[Part]) -> bool:
    """Whether a message holds anything but thoughts and empty texts."""
    for part in content:
        if isinstance(part, TextPart):
            if part.text:
                return True
        elif not isinstance(part, ThinkingPart):
            return True
    return False


def broken_end(
    choices: Sequence[Choice], detail: str | None = None, *, sure: Container[str | None] | None = None
) -> ErrorInfo | None:
    """The error of a reply whose every choice ended with an error; None for any other.

    `sure`: the vendor's words that mean an error after content too, where others may be an end like any other.
    """
    for choice in choices:
        if choice.finish_reason != "error":
            return None
        if sure is not None and choice.raw_finish_reason not in sure and has_content(choice.message.content):
            return None
    return broken_output(choices[0].raw_finish_reason, detail) if choices else None


def broken_output(word: str | None, detail: str | None = None) -> ErrorInfo:
    """The error for a finish reason that means that the model's output broke. `detail`: the provider's words."""
    message = f"The model's output ended early ({word or 'error'})."
    return ErrorInfo(f"{message} {detail}" if detail else message, 502, "upstream", code=word, of_output=True)


def has_calls(content: Iterable[Part]) -> bool:
    """Whether a message calls tools that its receiver has to run."""
    return any(isinstance(part, ToolCallPart) for part in content)
