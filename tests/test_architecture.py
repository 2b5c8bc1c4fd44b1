"""Who may import whom, read from the syntax tree. The picture in docs/architecture.md and this table agree."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "packages"

ROOMS: dict[str, set[str]] = {
    "wire": {"sdk"},
    "dialects": {"sdk", "wire"},
    "operations": {"sdk"},
    "adapters": {"sdk", "dialects", "operations"},
    "providers": {"sdk", "dialects", "operations", "wire"},
    "config": {"sdk", "wire"},
    "extensions": {"sdk", "config"},
    "extension_settings": {"sdk", "config", "extensions"},
    "provider_checks": {"sdk", "config", "extensions", "extension_settings", "providers"},
    "doubtful_names": {"sdk", "config", "extensions"},
    "doubtful_settings": {"sdk", "config", "extensions", "authenticating"},
    "notices": {"sdk", "config", "extensions", "provider_checks", "doubtful_names", "doubtful_settings"},
    "authenticating": set(),
    "store_settings": {"sdk", "config", "extensions", "extension_settings"},
    "loading": {
        "sdk",
        "config",
        "extensions",
        "extension_settings",
        "notices",
        "store_settings",
        "provider_checks",
    },
    "reference": {"sdk", "config", "extensions"},
    "banner": {"version", "sdk", "config", "extensions", "authenticating"},
    "admission": {"sdk"},
    "breaker": {"sdk"},
    "closing": {"sdk"},
    "stores": {"sdk"},
    "spellings": {"sdk", "wire"},
    "conditions": {"sdk", "config", "spellings"},
    "describing": {"sdk", "config"},
    "store_access": {"sdk", "loading", "store_settings"},
    "models": {"sdk", "breaker", "describing"},
    "exchange": {"sdk", "wire", "models", "admission"},
    "memory": {"sdk", "dialects", "exchange"},
    "monitoring": {"version", "sdk", "config", "exchange", "models"},
    "gateway": {
        "store_settings",
        "sdk",
        "config",
        "extensions",
        "providers",
        "breaker",
        "closing",
        "conditions",
        "models",
        "exchange",
        "memory",
        "authenticating",
        "spellings",
        "wire",
        "describing",
    },
    "server": {
        "version",
        "sdk",
        "wire",
        "config",
        "loading",
        "admission",
        "exchange",
        "models",
        "gateway",
        "monitoring",
    },
    "testing": {"sdk", "config", "loading", "exchange", "gateway", "server", "dialects"},
    "cli": {
        "store_settings",
        "version",
        "describing",
        "sdk",
        "config",
        "extensions",
        "loading",
        "reference",
        "banner",
        "server",
    },
    "asgi": {"loading", "server"},
    "__main__": {"cli"},
    "version": set(),
}
"""A module or folder of `llm_gateway`, and what of ours it may import. `version` is `llm_gateway/__init__.py`."""

THIRD_PARTIES: dict[str, tuple[str, ...]] = {
    "pydantic": ("config/",),
    "pydantic_core": ("config/",),
    "yaml": ("config/", "reference.py"),
    "dotenv": ("config/",),
    "jsonschema": ("extension_settings.py",),
    "aiohttp": ("providers/transport/",),
    "yarl": ("providers/transport/",),
    "httptools": ("providers/transport/", "server/http1/parser.py"),
    "httpx": ("providers/transport/", "testing/"),
    "starlette": ("server/",),
    "websockets": ("exchange/realtime/", "server/asgi_session.py"),
    "uvloop": ("server/worker.py",),
    "prometheus_client": ("monitoring/",),
    "opentelemetry": ("monitoring/",),
    "click": ("cli/",),
    "pytest": ("testing/",),
    "hypothesis": ("testing/",),
}
"""A third party, and the beginnings of the paths in `llm_gateway` that may import it."""

SDK_THIRD_PARTIES: dict[str, tuple[str, ...]] = {
    "msgspec": ("wire/json.py", "wire/large_objects.py", "wire/model_names.py", "values.py"),
    "click": ("cli/",),
    "pytest": ("testing/",),
    "hypothesis": ("testing/",),
}

DISTRIBUTION_OF = {
    "yaml": "pyyaml",
    "azure": "azure-identity",
    "google": "google-auth",
    "boto3": "boto3",
    "jwt": "pyjwt",
    "pydantic_core": "pydantic",
    "yarl": "aiohttp",
    "dotenv": "python-dotenv",
    "zstandard": "clickhouse-connect",
    "markdown_it": "markdown-it-py",
    "opentelemetry": "opentelemetry-sdk",
}
"""Import names whose distribution is named otherwise, or which another distribution brings."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement: where it is, and the module that it names."""

    path: Path
    line: int
    module: str
    names: tuple[str, ...]
    at_start: bool
    """It runs when the module is imported: neither in a function nor for the type checker alone."""

    def __str__(self) -> str:
        return f"{self.path.relative_to(PACKAGES)}:{self.line}: {self.module}"


