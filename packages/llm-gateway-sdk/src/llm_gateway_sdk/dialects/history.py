"""The order of a conversation, as receivers want it.

Senders differ in what may be where: a client of Responses may steer between two results of one turn, Google's SDKs
send one content per chunk of a stream, a system text may come at any time. Each function takes the messages and gives
the same list where nothing has to change; neither messages nor parts of the sender's are changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..conventions import media_marker
from ..losses import Losses
from ..parts import OpaquePart, Part, RefusalPart, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from ..request import Message
from ..values import replace

__all__ = [
    "BEGIN",
    "CONTINUE",
    "NO_RESULT",
    "begin_with_user",
    "join_turns",
    "one_system_message",
    "results_after_calls",
    "without_blank_texts",
    "without_trailing_blank",
]

BEGIN = "Begin."
"""The user's text where a conversation begins without a turn of the user's."""
CONTINUE = "Continue."
"""The user's text where the last turn has to be the user's and has nothing in it."""
NO_RESULT = "No result: the call was not answered."

_SYSTEM = ("system", "developer")


# Results.


def results_after_calls(messages: list[Message], losses: Losses) -> list[Message]:
    """The results of a turn's calls right after that turn; the text between them follows.

    A call that was never answered gets a result that names the gap, unless its turn is the last; a result whose call
    is not in the conversation becomes a user's text.
    """
    if _in_order(messages):
        return messages
    found = Losses()
    ordered = _Sorter(messages, found).sorted()
    if ordered == messages:
        return messages
    losses.converted("messages[*].content[*]", "results of tools right after their calls")
    for loss in found:
        losses.converted(loss.path, loss.detail)
    return ordered


def _in_order(messages: list[Message]) -> bool:
    waiting: set[str] = set()
    opened = False
    """Whether the messages after a turn with calls may still hold its results."""
    for message in messages:
        calls = [part.id for part in message.content if type(part) is ToolCallPart]
        results = [part.tool_call_id for part in message.content if type(part) is ToolResultPart]
        if results and (calls or not opened or not waiting.issuperset(results)):
            return False
        if len(results) > 1 and len(set(results)) < len(results):
            return False  # two results of one call
        waiting.difference_update(results)
        if calls:
            if waiting:
                return False
            waiting, opened = set(calls), True
        elif not results or len(results) < len(message.content):
            if waiting:
                return False
            opened = False
    # A turn that is not answered yet may be the last.
    return not waiting or any(type(part) is ToolCallPart for part in messages[-1].content)


class _Sorter:
    def __init__(self, messages: list[Message], losses: Losses) -> None:
        self._messages = messages
        self._losses = losses
        self._turn_of: dict[str, int] = {}
        """The last message of the turn that has a call of an id, the latest so far."""
        self._calls: dict[int, list[ToolCallPart]] = {}
        self._results: dict[int, list[ToolResultPart]] = {}
        self._orphans: set[int] = set()

    def sorted(self) -> list[Message]:
        self._find()
        ordered: list[Message] = []
        for place, message in enumerate(self._messages):
            rest = self._rest(message)
            if rest is not None:
                ordered.append(rest)
            results = self._of_turn(place)
            if results:
                ordered.append(Message("tool", list(results)))
        return ordered

    def _find(self) -> None:
        messages = self._messages
        for place, message in enumerate(messages):
            last = place
            while last + 1 < len(messages) and _is_turn(messages[last + 1]) and _is_turn(message):
                last += 1
            for part in message.content:
                if type(part) is ToolCallPart:
                    self._turn_of[part.id] = last
                    self._calls.setdefault(last, []).append(part)
                elif type(part) is ToolResultPart:
                    turn = self._turn_of.get(part.tool_call_id)
                    if turn is None:
                        self._orphans.add(id(part))
                    else:
                        self._results.setdefault(turn, []).append(part)

    def _of_turn(self, place: int) -> list[ToolResultPart]:
        calls = self._calls.get(place, [])
        results = _one_each(self._results.get(place, []))
        answered = {part.tool_call_id for part in results}
        if results or place + 1 < len(self._messages):
            for call in calls:
                if call.id not in answered:
                    self._losses.converted("messages[*].content", "a call without a result got one that names the gap")
                    results = [*results, ToolResultPart(call.id, [TextPart(NO_RESULT)], is_error=True, name=call.name)]
        return results

    def _rest(self, message: Message) -> Message | None:
        """The message without its results; None where nothing is left."""
        if not any(type(part) is ToolResultPart for part in message.content):
            return message
        content: list[Part] = []
        for part in message.content:
            if type(part) is not ToolResultPart:
                content.append(part)
            elif id(part) in self._orphans:
                content += [TextPart(media_marker(part.tool_call_id)), *part.content]
        if not content:
            return None
        return replace(message, role="user" if message.role == "tool" else message.role, content=content)


def _one_each(results: list[ToolResultPart]) -> list[ToolResultPart]:
    """Several results of one call as one: receivers take one for each."""
    by_id: dict[str, ToolResultPart] = {}
    for part in results:
        first = by_id.get(part.tool_call_id)
        by_id[part.tool_call_id] = part if first is None else replace(first, content=[*first.content, *part.content])
    return list(by_id.values())


def _is_turn(message: Message) -> bool:
    return message.role == "assistant"


# Neighbours.


def join_turns(messages: list[Message], roles: Iterable[str]) -> list[Message]:
    """Neighbours of one of these roles as one message, pieces of one thought as one thought."""
    wanted = frozenset(roles)
    before = None
    for message in messages:
        if message.role == before and before in wanted:
            break
        before = message.role
    else:
        return messages
    joined: list[Message] = []
    changed = False
    for message in messages:
        last = joined[-1] if joined else None
        if last is not None and last.role == message.role and message.role in wanted and last.name == message.name:
            metadata = {**message.provider_metadata, **last.provider_metadata}
            joined[-1] = replace(last, content=[*last.content, *message.content], provider_metadata=metadata)
            changed = True
        else:
            joined.append(message)
    if not changed:
        return messages
    return [_with_whole_thoughts(message) if message.role in wanted else message for message in joined]


def _with_whole_thoughts(message: Message) -> Message:
    """A streamed thought that came back piece by piece, its signature on the last: one thought again."""
    content: list[Part] = []
    for part in message.content:
        last = content[-1] if content else None
        if (
            type(part) is ThinkingPart
            and type(last) is ThinkingPart
            and last.signature is None
            and last.redacted is None
            and part.redacted is None
            and last.item_id is None
            and part.item_id is None
        ):
            content[-1] = replace(part, text=last.text + part.text)
        else:
            content.append(part)
    return message if len(content) == len(message.content) else replace(message, content=content)


# Blank texts.


def without_blank_texts(messages: list[Message], losses: Losses) -> list[Message]:
    """The messages without texts of white space alone, and without messages that hold nothing else.

    A cache hint of a blank text moves to what is before it.
    """
    kept: list[Message] = []
    blank = False
    for message in messages:
        content = _without_blanks(message.content)
        if content is not message.content:
            blank = True
            if content:
                kept.append(replace(message, content=content))
        elif content:
            kept.append(message)
    if len(kept) == len(messages) and not blank:
        return messages
    if blank:
        losses.converted("messages[*].content[*].text", "texts of only white space are left out")
    last = messages[-1]
    if last.role not in ("assistant", *_SYSTEM) and (not kept or kept[-1].role == "assistant"):
        kept.append(Message("user", [TextPart(CONTINUE)]))
    return kept


def _without_blanks(content: list[Part]) -> list[Part]:
    kept: list[Part] = []
    changed = False
    for part in content:
        if isinstance(part, TextPart | RefusalPart) and (not part.text or part.text.isspace()) and not part.signature:
            changed = True
            before = kept[-1] if kept else None
            if part.cache is not None and before is not None and before.cache is None and _cacheable(before):
                kept[-1] = replace(before, cache=part.cache)
        elif type(part) is ToolResultPart and (inner := _without_blanks(part.content)) is not part.content:
            changed = True
            kept.append(replace(part, content=inner))
        else:
            kept.append(part)
    return kept if changed else content


def _cacheable(part: Part) -> bool:
    return not isinstance(part, ThinkingPart | OpaquePart)


def without_trailing_blank(messages: list[Message], losses: Losses) -> list[Message]:
    """The messages with the assistant's last text, where it is the end, without the white space at its end."""
    last = messages[-1] if messages else None
    part = last.content[-1] if last is not None and last.role == "assistant" and last.content else None
    if last is None or not isinstance(part, TextPart | RefusalPart) or part.text == part.text.rstrip():
        return messages
    losses.converted("messages[*].content[*].text", "white space at the end of the assistant's last text is left out")
    text = part.text.rstrip()
    content = [*last.content[:-1], *([replace(part, text=text)] if text else [])]
    return [*messages[:-1], *([replace(last, content=content)] if content else [])]


