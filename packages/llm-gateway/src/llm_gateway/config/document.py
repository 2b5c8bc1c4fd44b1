"""A configuration text as a tree of nodes that know their lines. Knows YAML and JSON, nothing of their meaning here.

YAML is read by the core schema of YAML 1.2: `no`, `on` and `12:30` are words, `0755` is text, dates are text; keys are
always text, as written. The YAML 1.1 reader would make `on:` the key `True` and `12:30` the number 750.

JSON is not read by the YAML reader, which mangles surrogate pairs and takes `1e5` for text.
"""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from llm_gateway.config.yaml_errors import describe_syntax_error
from llm_gateway_sdk.errors import ConfigError, ConfigProblem

Path: TypeAlias = tuple[str | int, ...]
"""Where a node is, from the root: `("models", 0, "provider")`."""

MAX_NODES = 200_000
"""Bound for documents whose anchors multiply."""


@dataclass(slots=True)
class Node:
    """One value of the document. `value` holds nodes in mappings and lists, plain scalars otherwise."""

    value: Any
    line: int
    text: str | None = None
    """A plain scalar as it was written, e.g. `4.10`."""
    key_lines: dict[str, int] = field(default_factory=dict)
    """The line of each key of a mapping."""
    variables: tuple[str, ...] = ()
    """What the value was substituted from, e.g. `OPENAI_API_KEY` or `file:/run/secrets/key`."""

    def get(self, key: str | int) -> Node | None:
        """The child of this key or index, if there is one."""
        if isinstance(self.value, dict):
            return self.value.get(key)
        if isinstance(self.value, list) and isinstance(key, int) and key < len(self.value):
            found: Node = self.value[key]
            return found
        return None

    def items(self) -> Iterator[tuple[str | int, Node]]:
        """The children with their keys or indices; none for a scalar."""
        if isinstance(self.value, dict):
            yield from self.value.items()
        elif isinstance(self.value, list):
            yield from enumerate(self.value)

    def find(self, path: Path) -> Node | None:
        """The node at `path` below this one."""
        node: Node | None = self
        for key in path:
            node = node.get(key) if node is not None else None
        return node

    def line_of(self, path: Path) -> int:
        """The line where `path` is written; that of the nearest node above it where it is not written at all."""
        node, line = self, self.line
        for key in path:
            child = node.get(key)
            if child is None:
                return node.key_lines.get(str(key), line)
            line = (node.key_lines.get(key, child.line) if isinstance(key, str) else child.line) or line
            node = child
        return line


class LocatedDict(dict[str, Any]):
    """A plain mapping that remembers its place in the document."""

    where: Path = ()


def plain(node: Node) -> Any:
    """The node's value without marks."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def located(node: Node, path: Path = ()) -> Any:
    """The node's value; its mappings, in whatever depth, remember their place."""
    if isinstance(node.value, dict):
        mapping = LocatedDict((key, located(child, (*path, key))) for key, child in node.value.items())
        mapping.where = path
        return mapping
    if isinstance(node.value, list):
        return [located(child, (*path, index)) for index, child in enumerate(node.value)]
    return node.value


def unlocated(value: Any) -> Any:
    """The same without places: plain mappings, as plugins and providers get them."""
    if isinstance(value, dict):
        return {key: unlocated(child) for key, child in value.items()}
    return [unlocated(child) for child in value] if isinstance(value, list) else value


def show_path(path: Path) -> str:
    """`("projects", 1, "a b")` as `projects[1]["a b"]`."""
    shown = ""
    for key in path:
        if isinstance(key, int):
            shown += f"[{key}]"
        elif re.fullmatch(r"[\w$@-]+", key):
            shown += f".{key}" if shown else key
        else:
            shown += f"[{json.dumps(key)}]"
    return shown


def read_document(text: str, file: str) -> Node:
    """The tree of `text`. An empty text is an empty mapping. Raises `ConfigError` with every syntax problem found."""
    stripped = text.lstrip("\ufeff \t\r\n")
    reader = _JSONReader(text, file) if stripped.startswith("{") else _YAMLReader(text, file)
    root = reader.read()
    if root is None or root.value is None:
        root = Node({}, 1)
    if not isinstance(root.value, dict):
        message = "expected a mapping of settings at the top level"
        if isinstance(root.value, str):
            message += "; write `name: value`"
        reader.problems.append(ConfigProblem(message, "", file, root.line))
    if reader.problems:
        raise ConfigError(reader.problems)
    return root


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes by the core schema of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}


_CORE_SCHEMA = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
)
for _tag, _pattern, _first in _CORE_SCHEMA:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)


