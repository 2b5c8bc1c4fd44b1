"""Finds plugins, adapters, providers, dialects, stores: installed ones by entry point, others by `module:` or `path:`.

One resolver for all five kinds. Nothing is imported before it is asked for, save what the configuration names by module
or path, which has to be looked into.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from types import ModuleType
from typing import Any, Literal, TypeAlias, get_args

from llm_gateway.config.document import Path
from llm_gateway.config.problems import Problems, unknown
from llm_gateway_sdk.adapter import Adapter
from llm_gateway_sdk.checks import check_plugin_class
from llm_gateway_sdk.checks import locate as _locate
from llm_gateway_sdk.dialect import Dialect
from llm_gateway_sdk.errors import ConfigError
from llm_gateway_sdk.plugin import HOOKS, Plugin
from llm_gateway_sdk.provider import Provider
from llm_gateway_sdk.store import Store

Kind: TypeAlias = Literal["plugin", "adapter", "provider", "dialect", "store"]
KINDS: tuple[Kind, ...] = get_args(Kind)
GROUPS: dict[Kind, str] = {kind: f"llm_gateway.{kind}s" for kind in KINDS}

_ELSEWHERE = {
    ("plugin", "clickhouse-tracer"): "llm-gateway-clickhouse-tracer-plugin",
    ("provider", "gemini"): "gemini",
    ("adapter", "gemini"): "gemini",
    ("adapter", "ollama"): "ollama",
    ("provider", "ollama-native"): "ollama",
    **{("store", scheme): "redis" for scheme in ("redis", "rediss", "redis+sentinel", "redis+cluster")},
    ("provider", "bedrock"): "bedrock",
    ("provider", "sagemaker"): "bedrock",
}
"""Types of the project's own optional distributions, as `tools/install.py` names them. Not as `pip install` would: on
the public index the name `llm-gateway` belongs to another project."""

_JAVASCRIPT = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts")


@dataclass(frozen=True, slots=True)
class Extension:
    """One class that adds something to the gateway."""

    kind: Kind
    name: str
    """Its `type` in the configuration."""
    cls: type[Any]
    origin: str
    """Where it was found, e.g. `entry point`, `module my_plugin`, `path ./plugins/mine.py`."""
    distribution: str | None = None
    version: str = "0.0.0"
    description: str = ""
    fingerprint: str = ""
    """Changes when its code does: the distribution's version, or a hash of the files loaded by path."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of its settings; one that allows everything where it has none."""
        metadata = getattr(self.cls, "metadata", None)
        schema = getattr(metadata, "configuration_schema", None) or getattr(self.cls, "configuration_schema", None)
        return schema if isinstance(schema, dict) else {"type": "object"}

    @property
    def hooks(self) -> list[str]:
        """The hooks that a plugin defines."""
        if self.kind != "plugin":
            return []
        return [hook for hook in HOOKS if getattr(self.cls, hook, None) not in (None, getattr(Plugin, hook))]


@dataclass(frozen=True, slots=True)
class Declared:
    """An entry of `availablePlugins` with its place in the document."""

    place: Path
    module: str | None = None
    path: str | None = None


class Extensions:
    """All that is available, by kind and name."""

    def __init__(
        self,
        entry_points: dict[tuple[Kind, str], importlib.metadata.EntryPoint],
        rivals: dict[tuple[Kind, str], importlib.metadata.EntryPoint] | None = None,
    ) -> None:
        self._entry_points = entry_points
        self._rivals = rivals or {}
        self._loaded: dict[tuple[Kind, str], Extension] = {}

    def names(self, kind: Kind) -> list[str]:
        """The names of this kind, without importing anything."""
        return sorted({name for found, name in (*self._entry_points, *self._loaded) if found == kind})

    def get(self, kind: Kind, name: str) -> Extension:
        """The extension of this name, imported now if need be. Raises `ConfigError`."""
        if (kind, name) in self._loaded:
            return self._loaded[kind, name]
        entry_point = self._entry_points.get((kind, name))
        if entry_point is None:
            message = unknown(f"{kind} type", name, self.names(kind))
            if wanted := _ELSEWHERE.get((kind, name)):
                message = f'the {kind} type "{name}" is not installed: {_advice(wanted)}'
            raise ConfigError(message)
        if (rival := self._rivals.get((kind, name))) is not None:
            raise ConfigError(
                f'two {kind}s are named "{name}": {_owner(entry_point)} and {_owner(rival)}; uninstall one'
            )
        extension = _from_entry_point(kind, entry_point)
        self._loaded[kind, name] = extension
        return extension

    def all(self, kind: Kind) -> list[Extension]:
        """Every extension of this kind, imported, by name. Raises `ConfigError` if one of them is broken."""
        return [self.get(kind, name) for name in self.names(kind)]

    def add(self, extension: Extension) -> None:
        """Adds one found by module or path. Raises `ConfigError` if another class has its name."""
        key = (extension.kind, extension.name)
        if key in self._entry_points or key in self._loaded:
            present = self.get(*key)
            if present.cls is not extension.cls:
                raise ConfigError(
                    f'two {extension.kind}s are named "{extension.name}": {_locate(present.cls)} ({present.origin}) '
                    f"and {_locate(extension.cls)} ({extension.origin}); rename one"
                )
            return
        self._loaded[key] = extension

    def add_class(self, cls: type[Any]) -> None:
        """Adds a class as it is. Raises `ConfigError` if it is not an extension, or another one has its name."""
        extension = _extension(cls, f"class {cls.__qualname__}", fingerprint=str(id(cls)))
        if extension is None:
            raise ConfigError(f"{_locate(cls)} is not a plugin, adapter, provider, dialect or store")
        self.add(extension)