def sources(package: str) -> list[Path]:
    return sorted((PACKAGES / package / "src").rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.with_suffix("").relative_to(path.parents[len(path.parts) - path.parts.index("src") - 2]).parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = module_name(path)
    package = own if path.name == "__init__.py" else own.rpartition(".")[0]
    found: list[Import] = []

    def visit(node: ast.AST, *, at_start: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend(Import(path, child.lineno, alias.name, (), at_start) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = package.rsplit(".", child.level - 1)[0] if child.level > 1 else package
                target = ".".join(filter(None, (base, child.module))) if child.level else child.module or ""
                names = tuple(alias.name for alias in child.names)
                found.append(Import(path, child.lineno, target, names, at_start))
            else:
                later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
                visit(child, at_start=at_start and not later and not typing_only)

    visit(tree, at_start=True)
    return tuple(found)


def room_of(module: str, names: tuple[str, ...] = ()) -> set[str]:
    """The rooms that an import of `module` reaches: those of the names, where the whole package is named."""
    head, _, rest = module.partition(".")
    if head == "llm_gateway_sdk":
        return {"sdk"}
    if rest:
        return {rest.partition(".")[0]}
    return {name if name in ROOMS else "version" for name in names} or {"version"}


def room_of_file(path: Path) -> str:
    return next(iter(room_of(module_name(path))))


def third_party(module: str) -> str | None:
    head = module.partition(".")[0]
    return None if head in sys.stdlib_module_names or head.startswith("llm_gateway") else head


def packages() -> list[str]:
    return sorted(path.parent.name for path in PACKAGES.glob("*/pyproject.toml"))


def test_each_room_of_the_gateway_imports_only_what_the_table_allows() -> None:
    strays = [
        f"{each} (room {room}; it may import {', '.join(sorted(ROOMS.get(room, set()))) or 'nothing'})"
        for path in sources("llm-gateway")
        for each in imports_of(path)
        if each.module.startswith(("llm_gateway.", "llm_gateway_sdk")) or each.module == "llm_gateway"
        for room in [room_of_file(path)]
        if not room_of(each.module, each.names) <= ROOMS.get(room, set()) | {room}
    ]

    assert strays == []


def test_the_table_names_the_rooms_that_there_are() -> None:
    there = {room_of_file(path) for path in sources("llm-gateway")}

    assert set(ROOMS) == there


def test_the_table_itself_has_no_cycle() -> None:
    done: list[str] = ["sdk"]
    waiting = dict(ROOMS)
    while ready := [room for room, allowed in waiting.items() if allowed <= set(done)]:
        done += ready
        for room in ready:
            del waiting[room]

    assert waiting == {}


def test_the_gateway_imports_no_extension() -> None:
    others = [
        str(each)
        for path in sources("llm-gateway")
        for each in imports_of(path)
        if re.match(r"llm_gateway_(?!sdk\b|model_book\b)", each.module)
    ]

    assert others == []


@pytest.mark.parametrize("package", [name for name in packages() if name not in ("llm-gateway", "llm-gateway-sdk")])
def test_an_extension_imports_the_sdk_the_model_book_and_itself(package: str) -> None:
    own = next((PACKAGES / package / "src").iterdir()).name
    strays = [
        str(each)
        for path in sources(package)
        for each in imports_of(path)
        if each.module.startswith("llm_gateway")
        and each.module.partition(".")[0] not in ("llm_gateway_sdk", "llm_gateway_model_book", own)
    ]

    assert strays == []


def test_the_sdk_imports_nothing_of_the_gateway() -> None:
    strays = [
        str(each)
        for path in sources("llm-gateway-sdk")
        for each in imports_of(path)
        if each.module.startswith("llm_gateway") and not each.module.startswith("llm_gateway_sdk")
    ]

    assert strays == []


def test_the_wire_room_of_the_sdk_imports_nothing_else_of_ours() -> None:
    strays = [
        str(each)
        for path in sources("llm-gateway-sdk")
        if path.parent.name == "wire"
        for each in imports_of(path)
        if each.module.startswith("llm_gateway") and not each.module.startswith("llm_gateway_sdk.wire")
    ]

    assert strays == []


@pytest.mark.parametrize(
    ("package", "allowed"), [("llm-gateway", THIRD_PARTIES), ("llm-gateway-sdk", SDK_THIRD_PARTIES)]
)
def test_third_parties_stay_in_their_rooms(package: str, allowed: dict[str, tuple[str, ...]]) -> None:
    strays = []
    for path in sources(package):
        inner = path.relative_to(next((PACKAGES / package / "src").iterdir())).as_posix()
        for each in imports_of(path):
            party = third_party(each.module)
            if party is not None and party in allowed and not inner.startswith(allowed[party]):
                strays.append(str(each))
            elif party is not None and party not in allowed and (package, party) != ("llm-gateway-sdk", "jsonschema"):
                strays.append(f"{each} (in no table)")

    assert strays == []


def test_one_file_of_the_sdk_imports_jsonschema() -> None:
    files = {
        each.path for path in sources("llm-gateway-sdk") for each in imports_of(path) if "jsonschema" in each.module
    }

    assert len(files) <= 1


@pytest.mark.parametrize("package", packages())
def test_what_a_package_imports_it_declares(package: str) -> None:
    project = tomllib.loads((PACKAGES / package / "pyproject.toml").read_text())["project"]
    written = [
        *project["dependencies"],
        *(each for extra in project.get("optional-dependencies", {}).values() for each in extra),
    ]
    declared = {re.split(r"[\s\[<>=!~;]", each)[0].lower().replace("_", "-") for each in written}

    undeclared = [
        str(each)
        for path in sources(package)
        for each in imports_of(path)
        if (party := third_party(each.module)) is not None
        and DISTRIBUTION_OF.get(party, party.lower().replace("_", "-")) not in declared
        and not optional(each)
        and not (party in ("pytest", "hypothesis") and "testing" in each.path.parts)  # only tests load it
    ]

    assert undeclared == []


def optional(each: Import) -> bool:
    """It is in a `try` that goes on without it."""
    for node in ast.walk(ast.parse(each.path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Try) and any("ImportError" in ast.unparse(h.type) for h in node.handlers if h.type):
            lines = {
                inner.lineno for statement in node.body for inner in ast.walk(statement) if hasattr(inner, "lineno")
            }
            if each.line in lines:
                return True
    return False


@pytest.mark.parametrize("package", packages())
def test_no_modules_import_each_other(package: str) -> None:
    modules = {module_name(path): path for path in sources(package)}
    edges: dict[str, set[str]] = {}
    for name, path in modules.items():
        reached = set()
        for each in imports_of(path):
            if each.at_start:
                named = {f"{each.module}.{inner}" for inner in each.names} & modules.keys()
                # `from . import errors` reaches the module, not the package that holds both.
                # A package may also hold its version, written above its imports.
                whole = (
                    bool(set(each.names) - {"__version__"} - {inner.rpartition(".")[2] for inner in named})
                    or not each.names
                )
                reached |= named | ({each.module} & modules.keys() if whole else set())
        edges[name] = reached - {name}

    assert cycles(edges) == []


def cycles(edges: dict[str, set[str]]) -> list[str]:
    found: list[str] = []
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> None:
        if name in trail:
            found.append(" -> ".join([*trail[trail.index(name) :], name]))
            return
        if name in done:
            return
        for target in sorted(edges.get(name, ())):
            visit(target, [*trail, name])
        done.add(name)

    for name in sorted(edges):
        visit(name, [])
    return found


PURE = [
    *(path for path in sources("llm-gateway") if room_of_file(path) == "dialects"),
    *(path for path in sources("llm-gateway-sdk") if path.parent.name == "wire"),
]
IMPURE_MODULES = {"asyncio", "time", "random", "secrets", "uuid", "logging", "threading", "os", "socket", "subprocess"}
IMPURE_CALLS = {"open", "print", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.relative_to(PACKAGES).as_posix())
def test_translation_is_pure(path: Path) -> None:
    """No `async`, clock, randomness, logging, files: ids and times come in as arguments."""
    impure = [str(each) for each in imports_of(path) if each.module.partition(".")[0] in IMPURE_MODULES]
    impure += [
        f"{path.name}:{node.lineno}: {type(node).__name__}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
        or (isinstance(node, ast.Call) and ast.unparse(node.func) in IMPURE_CALLS)
    ]

    assert impure == []


def test_the_dialects_do_not_know_each_other() -> None:
    folder = PACKAGES / "llm-gateway" / "src" / "llm_gateway" / "dialects"
    strays = [
        str(each)
        for path in folder.glob("*/*.py")
        for each in imports_of(path)
        if each.module.startswith("llm_gateway.dialects.") and each.module.split(".")[2] != path.parent.name
    ]

    assert strays == []


DIALECTS = [
    *(PACKAGES / "llm-gateway" / "src" / "llm_gateway" / "dialects" / name
      for name in ("anthropic", "openai_chat", "openai_responses")),
    PACKAGES / "gemini" / "src" / "llm_gateway_gemini",
    PACKAGES / "bedrock" / "src" / "llm_gateway_bedrock",
    PACKAGES / "ollama" / "src" / "llm_gateway_ollama",
]  # fmt: skip
FILES_OF_A_DIALECT = {
    "dialect.py", "errors.py", "parts.py", "quirks.py", "request.py", "request_encoder.py", "response.py", "stream.py",
    "stream_encoder.py",
}  # fmt: skip
"""The jobs that every dialect has. A reader of one dialect finds the same job of another under the same name."""


@pytest.mark.parametrize("folder", DIALECTS, ids=lambda folder: folder.name)
def test_dialects_are_laid_out_alike(folder: Path) -> None:
    files = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in folder.glob("*.py")}

    assert FILES_OF_A_DIALECT - files.keys() == set()
    assert [name for name, lines in files.items() if lines > 600] == []


def test_the_exchange_names_no_vendor() -> None:
    assert words_in("exchange", r"openai|anthropic|gemini|bedrock|claude|azure") == []


def test_the_server_names_no_hook() -> None:
    hooks = r"before_model|after_model|after_chunk|on_model_error|detached_after_response"

    assert words_in("server", hooks) == []


def words_in(room: str, pattern: str) -> list[str]:
    return [
        f"{path.name}:{number}: {line.strip()}"
        for path in sources("llm-gateway")
        if room_of_file(path) == room
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line, re.IGNORECASE)
    ]


def test_the_oldest_of_a_bounded_dictionary_is_removed_in_constant_time() -> None:
    """`del kept[next(iter(kept))]` walks over all that was removed before; `popitem` of an `OrderedDict` does not."""
    walking = re.compile(r"del (\S+)\[next\(iter\(\1\)\)\]")
    found = [str(path) for path in PACKAGES.glob("*/src/**/*.py") if walking.search(path.read_text(encoding="utf-8"))]

    assert found == []


def test_each_module_states_what_it_holds() -> None:
    silent = [
        str(path.relative_to(PACKAGES))
        for package in packages()
        for path in sources(package)
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]

    assert silent == []


# Sizes.

MAX_CLASS_LINES = 300
MAX_FUNCTION_LINES = 60

LARGER = {
    "llm_gateway/dialects/openai_responses/stream.py:ResponsesStreamDecoder": "state machine over the API's events",
    "llm_gateway/dialects/openai_responses/stream_encoder.py:ResponsesStreamEncoder": "state machine over open items",
    "llm_gateway/monitoring/otel.py:OpenTelemetry": "one observer, span by span",
    "llm_gateway/monitoring/metrics.py:Metrics": "one observer, series by series",
    "llm_gateway_sdk/context.py:__init__": "the fields of the context, each with what it is",
    "llm_gateway_sdk/testing/dialect_laws.py:DialectLaws": "laws to subclass, one test each",
}
"""What is larger, and why. The list gets shorter."""


def larger() -> set[str]:
    found = set()
    for path in [*sources("llm-gateway"), *sources("llm-gateway-sdk")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                most = MAX_CLASS_LINES if isinstance(node, ast.ClassDef) else MAX_FUNCTION_LINES
                if lines > most:
                    found.add(f"{path.relative_to(path.parents[path.parts[::-1].index('src') - 1])}:{node.name}")
    return found


def test_no_class_and_no_function_is_too_large() -> None:
    found = larger()

    assert sorted(found - LARGER.keys()) == []
    assert sorted(LARGER.keys() - found) == [], "these are small enough now: take them off the list"


@pytest.mark.parametrize("package", packages())
def test_modules_know_each_other_one_way_only(package: str) -> None:
    """Imports for the type checker alone and those inside functions count as well: a circle of types is a circle."""
    modules = {module_name(path): path for path in sources(package)}
    edges: dict[str, set[str]] = {}
    for name, path in modules.items():
        reached: set[str] = set()
        for each in imports_of(path):
            named = {f"{each.module}.{inner}" for inner in each.names} & modules.keys()
            reached |= named | (
                {each.module} & modules.keys() if not named and "__version__" not in each.names else set()
            )
        edges[name] = reached - {name}

    assert [circle for circle in cycles(edges) if circle not in CIRCLES] == []


CIRCLES: dict[str, str] = {}
"""Circles that are meant, and why."""
