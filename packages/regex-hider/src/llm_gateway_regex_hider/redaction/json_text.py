"""Redaction inside JSON text, whole or in pieces: of strings (keys too) as what they say, of numbers as what they show.

The structure comes out as it came in, and a string in which nothing matched byte for byte. A number that matches
becomes a string. From the first place on where the text is not valid JSON, it is redacted as plain text.
"""

from __future__ import annotations

import json
import re
from typing import Literal

from ..patterns import RuleSet
from .bounds import DEFAULT_MAX_SIZE, Budget, Findings, OnLimit, Span
from .matching import put_together
from .redactor import StreamRedactor
from .whole_texts import redact, redact_spans

# At most so many characters in one call, so that other threads have their turn.
_PLAIN_RUN = re.compile(r'[^"\\]{1,65536}')
_SPACE = re.compile(r"[ \t\n\r]{1,65536}")
_SCALAR_RUN = re.compile(r"[-+.0-9A-Za-z]{1,65536}")
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_UNICODE_BEGUN = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_LOW_BEGUN = re.compile(r"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?\Z")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

# What may come next outside of strings.
_Expected = Literal["value", "first value", "key", "first key", "colon", "comma", "end"]


class _Spelling:
    """How the characters of a string are spelled: runs of some that spell themselves, and escapes, each of which begins
    with a backslash and is one character."""

    __slots__ = ("_cut", "_next", "_runs")

    def __init__(self) -> None:
        self._runs: list[str] = []
        self._next = 0
        self._cut = 0  # characters of the next run that were taken

    def extend(self, runs: list[str]) -> None:
        del self._runs[: self._next]
        self._next = 0
        self._runs += runs

    def take(self, length: int) -> list[str]:
        """The spelling of the next characters, so many."""
        taken = []
        while length > 0:
            run = self._runs[self._next]
            if run[0] == "\\":
                taken.append(run)
                self._next += 1
                length -= 1
                continue
            end = self._cut + length
            taken.append(run[self._cut : end])
            if end < len(run):
                self._cut = end
                break
            length = end - len(run)
            self._next += 1
            self._cut = 0
        return taken