def installed() -> Extensions:
    """What is installed with entry points. Two of one name are an error once that name is asked for."""
    found: dict[tuple[Kind, str], importlib.metadata.EntryPoint] = {}
    rivals: dict[tuple[Kind, str], importlib.metadata.EntryPoint] = {}
    everything = importlib.metadata.entry_points()  # each call reads the metadata of all distributions
    for kind, group in GROUPS.items():
        for entry_point in everything.select(group=group):
            first = found.setdefault((kind, entry_point.name), entry_point)
            if first.value != entry_point.value:
                rivals[kind, entry_point.name] = entry_point
    return Extensions(found, rivals)


def _owner(entry_point: importlib.metadata.EntryPoint) -> str:
    distribution = f" of {entry_point.dist.name}" if entry_point.dist else ""
    return f"{entry_point.value}{distribution}"


def find(declared: Sequence[Declared], *, directory: FilePath, problems: Problems, notices: list[str]) -> Extensions:
    """What is installed, and what the configuration declares by module or path, relative to `directory`."""
    extensions = installed()
    for entry in declared:
        key = "module" if entry.module else "path"
        try:
            if entry.module:
                found = _from_module(entry.module, extensions, directory=directory, notices=notices)
            else:
                found = _from_path(entry.path or "", directory=directory)
            for extension in found:
                extensions.add(extension)
        except ConfigError as error:
            for problem in error.problems:
                problems.add((*entry.place, key), problem.message)
        except (OSError, ValueError) as error:  # a name that no file can have, or a file that can't be read
            problems.add((*entry.place, key), f"it can't be looked for: {error.args[-1]}")
    return extensions


def _from_entry_point(kind: Kind, entry_point: importlib.metadata.EntryPoint) -> Extension:
    distribution = entry_point.dist.name if entry_point.dist else None
    version = entry_point.dist.version if entry_point.dist else "0.0.0"
    try:
        cls = entry_point.load()
    except (Exception, SystemExit) as error:
        whose = f" of {distribution}" if distribution else ""
        raise ConfigError(f'the {kind} "{entry_point.name}"{whose} can\'t be imported: {_explain(error)}') from error
    extension = _extension(cls, "entry point", distribution=distribution, version=version, fingerprint=version)
    if extension is None or extension.kind != kind:
        raise ConfigError(f'the entry point "{entry_point.name}" = {entry_point.value} names no {kind} class')
    if extension.name != entry_point.name:
        raise ConfigError(
            f'the entry point "{entry_point.name}" = {entry_point.value} and the class disagree on the name: '
            f'the class has the name "{extension.name}"'
        )
    return extension


