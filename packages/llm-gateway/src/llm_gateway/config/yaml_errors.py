"""libyaml's syntax errors in the words of a person: line, column, and what would probably be right."""

from __future__ import annotations

import re

import yaml

__all__ = ["describe_syntax_error"]

_UNQUOTED_VARIABLE = re.compile(r"""(?<!["'$])\$\{[^}]*\}(?!["'])""")
_TWO_COLONS = re.compile(r"^\s*(?:-\s+)?[\w-]+:\s+(?P<value>[^\s\"'\[{|>&*#][^#]*?:\s.*|[^\s\"'\[{|>&*#][^#]*?:)$")
_NO_SPACE = re.compile(r"^\s*(?:-\s+)?([A-Za-z]\w*):([^\s/:][^:]*)$")
"""`name:value`"""
_RESERVED = re.compile(r"(?:^|[\s:\[,])(?P<value>[%@`][^\s,}\]]*)")
"""A text that begins with a sign which YAML keeps for itself."""


def describe_syntax_error(error: yaml.MarkedYAMLError, text: str) -> tuple[int | None, str]:
    """The line (from 1) and the message."""
    lines = text.splitlines()
    mark = error.problem_mark or error.context_mark
    number = mark.line if mark else None
    message = " ".join(part for part in (error.context, error.problem) if part)
    if number is None or mark is None:
        return None, message
    for find in (_strange_line, _escape, _open_quote, _unquoted_variable, _comment, _open_bracket):
        if (found := find(error, lines)) is not None:
            return found
    if isinstance(error, yaml.composer.ComposerError) and "undefined alias" in message:
        name = re.match(r"\*([\w-]*)", lines[number][mark.column :]) if number < len(lines) else None
        alias = f"*{name[1]}" if name else "this alias"
        return (
            number + 1,
            f"{alias} refers to an anchor that does not exist; write &{alias[1:]} where it is defined, "
            "or put the value in quotes"
            if name
            else message,
        )
    line = lines[number] if number < len(lines) else ""
    return number + 1, f"{message} (column {mark.column + 1}){_hint(line, lines, number, message, text)}"