# Who begins, and who may speak when.


def begin_with_user(messages: list[Message], losses: Losses, *, always: bool) -> list[Message]:
    """The messages with a user turn at the beginning; without `always` only where the assistant's would be first."""
    place = 0
    while place < len(messages) and messages[place].role in _SYSTEM:
        place += 1
    first = messages[place] if place < len(messages) else None
    if first is None and not always:
        return messages
    if first is not None and first.role != "assistant":
        return messages
    losses.converted("messages", "a user turn at the beginning")
    return [*messages[:place], Message("user", [TextPart(BEGIN)]), *messages[place:]]


def one_system_message(messages: list[Message], losses: Losses) -> list[Message]:
    """The leading system texts as one system message, later ones as a user's text in their place."""
    leading = 0
    while leading < len(messages) and messages[leading].role in _SYSTEM:
        leading += 1
    later = any(message.role in _SYSTEM for message in messages[leading:])
    if leading <= 1 and not later:
        return messages
    arranged: list[Message] = []
    if leading > 1:
        losses.converted("messages[*].role", "leading system texts as one message")
        arranged.append(_joined_texts(messages[:leading]))
    else:
        arranged += messages[:leading]
    if later:
        losses.converted("messages[*].role", "system text within the conversation as a user's")
    for message in messages[leading:]:
        if message.role in _SYSTEM:
            message = replace(message, role="user")
        arranged.append(message)
    return arranged


def _joined_texts(messages: list[Message]) -> Message:
    content: list[Part] = [part for message in messages for part in message.content]
    if all(type(part) is TextPart and part.cache is None for part in content):
        text = "\n\n".join(part.text for part in content if isinstance(part, TextPart))
        return Message("system", [TextPart(text)])
    return Message("system", content)