def _from_module(name: str, extensions: Extensions, *, directory: FilePath, notices: list[str]) -> list[Extension]:
    wanted = _python_name(name, notices)
    module_name, _, class_name = wanted.partition(":")
    module = _import(module_name) if _is_module_name(module_name) else None
    if module is not None:
        return _exposed(module, f"module {wanted}", class_name=class_name, fingerprint=_version_of(module_name))
    try:
        distribution = importlib.metadata.distribution(module_name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        module_file = directory / f"{module_name.replace('-', '_')}.py"
        hint = (
            f"; for the file next to the configuration write `path: ./{module_file.name}`"
            if module_file.is_file()
            else ""
        )
        raise ConfigError(
            f'no Python module and no installed distribution is named "{module_name}"; {_advice(module_name)}{hint}'
        ) from None
    registered = [
        extensions.get(kind, entry_point.name)
        for kind, group in GROUPS.items()
        for entry_point in distribution.entry_points.select(group=group)
    ]
    if registered:
        return registered
    exposed: list[Extension] = []
    for top_level in _top_level_modules(distribution):
        found = _import(top_level)
        if found is not None:
            exposed += _exposed(found, f"module {wanted}", fingerprint=distribution.version, required=False)
    if not exposed:
        raise ConfigError(f'the distribution "{module_name}" has no plugin, adapter, provider, dialect or store')
    return exposed


def _advice(distribution: str) -> str:
    """How to get a distribution: the project's own come from its wheels."""
    if distribution in _ELSEWHERE.values():
        return f"{sys.executable} tools/install.py {distribution} (docs/install.md)"
    return "install it into the Python environment in which the gateway runs"


def _python_name(name: str, notices: list[str]) -> str:
    """The Python counterpart of an npm name of this project; other npm names are refused."""
    if not name.startswith("@") and "/" not in name:
        return name
    scope, _, package = name.partition("/")
    if scope == "@nullplatform" and package:
        try:
            importlib.metadata.distribution(package)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            if package in _ELSEWHERE.values():
                raise ConfigError(f'the Python counterpart of "{name}" is not installed: {_advice(package)}') from None
            raise ConfigError(
                f'"{name}" is a JavaScript package without a Python counterpart; name a Python module, or write '
                "`path:` with a Python file"
            ) from None
        notices.append(f'"{name}" is read as its Python counterpart, the distribution "{package}"')
        return package
    if name.endswith(_JAVASCRIPT) or name.startswith("."):
        raise ConfigError(
            f'"{name}" is a path: write `path:` instead of `module:`, with a Python file or package folder'
        )
    raise ConfigError(
        f'"{name}" is an npm package, which can\'t be loaded here; write the name of a Python module or distribution, '
        f"e.g. `module: {(package or name).replace('-', '_')}` (`llm-gateway plugins new {package or name}` makes one)"
    )


def _is_module_name(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _import(name: str) -> ModuleType | None:
    """The module, or None if there is none of this name. Raises `ConfigError` if importing it fails."""
    try:
        if importlib.util.find_spec(name) is None:
            return None
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            return None
        raise ConfigError(f'importing "{name}" failed: {_explain(error)}') from error
    except (Exception, SystemExit) as error:
        raise ConfigError(f'importing "{name}" failed: {_explain(error)}') from error


def _top_level_modules(distribution: importlib.metadata.Distribution) -> list[str]:
    names = importlib.metadata.packages_distributions()
    wanted = distribution.name.lower().replace("_", "-")
    return sorted(
        name for name, owners in names.items() if wanted in (owner.lower().replace("_", "-") for owner in owners)
    )


def _version_of(module: str) -> str:
    owners = importlib.metadata.packages_distributions().get(module.partition(".")[0], [])
    return importlib.metadata.version(owners[0]) if owners else ""


def _from_path(written: str, *, directory: FilePath) -> list[Extension]:
    path = (directory / written).resolve()
    if path.suffix in _JAVASCRIPT:
        raise ConfigError(
            f'"{written}" is JavaScript, which can\'t be loaded here; write a Python file or package folder, '
            f"e.g. `path: ./plugins/{_python_stem(path)}.py` (`llm-gateway plugins new NAME` makes one)"
        )
    if not path.exists():
        raise ConfigError(f"there is no file or folder {path}")
    if path.is_dir():
        path = _package_in(path, written)
    elif path.suffix != ".py":
        raise ConfigError(f'"{written}" is neither a Python file (.py) nor a package folder')
    fingerprint = _hash(path)
    module = _load_file(path, fingerprint=fingerprint, written=written)
    return _exposed(module, f"path {written}", fingerprint=fingerprint)


def _python_stem(path: FilePath) -> str:
    """A likely name for `./plugins/my-plugin/dist/index.js`: `my_plugin`."""
    stem = next(
        (part for part in (path.stem, *reversed(path.parent.parts)) if part not in ("index", "dist", "src", "build")),
        "mine",
    )
    return "".join(sign if sign.isalnum() else "_" for sign in stem)


def _package_in(folder: FilePath, written: str) -> FilePath:
    """The `__init__.py` of a package folder, or of the one package in a project folder (`src/<package>`)."""
    if (folder / "__init__.py").is_file():
        return folder / "__init__.py"
    inner = [found for pattern in ("src/*/__init__.py", "*/__init__.py") for found in sorted(folder.glob(pattern))]
    packages = [found for found in inner if found.parent.name not in ("tests", "test", "examples")]
    if len(packages) == 1:
        return packages[0]
    files = ", ".join(sorted(found.name for found in folder.glob("*.py"))) or "none"
    raise ConfigError(f'"{written}" is not a package folder: it has no __init__.py (Python files in it: {files})')


def _hash(path: FilePath) -> str:
    digest = hashlib.sha256(str(path).encode())
    for file in sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _load_file(path: FilePath, *, fingerprint: str, written: str) -> ModuleType:
    """The module of a file, under its own name: an unchanged file gives the same module again."""
    is_package = path.name == "__init__.py"
    name = f"llm_gateway_extension_{(path.parent.name if is_package else path.stem).replace('-', '_')}_{fingerprint}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)] if is_package else None
    )
    if spec is None or spec.loader is None:
        raise ConfigError(f'"{written}" can\'t be loaded as a Python file')
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        for loaded in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
            del sys.modules[loaded]
        hint = ""
        if isinstance(error, ModuleNotFoundError) and error.name and (path.parent / f"{error.name}.py").is_file():
            hint = f"; make the folder a package and write `from . import {error.name}`"
        raise ConfigError(f'loading "{written}" failed: {_explain(error)}{hint}') from error
    return module


def _exposed(
    module: ModuleType, origin: str, *, class_name: str = "", fingerprint: str = "", required: bool = True
) -> list[Extension]:
    """The extensions among the classes that the module, or a module below it, defines."""
    if class_name:
        cls = getattr(module, class_name, None)
        extension = _extension(cls, origin, fingerprint=fingerprint) if isinstance(cls, type) else None
        if extension is None:
            raise ConfigError(f'"{class_name}" in {origin} is not a plugin, adapter, provider, dialect or store')
        return [extension]
    found: dict[type[Any], Extension] = {}
    for cls in _defined_classes(module):
        extension = _extension(cls, origin, fingerprint=fingerprint)
        if extension is not None:
            found[cls] = extension
    if not found and required:
        raise ConfigError(
            f"{origin} defines no plugin, adapter, provider, dialect or store; a plugin has @plugin_metadata(name=…)"
        )
    return list(found.values())


def _defined_classes(module: ModuleType) -> Iterator[type[Any]]:
    for name, value in vars(module).items():
        if isinstance(value, type) and not name.startswith("_"):
            owner = value.__module__
            if owner == module.__name__ or owner.startswith(module.__name__ + "."):
                yield value


def _extension(
    cls: Any, origin: str, *, distribution: str | None = None, version: str | None = None, fingerprint: str = ""
) -> Extension | None:
    """What the class adds, or None if it is not an extension (or a base of some)."""
    if not isinstance(cls, type) or inspect.isabstract(cls):
        return None
    kind = _kind_of(cls)
    if kind is None:
        return None
    if kind == "plugin":
        metadata = vars(cls).get("metadata")
        if metadata is None and cls.__subclasses__():
            return None
        if found := check_plugin_class(cls, schema=False):  # the schema is checked with the settings
            raise ConfigError("; ".join(found))
        assert metadata is not None
        return Extension(
            kind, metadata.name, cls, origin, distribution, metadata.version, metadata.description, fingerprint
        )
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not name:
        if cls.__subclasses__():
            return None
        raise ConfigError(f'{_locate(cls)} has no name: write `name = "…"` in the class')
    if not isinstance(getattr(cls, "configuration_schema", {}), dict):
        raise ConfigError(
            f"{_locate(cls)}: `configuration_schema` must be a JSON Schema, a dict; of a pydantic model write "
            "`Model.model_json_schema()`, and validate by the model in `configure`"
        )
    description = inspect.getdoc(cls) if cls.__doc__ else ""
    return Extension(
        kind, name, cls, origin, distribution, version or "0.0.0", (description or "").partition("\n\n")[0], fingerprint
    )


def _kind_of(cls: type[Any]) -> Kind | None:
    bases: tuple[tuple[type[Any], Kind], ...] = (
        (Plugin, "plugin"),
        (Adapter, "adapter"),
        (Provider, "provider"),
        (Dialect, "dialect"),
        (Store, "store"),
    )
    for base, kind in bases:
        if cls is not base and issubclass(cls, base):
            return kind
    return "plugin" if hasattr(vars(cls).get("metadata"), "configuration_schema") else None


def _explain(error: BaseException) -> str:
    """The error with the innermost line of the code that raised it."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({error.filename}:{error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames and frames[-1].filename != __file__ else ""
    return f"{type(error).__name__}: {error}{place}"
