"""Every field of the context has its meaning in `help()` and in editors, and both say the same."""

from __future__ import annotations

import ast
import inspect
import pydoc
import textwrap

from llm_gateway_sdk import RequestContext
from llm_gateway_sdk.context_fields import FIELDS


def _written_in_init() -> dict[str, str]:
    """The sentences below the assignments of `__init__`, which editors show."""
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(RequestContext.__init__))).body
    assert isinstance(function, ast.FunctionDef)
    found: dict[str, str] = {}
    name = ""
    for statement in function.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Attribute(attr=attribute)])
                | ast.AnnAssign(target=ast.Attribute(attr=attribute))
            ):
                name = attribute
            case ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def test_every_public_slot_is_described() -> None:
    public = {name for name in RequestContext.__slots__ if not name.startswith("_")}
    assert public == set(FIELDS)
    assert all(text.endswith(".") for text in FIELDS.values())


def test_editors_show_the_same_sentences() -> None:
    written = _written_in_init()
    assert {name: written.get(name) for name in FIELDS} == FIELDS


def test_help_shows_them() -> None:
    shown = pydoc.plain(pydoc.render_doc(RequestContext))
    for name, text in FIELDS.items():
        assert f"{name}\n" in shown, name
        assert text.split(".")[0][:60] in " ".join(shown.split()), name


def test_every_property_and_method_has_a_docstring() -> None:
    bare = [
        name
        for name, member in inspect.getmembers(RequestContext)
        if not name.startswith("_") and name not in FIELDS and not inspect.getdoc(member)
    ]
    assert bare == []
