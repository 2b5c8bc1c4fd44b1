"""Numbers and dates that come as text from outside go through the modules that bound them.

`str.isdigit` takes letters that `int` refuses, and dates have forms on which parsers raise errors of all kinds: a
module that reads such texts by itself is a 500 for somebody. Waits and dates are read in `llm_gateway_sdk.waiting`,
whole numbers in `llm_gateway_sdk.numerals`. Modules that read texts of the operator or of the gateway itself, or
look at letters and make no number of them, are listed with the reason.
"""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGES = Path(__file__).resolve().parent.parent / "packages"
LOOSE = {"isdigit", "isdecimal", "isnumeric"}
DATES = {"parsedate_to_datetime", "parsedate", "strptime", "fromisoformat"}
WAITS = {"retry-after", "retry-after-ms"}

LETTERS = {
    "regex-hider/patterns.py": "the operator's pattern, ASCII",
    "regex-hider/syntax.py": "the operator's pattern, ASCII",
    "redis-store/connections.py": "the operator's address",
    "redis-store/stores.py": "written by the gateway",
    "console/simulation.py": "a form of the console, checked by the API that it calls",
    "console/keys.py": "a form of the console, bounded",
    "llm-gateway-sdk/numerals.py": "the module for it",
    "llm-gateway-sdk/long_numbers.py": "no number is made of it",
    "llm-gateway-sdk/users.py": "no number is made of it",
    "llm-gateway/parser.py": "bytes, whose digits are ASCII, or ASCII by a check before",
    "llm-gateway/asgi.py": "ASCII by a check before",
    "llm-gateway/uploads.py": "written by the kernel",
}
MOMENTS = {
    "llm-gateway-sdk/waiting.py": "the module for it",
    "llm-gateway-sdk/token_command.py": "the output of the operator's command",
    "virtual-keys/cli.py": "the operator's command line",
    "llm-gateway/usage.py": "the operator's command line",
    "console/spans.py": "written by the console",
    "limits/reporting.py": "a query of the administration, errors caught",
    "console/keys.py": "a form of the console, errors caught",
    "clickhouse-tracer-plugin/finding.py": "written by the gateway",
    "clickhouse-tracer-plugin/figures.py": "written by the gateway",
    "clickhouse-tracer-plugin/filter.py": "a query of the dashboard, errors caught",
}


def sources(words: set[str]) -> dict[str, list[ast.AST]]:
    """The nodes of each source file in which one of these words is, by distribution and name."""
    found: dict[str, list[ast.AST]] = {}
    for path in sorted(PACKAGES.glob("*/src/**/*.py")):
        distribution = path.relative_to(PACKAGES).parts[0]
        if "testing" in path.parts or (distribution == "clickhouse-tracer-plugin" and path.name == "cli.py"):
            continue
        text = path.read_text(encoding="utf-8")
        if any(word in text for word in words):
            found.setdefault(f"{distribution}/{path.name}", []).extend(ast.walk(ast.parse(text)))
    return found


def calling(nodes: list[ast.AST], names: set[str]) -> bool:
    """Whether one of these functions or methods is mentioned."""
    return any(
        (isinstance(node, ast.Attribute) and node.attr in names) or (isinstance(node, ast.Name) and node.id in names)
        for node in nodes
    )


def reading(nodes: list[ast.AST], names: set[str]) -> bool:
    """Whether one of these headers is looked up by `get` or an index."""
    looked_up = [node.args[0] for node in nodes if isinstance(node, ast.Call) and node.args and _is_get(node.func)]
    looked_up += [node.slice for node in nodes if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)]
    return any(isinstance(one, ast.Constant) and one.value in names for one in looked_up)


def _is_get(function: ast.expr) -> bool:
    return ast.unparse(function).rpartition(".")[2] in ("get", "find")


def test_digits_are_read_by_the_module_for_it() -> None:
    strays = {name for name, nodes in sources(LOOSE).items() if calling(nodes, LOOSE)}

    assert sorted(strays - set(LETTERS)) == [], "use llm_gateway_sdk.numerals"
    assert sorted(set(LETTERS) - strays) == [], "take these off the list"


def test_dates_are_read_by_the_module_for_it() -> None:
    strays = {name for name, nodes in sources(DATES).items() if calling(nodes, DATES)}

    assert sorted(strays - set(MOMENTS)) == [], "use llm_gateway_sdk.waiting"
    assert sorted(set(MOMENTS) - strays) == [], "take these off the list"


def test_waits_that_providers_ask_for_are_read_by_the_module_for_it() -> None:
    read = [name for name, nodes in sources(WAITS).items() if reading(nodes, WAITS)]

    assert read == ["llm-gateway-sdk/waiting.py"]