class JSONRedactor:
    """JSON text in pieces, with the two verbs and the bounds of StreamRedactor."""

    def __init__(
        self,
        rules: RuleSet,
        *,
        max_size: int | None = DEFAULT_MAX_SIZE,
        on_limit: OnLimit = "mask",
        findings: Findings | None = None,
        budget: Budget | None = None,
        is_whole: bool = False,
    ) -> None:
        """`is_whole`: the first piece is all of the text."""
        self._rules = rules
        self._max_size = max_size
        self._is_whole = is_whole
        self._on_limit: OnLimit = on_limit
        self._findings = findings if findings is not None else Findings()
        self._budget = budget if budget is not None else Budget()
        self._expected: _Expected = "value"
        self._stack: list[str] = []
        self._scalar = ""  # a number or a word that is not at its end yet
        self._unread = ""  # an escape that is not at its end yet
        self._string: StreamRedactor | None = None
        self._is_key = False
        self._is_fresh = False  # nothing of the open string has been looked at
        self._spelling = _Spelling()  # of what the string's redactor holds
        self._plain: StreamRedactor | None = None
        self._out: list[str] = []

    @property
    def is_holding(self) -> bool:
        return bool(
            self._unread
            or self._scalar
            or (self._string is not None and self._string.is_holding)
            or (self._plain is not None and self._plain.is_holding)
        )

    @property
    def is_complete(self) -> bool:
        """The text so far is one whole JSON value."""
        return self._expected == "end" and self._plain is None

    def push(self, text: str) -> str:
        return self._advance(text, final=False)

    def close(self) -> str:
        return self._advance("", final=True)

    def _advance(self, text: str, *, final: bool) -> str:
        text, self._unread = self._unread + text, ""
        at = 0
        while at < len(text):
            if self._plain is not None:
                self._out.append(self._plain.push(text[at:]))
                break
            at = self._read_string(text, at, final=final) if self._string is not None else self._read(text, at)
        if final:
            self._finish()
        out, self._out = self._out, []
        return put_together(out)

    def _finish(self) -> None:
        if self._string is not None:
            self._emit_string(self._string.finish())
            self._string = None
        if self._scalar:
            self._end_scalar("", 0)
        if self._plain is not None:
            self._out.append(self._plain.close())

    def _redactor(self) -> StreamRedactor:
        return StreamRedactor(
            self._rules,
            max_size=self._max_size,
            on_limit=self._on_limit,
            findings=self._findings,
            budget=self._budget,
        )

    def _fail(self, text: str) -> None:
        """The text is not valid JSON from here on."""
        self._plain = self._redactor()
        if self._is_whole:
            self._out.append(self._redacted(text))
        else:
            self._out.append(self._plain.push(text))

    def _redacted(self, text: str) -> str:
        return redact(text, self._rules, on_limit=self._on_limit, findings=self._findings, budget=self._budget)

    def _read(self, text: str, at: int) -> int:
        """One token of the structure, or part of one; where the next begins."""
        if run := _SCALAR_RUN.match(text, at):
            end = run.end()
            while run := _SCALAR_RUN.match(text, end):
                end = run.end()
            return self._read_scalar(text, end, text[at:end])
        if self._scalar and not self._end_scalar(text, at):
            return len(text)
        if space := _SPACE.match(text, at):
            self._out.append(space.group())
            return space.end()
        c = text[at]
        expected = self._expected
        match c:
            case '"' if expected in ("value", "first value", "key", "first key"):
                self._is_key = expected in ("key", "first key")
                self._string, self._is_fresh = self._redactor(), True
            case "{" if expected in ("value", "first value"):
                self._stack.append(c)
                self._expected = "first key"
            case "[" if expected in ("value", "first value"):
                self._stack.append(c)
                self._expected = "first value"
            case "}" if expected == "first key" or (expected == "comma" and self._stack[-1] == "{"):
                self._end_container()
            case "]" if expected == "first value" or (expected == "comma" and self._stack[-1] == "["):
                self._end_container()
            case ":" if expected == "colon":
                self._expected = "value"
            case "," if expected == "comma":
                self._expected = "key" if self._stack[-1] == "{" else "value"
            case _:
                self._fail(text[at:])
                return len(text)
        self._out.append(c)
        return at + 1

    def _end_container(self) -> None:
        self._stack.pop()
        self._end_value()

    def _end_value(self) -> None:
        self._expected = "comma" if self._stack else "end"

    def _read_scalar(self, text: str, end: int, run: str) -> int:
        scalar = self._scalar + run
        is_too_long = self._max_size is not None and len(scalar) > self._max_size
        if self._expected not in ("value", "first value") or is_too_long:
            self._scalar = ""
            self._fail(scalar + text[end:])
            return len(text)
        self._scalar = scalar
        return end

    def _end_scalar(self, text: str, at: int) -> bool:
        """`at`: where the scalar has ended in the text."""
        scalar, self._scalar = self._scalar, ""
        if not _SCALAR.fullmatch(scalar):
            self._fail(scalar + text[at:])
            return False
        if scalar not in ("true", "false", "null"):
            shown = self._redacted(scalar)
            scalar = scalar if shown == scalar else json.dumps(shown, ensure_ascii=False)
        self._out.append(scalar)
        self._end_value()
        return True

    def _read_string(self, text: str, at: int, *, final: bool) -> int:
        begun, read, runs = at, list[str](), list[str]()
        is_ended = False
        while at < len(text):
            if run := _PLAIN_RUN.match(text, at):
                read.append(run.group())
                runs.append(run.group())
                at = run.end()
            elif text[at] == '"':
                is_ended = True
                break
            else:
                escape = self._read_escape(text, at, final=final)
                if escape is None:
                    self._unread = text[at:]
                    break
                character, spelled = escape
                read.append(character)
                runs.append(spelled)
                at += len(spelled)
        assert self._string is not None
        content = put_together(read)
        if is_ended and self._is_fresh and self._max_size is None:
            self._emit_whole_string(content, runs, text[begun:at])
        elif is_ended and self._is_fresh and self._rules.candidates(content) is None:
            self._out.append(text[begun:at])
        elif content or is_ended:
            self._is_fresh = False
            self._spelling.extend(runs)
            spans = self._string.feed(content)
            self._emit_string(spans + self._string.finish() if is_ended else spans)
        if is_ended:
            self._string = None
            self._out.append('"')
            if self._is_key:
                self._expected = "colon"
            else:
                self._end_value()
            return at + 1
        return len(text)

    def _read_escape(self, text: str, at: int, *, final: bool) -> tuple[str, str] | None:
        """(the character, its spelling) of the escape at `at`; None if its end has not come yet."""
        following = text[at + 1 : at + 2]
        if following in _ESCAPES and following:
            return _ESCAPES[following], text[at : at + 2]
        found = _UNICODE.match(text, at)
        if found is None:
            if not final and _UNICODE_BEGUN.match(text, at):
                return None
            # No escape that JSON knows: the backslash represents itself, and what follows too.
            return "\\", "\\"
        code = int(found.group(1), 16)
        if 0xD800 <= code < 0xDC00:
            second = _UNICODE.match(text, at + 6)
            low = int(second.group(1), 16) if second else 0
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)), text[at : at + 12]
            if second is None and not final and _LOW_BEGUN.match(text, at + 6):
                return None
        return chr(code), text[at : at + 6]

    def _emit_whole_string(self, text: str, runs: list[str], raw: str) -> None:
        spans = redact_spans(text, self._rules, on_limit=self._on_limit, findings=self._findings, budget=self._budget)
        if spans is None:
            self._out.append(raw)
            return
        self._spelling.extend(runs)
        self._emit_string(spans)

    def _emit_string(self, spans: list[Span]) -> None:
        for piece, replacement in spans:
            spelled = self._spelling.take(len(piece))
            if replacement is None:
                self._out += spelled
            else:
                self._out.append(json.dumps(replacement, ensure_ascii=False)[1:-1])


def redact_json(
    text: str,
    rules: RuleSet,
    *,
    on_limit: OnLimit = "mask",
    findings: Findings | None = None,
    budget: Budget | None = None,
) -> str:
    """A whole JSON text at once. The same string comes back if nothing in it matches."""
    if "\\" not in text and rules.candidates(text) is None:
        return text
    redactor = JSONRedactor(rules, max_size=None, on_limit=on_limit, findings=findings, budget=budget, is_whole=True)
    return redactor.push(text) + redactor.close()
