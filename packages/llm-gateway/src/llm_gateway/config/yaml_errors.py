"""libyaml's syntax errors in the words of a person: line, column, and what would probably be right."""

from __future__ import annotations

import re

import yaml

__all__ = ["describe_syntax_error"]

_UNQUOTED_VARIABLE = re.compile(r"""(?<!["'$])\$\{[^}]*\}(?!["'])""")
_TWO_COLONS = re.compile(r"^\s*(?:-\s+)?[\w-]+:\s+(?P<value>[^\s\"'\[{|>&*#][^#]*?:\s.*|[^\s\"'\[{|>&*#][^#]*?:)$")
_NO_SPACE = re.compile(r"^\s*(?:-\s+)?([A-Za-z]\w*):([^\s/:][^:]*)$")
"""`name:value`"""


def describe_syntax_error(error: yaml.MarkedYAMLError, text: str) -> tuple[int | None, str]:
    """The line (from 1) and the message."""
    lines = text.splitlines()
    mark = error.problem_mark or error.context_mark
    number = mark.line if mark else None
    message = " ".join(part for part in (error.context, error.problem) if part)
    if number is None or mark is None:
        return None, message
    if (found := _open_quote(error, lines)) is not None:
        return found
    if (found := _unquoted_variable(error, lines)) is not None:
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
    if "\t" in text and ("cannot start any token" in message or "tab character" in message):
        return "; indent with spaces, not with tabs"
    before = lines[number - 1] if number else ""
    for candidate in (line, before):
        if (found := _TWO_COLONS.match(candidate)) and "mapping values" in message:
            return f'; put quotes around the text: "{found["value"].strip()}"'
    for candidate in (before, line):
        if (key := _NO_SPACE.match(candidate)) and "mapping values" in message:
            return f"; put a space after the colon: `{key[1]}: {key[2]}`"
    if "block" in message or "mapping values" in message or "did not find expected" in message:
        return "; check the indentation of this line and the one above"
    return ""