class _YAMLReader:
    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.problems: list[ConfigProblem] = []
        self._count = 0
        self._open: set[int] = set()

    def read(self) -> Node | None:
        try:
            root = yaml.compose(self.text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            line, message = describe_syntax_error(error, self.text)
            raise self._refuse(f"not valid YAML: {message}", line) from None
        except yaml.reader.ReaderError as error:
            line = self.text.count("\n", 0, int(error.position)) + 1
            raise self._refuse(f"not valid YAML: the character {error.character!r} is not allowed", line) from None
        except RecursionError:
            raise self._refuse("this is nested too deeply", None) from None
        return None if root is None else self._node(root)

    def _refuse(self, message: str, line: int | None) -> ConfigError:
        return ConfigError([ConfigProblem(message, "", self.file, line)])

    def _node(self, node: yaml.Node) -> Node:
        line = node.start_mark.line + 1
        self._count += 1
        if self._count > MAX_NODES:
            raise self._refuse(f"the document has more than {MAX_NODES} values", line)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, line)
        if id(node) in self._open:
            raise self._refuse("an alias refers to the value that holds it", line)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return Node([self._node(child) for child in node.value], line)
            return self._mapping(node, line)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Node:
        build = _SCALARS.get(node.tag.removeprefix("tag:yaml.org,2002:"))
        if build is None:
            message = f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')!r} is not supported; write a plain value"
            self.problems.append(ConfigProblem(message, "", self.file, line))
            return Node(node.value, line, node.value)
        try:
            return Node(build(node.value), line, node.value)
        except ValueError:
            self.problems.append(ConfigProblem(f"{node.value!r} does not fit its tag", "", self.file, line))
            return Node(node.value, line, node.value)

    def _mapping(self, node: yaml.Node, line: int) -> Node:
        result = Node({}, line)
        merged: list[Node] = []
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                value = self._node(value_node)
                others = value.value if isinstance(value.value, list) else [value]
                if any(not isinstance(other.value, dict) for other in others):
                    self.problems.append(ConfigProblem("`<<` takes a mapping", "", self.file, key_line))
                    others = []
                merged += others
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(ConfigProblem("a key must be a word", "", self.file, key_line))
                continue
            key = key_node.value
            if key in result.value:
                self.problems.append(_duplicate(key, self.file, key_line, result.key_lines[key]))
            result.value[key] = self._node(value_node)
            result.key_lines[key] = key_line
        for other in merged:
            for key, child in other.value.items():
                if key not in result.value:
                    result.value[key] = child
                    result.key_lines[key] = other.key_lines.get(key, child.line)
        return result


def _bool(text: str) -> bool:
    return text.lower() == "true"


def _int(text: str) -> int:
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Any] = {
    "null": lambda text: None,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "str": str,
    "merge": str,
}


class _JSONReader:
    """A small reader that keeps lines and finds duplicate keys; scalars are left to the standard library."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text.removeprefix("\ufeff")
        self.file = file
        self.problems: list[ConfigProblem] = []
        self._newlines = [match.start() for match in re.finditer("\n", self.text)]
        self._decoder = json.JSONDecoder(parse_constant=_no_constant)

    def read(self) -> Node:
        try:
            root, end = self._value(self._skip(0))
            if end != len(self.text):
                raise json.JSONDecodeError("nothing may follow the closing brace", self.text, end)
        except json.JSONDecodeError as error:
            message = f"not valid JSON: {error.msg} (column {error.colno})"
            raise ConfigError([ConfigProblem(message, "", self.file, error.lineno)]) from None
        except RecursionError:
            raise ConfigError([ConfigProblem("this is nested too deeply", "", self.file)]) from None
        return root

    def _line(self, offset: int) -> int:
        return bisect.bisect_left(self._newlines, offset) + 1

    def _skip(self, offset: int) -> int:
        while offset < len(self.text) and self.text[offset] in " \t\r\n":
            offset += 1
        return offset

    def _value(self, offset: int) -> tuple[Node, int]:
        start = self.text[offset : offset + 1]
        if start == "{":
            return self._object(offset)
        if start == "[":
            return self._array(offset)
        value, end = self._decoder.raw_decode(self.text, offset)
        return Node(value, self._line(offset), self.text[offset:end]), self._skip(end)

    def _object(self, offset: int) -> tuple[Node, int]:
        node = Node({}, self._line(offset))
        offset = self._skip(offset + 1)
        while self.text[offset : offset + 1] != "}" or node.value:
            if self.text[offset : offset + 1] != '"':
                ends = bool(node.value) and self.text.startswith("}", offset)
                hint = "; remove the comma before it" if ends else self._hint(offset)
                message = f'expected a key in "quotes"{hint}'
                raise json.JSONDecodeError(message, self.text, offset)
            key, end = self._decoder.raw_decode(self.text, offset)
            line = self._line(offset)
            if key in node.value:
                self.problems.append(_duplicate(key, self.file, line, node.key_lines[key]))
            node.key_lines[key] = line
            offset = self._expect(":", end)
            node.value[key], offset = self._value(offset)
            if self.text[offset : offset + 1] == "}":
                break
            offset = self._expect(",", offset)
        return node, self._skip(offset + 1)

    def _array(self, offset: int) -> tuple[Node, int]:
        node = Node([], self._line(offset))
        offset = self._skip(offset + 1)
        while self.text[offset : offset + 1] != "]" or node.value:
            child, offset = self._value(offset)
            node.value.append(child)
            if self.text[offset : offset + 1] == "]":
                break
            offset = self._expect(",", offset)
        return node, self._skip(offset + 1)

    def _expect(self, sign: str, offset: int) -> int:
        offset = self._skip(offset)
        if self.text[offset : offset + 1] != sign:
            raise json.JSONDecodeError(f"expected {sign!r}{self._hint(offset)}", self.text, offset)
        return self._skip(offset + 1)

    def _hint(self, offset: int) -> str:
        if offset >= len(self.text):
            return " before the end of the file; a bracket is not closed"
        if self.text.startswith(("//", "/*", "#"), offset):
            return "; JSON has no comments: remove it, or write the file in YAML"
        if offset and self.text.startswith("{{", offset - 1):
            return "; this is a template: give the gateway the file that is made from it"
        return ""


def _no_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is not a JSON number", name, 0)


def _duplicate(key: str, file: str, line: int, first: int) -> ConfigProblem:
    return ConfigProblem(f"the key {key!r} appears twice (first on line {first}); keep one", "", file, line)
