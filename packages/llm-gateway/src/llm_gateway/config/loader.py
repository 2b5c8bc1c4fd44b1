"""From a text to settings: read, fill variables, validate. What extensions have to say comes in between, elsewhere.

`read` gives a `Draft`; `validate` turns it into a `GatewayFile`. Problems gather in the draft. Validation goes on past
errors: what is wrong is noted and left out, so that one mistake never hides another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from llm_gateway.config.document import Node, Path, located, read_document
from llm_gateway.config.env import Variables, read_dotenv
from llm_gateway.config.formatting import Show, show_of
from llm_gateway.config.known_keys import describe_unknown_key, file_schema, known_keys
from llm_gateway.config.limits_section import take_limits
from llm_gateway.config.problems import Problems, closest, json_in_text
from llm_gateway.config.resolve import resolve
from llm_gateway.config.schema import GatewayFile
from llm_gateway.config.value_types import TEXT_FORMS
from llm_gateway_sdk.errors import ConfigError, ConfigProblem


@dataclass(frozen=True, slots=True)
class Draft:
    """A configuration that was read: its document with variables filled, save in the settings of extensions."""

    file: str
    directory: FilePath
    root: Node
    variables: Variables
    problems: Problems
    notices: list[str] = field(default_factory=list)


def read_file(path: FilePath) -> str:
    """The text of a configuration file. Raises `ConfigError`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        nearby = sorted(found.name for found in path.parent.glob("*") if found.suffix in (".yaml", ".yml", ".json"))
        near = closest(path.name, nearby)
        hint = f"; did you mean {path.parent / near}?" if near else "; `llm-gateway init` writes one"
        raise ConfigError([ConfigProblem(f"there is no such file{hint}", "", str(path))]) from None
    except IsADirectoryError:
        raise ConfigError([ConfigProblem("this is a folder; name the file in it", "", str(path))]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f"the byte 0x{error.object[error.start]:02X} is not UTF-8; save the file as UTF-8"
        raise ConfigError([ConfigProblem(message, "", str(path), line)]) from None
    except OSError as error:
        raise ConfigError([ConfigProblem(f"the file can't be read: {error.strerror}", "", str(path))]) from None


def read(text: str, *, file: str, directory: FilePath, environ: Mapping[str, str]) -> Draft:
    """Reads the document and fills its variables. Raises `ConfigError` where the text has no readable structure."""
    root = read_document(text, file)
    variables = Variables(environ, read_dotenv(directory), directory)
    problems = Problems(file, root)
    for key in [key for key in root.value if key.startswith("x-")]:
        del root.value[key]  # a place for YAML anchors
    resolve(root, file_schema(), variables, problems)
    return Draft(file, directory, root, variables, problems)


def validate(draft: Draft) -> GatewayFile:
    """The settings; what is wrong is noted in the draft's problems and left out."""
    data = located(draft.root)
    take_limits(data, draft.problems)
    first = True
    while True:
        try:
            return GatewayFile.model_validate(data)
        except ValidationError as error:
            errors = list(_merge_branches(error.errors(include_url=False), data))
            for each in errors:
                # Later rounds complain of gaps that leaving out has made.
                if (first or each["type"] == "value_error") and each["type"] != "default_factory_not_called":
                    _note(each, draft.problems)
            _leave_out(data, errors)
        first = False


def _note(error: ErrorDetails, problems: Problems) -> None:
    place, message = _describe(error, show_of(problems.root))
    if not problems.below(place):
        problems.add(place, message)


def _merge_branches(errors: list[ErrorDetails], data: Any) -> Iterator[ErrorDetails]:
    """One error for a value of several possible types, in place of one for each, which pydantic gives.

    Their places end with the names of the types: `("trustProxy", "bool")`. Where one type fits and what is in it does
    not, only the errors in it count, at the places where they are.
    """
    branches: dict[Path, list[ErrorDetails]] = {}
    for each in errors:
        place = _existing(data, each["loc"])
        if len(place) == len(each["loc"]) or each["type"] in ("missing", "extra_forbidden"):
            yield each
        else:
            branches.setdefault(place, []).append(each)
    for place, found in branches.items():
        depth = len(place) + 1
        if inner := [each for each in found if len(each["loc"]) > depth]:
            for each in inner:
                yield {**each, "loc": (*place, *each["loc"][depth:])}
            continue
        words = dict.fromkeys(_EXPECTED.get(each["type"].split("_")[0], each["msg"]) for each in found)
        yield {**found[0], "type": "union", "loc": place, "msg": " or ".join(words)}


def _describe(error: ErrorDetails, show: Show) -> tuple[Path, str]:
    place: Path = error["loc"]
    context, found = error.get("ctx", {}), show(error["input"], place)
    match error["type"]:
        case "extra_forbidden":
            return place, describe_unknown_key(place)
        case "missing":
            return place[:-1], f'"{place[-1]}" is missing'
        case "literal_error":
            wanted = str(context["expected"]).replace("'", "")
            near = closest(str(error["input"]), wanted.replace(" or ", ", ").split(", "))
            return place, f"expected {wanted}, found {found}" + (f'; did you mean "{near}"?' if near else "")
        case "value_error":
            return place, f"{context['error']}, found {found}" if not isinstance(error["input"], dict) else str(
                context["error"]
            )
        case "union":
            return place, f"expected {error['msg']}, found {found}"
        case "greater_than_equal":
            return place, f"expected {context['ge']} or more, found {found}"
        case "less_than_equal":
            return place, f"expected {context['le']} or less, found {found}"
        case "string_pattern_mismatch":
            return place, f"expected {TEXT_FORMS[context['pattern']]}, found {found}"
        case kind:
            expected = _EXPECTED.get(kind.split("_")[0], error["msg"])
            return place, f"expected {expected}, found {found}{_remedy(place, expected, error['input'])}"


def _remedy(place: Path, expected: str, value: object) -> str:
    """How to write what was probably meant."""
    kinds = {"a mapping": dict, "a list": list}
    if expected in kinds and (hint := json_in_text(value, kinds[expected])):
        return hint
    match expected:
        case "a mapping" if isinstance(value, str) and place[:1] in (("availablePlugins",), ("availableExtensions",)):
            kind = "path" if value.startswith((".", "/")) or value.endswith(".py") else "module"
            return f"; write `{{{kind}: {value}}}`"
        case "a mapping" if isinstance(value, str) and place[-1] == "provider":
            return f"; write `{{type: {value}}}`"
        case "a mapping" if isinstance(value, str) and place[-2:-1] == ("models",):
            return f"; write `{{name: {value}, provider: {{type: …}}}}`"
        case "a mapping" if isinstance(value, str) and place[-2:-1] == ("plugins",):
            return f"; write `{{name: {value}, type: {value}}}`"
        case "a mapping" if isinstance(value, str) and place[-2:-1] == ("projects",):
            return f"; write `{{name: {value}}}`"
        case "a mapping" if isinstance(value, bool) and "enabled" in known_keys(place):
            return f"; write `{{enabled: {str(value).lower()}}}`"
        case "a mapping" if isinstance(value, str) and place == ("store",):
            return f'; write `{{url: "{value}"}}`'
        case "a mapping" if known := known_keys(place):
            return f"; its settings are {', '.join(known)}"
        case "a list" if isinstance(value, dict):
            return "; begin each entry with `- `"
        case "a list" if isinstance(value, str) and value.lstrip().startswith("- "):
            return "; remove the `|` or `>` after the key, which makes a text of what follows"
        case "a list" if isinstance(value, str | int | float) and not isinstance(value, bool):
            return "; put it in brackets: `[…]`"
        case "text" if isinstance(value, int | float) and not isinstance(value, bool):
            return "; put the number in quotes"
    return ""


_EXPECTED = {
    "model": "a mapping",
    "dict": "a mapping",
    "list": "a list",
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}
"""By the first word of pydantic's error type (`int_parsing`, `int_from_float`, …)."""


def _leave_out(data: Any, errors: list[ErrorDetails]) -> None:
    """Removes what is wrong; for a missing key the mapping that lacks it."""
    paths = {_existing(data, error["loc"][:-1] if error["type"] == "missing" else error["loc"]) for error in errors}
    for path in sorted(
        paths, key=lambda path: [(str(key), 0) if isinstance(key, str) else ("", key) for key in path], reverse=True
    ):
        _remove(data, path)


def _existing(data: Any, path: Path) -> Path:
    return tuple(_walk(data, path))


def _walk(data: Any, path: Path) -> Iterator[str | int]:
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return
        yield key


def _remove(data: Any, path: Path) -> None:
    if not path:
        data.clear()
        return
    for key in path[:-1]:
        data = data[key]
    del data[path[-1]]
