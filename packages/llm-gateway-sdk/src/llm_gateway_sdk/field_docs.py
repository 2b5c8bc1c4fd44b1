"""What `help()` shows of a class's fields.

Python drops the text below a field, which editors and the reference page show. Here it is read from the source, when
somebody asks for the class's docstring; importing costs nothing.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable
from typing import Any, SupportsIndex

__all__ = ["FieldDocs", "field_docs", "show_fields"]


class FieldDocs(str):
    """A class's `__doc__`: its own text, to which its fields are added, those of its bases first, on reading."""

    __slots__ = ("_cls",)

    _cls: type

    @classmethod
    def of(cls, described: type, text: str) -> FieldDocs:
        """The docstring of a class whose own text this is."""
        docs = cls(text)
        docs._cls = described
        return docs

    def __get__(self, value: object, cls: type) -> str:
        return self._whole()

    def expandtabs(self, tabsize: SupportsIndex = 8) -> str:
        """Where a class has a metaclass, pydoc takes its docstring as it is stored, and lays it out beginning here."""
        return self._whole().expandtabs(tabsize)

    def _whole(self) -> str:
        meanings: dict[str, str] = {}
        for each in reversed(self._cls.__mro__):
            meanings |= field_docs(each)
        lines = [f"{name}\n{textwrap.indent(meaning, '    ')}" for name, meaning in meanings.items()]
        return "\n\n".join([inspect.cleandoc(str(self)), *(["Fields:", *lines] if lines else [])])


def show_fields(classes: Iterable[Any]) -> None:
    """Gives each class a docstring with its fields; what is not a class is passed over."""
    for cls in classes:
        own = vars(cls).get("__doc__") if isinstance(cls, type) else None
        if isinstance(own, str) and not isinstance(own, FieldDocs):
            cls.__doc__ = FieldDocs.of(cls, own)


def field_docs(cls: type) -> dict[str, str]:
    """The text below each public field that the class's own body declares; nothing where there is no source."""
    if not cls.__module__.startswith("llm_gateway_sdk"):
        return {}
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ) if not name.startswith("_"):
                found[name] = inspect.cleandoc(text)
    return found
