"""Files that are named by an id: only the vendor that issued the id can read them."""

from __future__ import annotations

from ..errors import DialectError
from ..parts import MediaPart, Part, ToolResultPart
from ..request import Message

__all__ = ["refuse_foreign_files"]


def refuse_foreign_files(messages: list[Message]) -> None:
    """Raises DialectError where a message names a file by its id."""
    for position, message in enumerate(messages):
        for place, part in enumerate(message.content):
            _refuse(part, f"messages[{position}].content[{place}]")


def _refuse(part: Part, path: str) -> None:
    if type(part) is MediaPart:
        if part.file_id is not None and part.data is None and part.url is None and part.text is None:
            raise DialectError(
                f"this model's provider has no file {part.file_id!r}: another vendor issued its id; send the content",
                path=path,
            )
    elif type(part) is ToolResultPart:
        for inner in part.content:
            _refuse(inner, path)
