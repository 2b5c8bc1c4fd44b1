"""How much memory one text may take.

All letters of a string have the same width: one byte where the text is ASCII, up to four where a single letter of it
needs them. A megabyte of ASCII with an emoji at its end therefore becomes four, all of it copied by one call that lets
no other thread go on. So a text that is not plain ASCII may take `LARGEST_TEXT` bytes at most: 32 million letters of
European languages, 16 million of nearly all others, 8 million where there is an emoji among them. No model reads that
much. Plain ASCII, which is what files in base64 are, grows in place and is bounded by the body alone.
"""

from __future__ import annotations

import sys

__all__ = ["LARGEST_TEXT", "TextSize", "TextTooLarge"]

LARGEST_TEXT = 32 << 20


class TextTooLarge(ValueError):
    """`place`: where it is, as far as it is known."""

    def __init__(self, size: int, place: str = "") -> None:
        super().__init__(f"{place or 'A text'}: {size} bytes of memory are more than a text may take ({LARGEST_TEXT}).")
        self.size = size
        self.place = place


class TextSize:
    """The memory that a text takes which is put together of pieces."""

    __slots__ = ("_letters", "_width")

    def __init__(self) -> None:
        self._letters = 0
        self._width = 0

    def add(self, piece: str) -> None:
        """`piece` must be a string that was just made: else the interpreter may hold another form of it, too. Raises
        TextTooLarge."""
        letters = len(piece)
        self._letters += letters
        if not piece.isascii():
            width = (sys.getsizeof(piece) - _HEAD) // (letters + 1) if letters > 1 else _width_of(piece)
            if width > self._width:
                self._width = width
        # Plain ASCII has no width here.
        if self._letters * self._width > LARGEST_TEXT:
            raise TextTooLarge(self._letters * self._width)


def _width_of(letter: str) -> int:
    """The interpreter has some single letters once for all, and may hold another form of them, which has a size too."""
    code = ord(letter)
    return 1 if code < 0x100 else 2 if code < 0x10000 else 4


_HEAD = sys.getsizeof(chr(0x100)) - 2 * 2
"""What a string that is not ASCII takes but for its letters and the zero after them."""
