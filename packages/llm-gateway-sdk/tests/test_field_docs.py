"""`help()` about a public name shows what it is, and the meaning of each of its fields and methods."""

from __future__ import annotations

import ast
import importlib
import inspect
import pydoc
import textwrap
from typing import Any

import pytest

import llm_gateway_sdk
from llm_gateway_sdk import RequestContext, testing
from llm_gateway_sdk.field_docs import FieldDocs, field_docs, show_fields

PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (llm_gateway_sdk, testing)
    for name in module.__all__
    if inspect.isclass(getattr(module, name)) or inspect.isfunction(getattr(module, name))
}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
# Of these `help()` shows the text of the slots: `test_context_fields.py`.
WITH_SLOTS = (RequestContext,)


def _fields(cls: type) -> set[str]:
    """The public names that the body of the class annotates."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    return {
        statement.target.id
        for statement in tree.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and not statement.target.id.startswith("_")
    }


def _own_text(value: Any) -> str | None:
    found = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    return str(found) if isinstance(found, FieldDocs) else found


def test_there_is_much_to_look_at() -> None:
    assert len(CLASSES) > 80


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_public_name_has_a_docstring(name: str) -> None:
    text = _own_text(PUBLIC[name])

    assert text, name
    assert not text.startswith(f"{PUBLIC[name].__name__}("), f"{name} has only the signature that a dataclass writes"


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_each_field_of_a_public_class_has_its_meaning(name: str) -> None:
    cls = CLASSES[name]
    inherited: set[str] = set()
    for base in cls.__mro__[1:]:
        inherited |= field_docs(base).keys()

    assert sorted(_fields(cls) - field_docs(cls).keys() - inherited) == []


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_each_method_of_a_public_class_has_its_meaning(name: str) -> None:
    cls = CLASSES[name]
    bare = []
    for method, value in vars(cls).items():
        function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        if method.startswith("_") or not (inspect.isfunction(function) or isinstance(function, property)):
            continue
        if not any(inspect.getdoc(vars(base)[method]) for base in cls.__mro__ if method in vars(base)):
            bare.append(method)

    assert bare == []


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_help_shows_the_fields(name: str) -> None:
    cls = CLASSES[name]
    shown = " ".join(pydoc.plain(pydoc.render_doc(cls)).replace("|", " ").split())

    for field, meaning in {} if cls in WITH_SLOTS else field_docs(cls).items():
        words = " ".join(f"{field} {meaning}".replace("|", " ").split())
        assert words in shown


def test_a_class_of_somebody_else_keeps_its_own_docstring() -> None:
    class Mine(llm_gateway_sdk.Provider):
        """Mine."""

        name = "mine"

    class Silent(llm_gateway_sdk.LLMRequest):
        pass

    assert Mine.__doc__ == "Mine."
    assert Silent.__doc__ is None


def test_without_sources_the_text_of_the_class_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: object) -> str:
        raise OSError("could not get source code")

    monkeypatch.setattr(inspect, "getsource", gone)

    assert llm_gateway_sdk.Loss.__doc__ == _own_text(llm_gateway_sdk.Loss)


def test_other_values_are_passed_over() -> None:
    show_fields([1, len, importlib])