def _strange_line(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[int, str] | None:
    """A line that is another kind of text, at the place where the parser gave up or before it."""
    mark = error.problem_mark or error.context_mark
    last = mark.line if mark else 0
    for number, line in enumerate(lines[: last + 1]):
        if found := next((hint for pattern, hint in _STRANGE if pattern.match(line)), None):
            return number + 1, found
    return None


_STRANGE = (
    (re.compile(r"<{7} |={7}$|>{7} "), "this is a mark of a merge conflict; choose one side, and remove the marks"),
    (re.compile(r"```|~~~"), "this line is Markdown; remove it"),
    (
        re.compile(r"\[[A-Za-z][\w.-]*\]$"),
        "this looks like TOML or INI; write `name:`, and its settings below it",
    ),
    (re.compile(r"[A-Za-z_][\w.]*\s*=\s*\S"), "write `name: value`; variables of the environment are in a file .env"),
)
"""What is not YAML, and what to do."""


def _escape(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[int, str] | None:
    """`"\\d"`: in double quotes a backslash begins an escape, which patterns and paths of Windows don't mean."""
    mark = error.problem_mark
    if mark is None or "escape" not in (error.problem or "") or mark.line >= len(lines):
        return None
    place = lines[mark.line].rfind("\\", 0, mark.column + 1)
    escape = lines[mark.line][place : place + 2]
    return mark.line + 1, (
        f"{escape} (column {place + 1}) is not an escape; write text with backslashes in single quotes, or each "
        "backslash twice"
    )


def _comment(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[int, str] | None:
    """`{apiKey: a #b, model: c}`: what follows the number sign is a comment, and with it the closing bracket."""
    mark = error.context_mark
    if mark is None or "flow" not in (error.context or ""):
        return None
    line = lines[mark.line] if mark.line < len(lines) else ""
    found = re.search(r"\s(#.*[}\]].*)$", line[mark.column :])
    if found is None:
        return None
    column = mark.column + found.start(1) + 1
    return mark.line + 1, f"the # (column {column}) begins a comment; put quotes around the text that holds it"


def _open_bracket(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[int, str] | None:
    """A bracket that is not closed on its line is reported there."""
    mark, end = error.context_mark, error.problem_mark
    if mark is None or "flow" not in (error.context or ""):
        return None
    if end is not None and end.line >= len(lines) and (found := _left_open(lines)) is not None:
        return found
    if mark.line >= len(lines):
        return None
    rest = lines[mark.line][mark.column :]
    closing = _CLOSING.get(rest[:1])
    if closing is None or rest.count(rest[0]) <= rest.count(closing):
        return None
    return mark.line + 1, f"the {rest[0]} (column {mark.column + 1}) is not closed; close it with {closing}"


_SIGNS = re.compile(r"""(?P<aside>(?:^|\s)#.*$|(?<![\w.])(?:"(?:\\.|[^"\\])*"|'[^']*'))|[][{}]""", re.MULTILINE)
"""Brackets, and the comments and quoted texts whose brackets do not count."""


def _left_open(lines: list[str]) -> tuple[int, str] | None:
    """The last bracket that is open at the end of the file."""
    text = "\n".join(lines)
    opened: list[int] = []
    for found in _SIGNS.finditer(text):
        if found["aside"] is None and found[0] in "[{":
            opened.append(found.start())
        elif found["aside"] is None and opened:
            opened.pop()
    if not opened:
        return None
    before, bracket = text[: opened[-1]], text[opened[-1]]
    column = len(before) - before.rfind("\n")
    return before.count("\n") + 1, f"the {bracket} (column {column}) is not closed; close it with {_CLOSING[bracket]}"


_CLOSING = {"{": "}", "[": "]"}


def _open_quote(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[int, str] | None:
    """A quoted text that runs to the end of the file is reported where its quote was opened."""
    if error.context_mark is None or "quoted scalar" not in (error.context or ""):
        return None
    line = error.context_mark.line
    column = error.context_mark.column
    quote = lines[line][column : column + 1] if line < len(lines) else '"'
    return line + 1, f"the quote {quote} (column {column + 1}) is not closed"


def _unquoted_variable(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[int, str] | None:
    """`{apiKey: ${X}}`: the brace of the variable ends the mapping around it."""
    marks = [mark for mark in (error.context_mark, error.problem_mark) if mark is not None]
    first, last = min(mark.line for mark in marks), max(mark.line for mark in marks)
    for number in range(last, first - 1, -1):
        line = lines[number] if number < len(lines) else ""
        found = _UNQUOTED_VARIABLE.search(line.split(" #", 1)[0])
        if found and ("{" in line[: found.start()] or "[" in line[: found.start()] or first != last):
            return number + 1, f'put quotes around the variable: "{found[0]}" (column {found.start() + 1})'
    return None


def _hint(line: str, lines: list[str], number: int, message: str, text: str) -> str:
    if "another document" in message:
        return "; remove the line `---`: a configuration is one document"
    if "\t" in text and ("cannot start any token" in message or "tab character" in message):
        return "; indent with spaces, not with tabs"
    if "cannot start any token" in message and (found := _RESERVED.search(line)):
        return f'; put quotes around the text: "{found["value"]}"'
    before = lines[number - 1] if number else ""
    for candidate in (line, before):
        if (found := _TWO_COLONS.match(candidate)) and "mapping values" in message:
            return f'; put quotes around the text: "{found["value"].strip()}"'
    for candidate in (before, line):
        if (entry := re.match(r"\s*-([A-Za-z]\w*)\s*:", candidate)) and "mapping values" in message:
            return f"; put a space after the dash: `- {entry[1]}: …`"
        if (key := _NO_SPACE.match(candidate)) and "mapping values" in message:
            return f"; put a space after the colon: `{key[1]}: {key[2]}`"
    if "block" in message or "mapping values" in message or "did not find expected" in message:
        return "; check the indentation of this line and the one above"
    return ""
