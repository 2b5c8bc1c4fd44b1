"""Checks the settings of one extension: by its JSON Schema, then by its own `validate_config`.

Messages name what would be right and never show a value that may be secret.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import lru_cache
from typing import Any

import jsonschema

from llm_gateway.config.document import Path
from llm_gateway.config.formatting import TYPE_WORDS, Show, is_duration_pattern, show
from llm_gateway.config.problems import closest, json_in_text, unknown_key
from llm_gateway.config.schema_views import marked
from llm_gateway.config.units import decode_duration
from llm_gateway.extensions import Extension
from llm_gateway_sdk.provider import parse_duration

__all__ = ["Found", "check_by_itself", "check_schema", "describe", "run_to_end"]

Found = tuple[Path, str]


def check_schema(extension: Extension, settings: dict[str, Any], show: Show = show) -> list[Found]:
    """What the extension's JSON Schema refuses in the settings, each with its path below them."""
    try:
        validator = _validator(extension)
    except jsonschema.SchemaError as error:
        whose = f'the {extension.kind} "{extension.name}" ({extension.origin})'
        return [((), f"{whose} has a configuration schema that is not a JSON Schema: {error.message}")]
    found = [problem for error in validator.iter_errors(settings) for problem in describe(error, show)]
    broken = {path for path, _ in found}
    return [*found, *(each for each in _durations(extension, settings, show) if each[0] not in broken)]


def _durations(extension: Extension, settings: dict[str, Any], show: Show) -> Iterator[Found]:
    """Values of fields marked `x-duration` that are not durations; texts with a unit are numbers already. Those of
    `x-parsed-duration` are read by the providers themselves."""
    for marker, parse in (("x-duration", decode_duration), ("x-parsed-duration", parse_duration)):
        for path, value, is_duration in marked(settings, extension.schema, marker):
            if not is_duration or value is None:
                continue
            try:
                parse(value)
            except ValueError as error:
                yield path, f"{error}, found {show(value, path)}"


@lru_cache(maxsize=256)
def _validator(extension: Extension) -> Any:
    """Made once per extension: checking the schema itself costs far more than checking settings by it."""
    schema = extension.schema
    validator_class = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    if extension.distribution != "llm-gateway":  # a test checks those that come with the gateway
        validator_class.check_schema(schema)
    return validator_class(schema)


def describe(error: Any, show: Show) -> Iterator[Found]:
    """One or more problems for what JSON Schema calls an error."""
    path: Path = tuple(error.absolute_path)
    match error.validator:
        case "additionalProperties" | "unevaluatedProperties":
            known = list((error.schema if isinstance(error.schema, dict) else {}).get("properties", {}))
            for key in error.instance:
                if key not in known and (error.validator_value is False or error.validator != "additionalProperties"):
                    near = closest(key, known) or _deeper(key, error.schema)
                    yield (*path, key), unknown_key(key, near, known)
        case "required":
            for key in error.validator_value:
                if key not in error.instance:
                    yield path, f'"{key}" is missing'
        case "anyOf" | "oneOf" if error.context:
            yield from _describe_branches(error, path, show)
        case _:
            yield path, _say(error, path, show)


def _deeper(key: str, schema: Any) -> str | None:
    """The one mapping below that has the key: `url` belongs to `clickhouse.url`."""
    sections = schema.get("properties", {}) if isinstance(schema, dict) else {}
    found = [
        f"{name}.{key}"
        for name, section in sections.items()
        if isinstance(section, dict) and key in section.get("properties", {})
    ]
    return found[0] if len(found) == 1 else None


def _describe_branches(error: Any, path: Path, show: Show) -> Iterator[Found]:
    """The errors of the one branch that was meant, where it can be reported; else what the branches expect."""
    branches: dict[int, list[Any]] = {}
    for inner in error.context or ():
        branches.setdefault(int(inner.schema_path[0]), []).append(inner)
    meant = [
        inners
        for inners in branches.values()
        if not any(
            inner.validator in ("type", "const", "enum") and tuple(inner.absolute_path) == path for inner in inners
        )
    ]
    if len(meant) == 1:
        for inner in meant[0]:
            yield from describe(inner, show)
        return
    inners = [inner for inners in branches.values() for inner in inners]
    fitting = [inner for inner in inners if inner.validator not in ("anyOf", "oneOf", "not")] or inners
    expectations = dict.fromkeys(map(_expectation, fitting))
    yield path, f"expected {' or '.join(expectations)}, found {show(error.instance, path)}{_quote(error, fitting)}"


def _quote(error: Any, inners: Sequence[Any]) -> str:
    """A number where text is wanted was probably meant as text."""
    is_number = isinstance(error.instance, int | float) and not isinstance(error.instance, bool)
    wants_text = any(inner.validator == "type" and "string" in _as_list(inner.validator_value) for inner in inners)
    return "; put the number in quotes" if is_number and wants_text else ""


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _say(error: Any, path: Path, show: Show) -> str:
    if error.validator == "enum" and isinstance(error.instance, str):
        near = closest(error.instance, [value for value in error.validator_value if isinstance(value, str)])
        hint = f'; did you mean "{near}"?' if near else ""
        return f"expected {_expectation(error)}, found {show(error.instance, path)}{hint}"
    return f"expected {_expectation(error)}, found {show(error.instance, path)}{_remedy(error)}"


def _remedy(error: Any) -> str:
    """How to write what was probably meant."""
    wanted = _as_list(error.validator_value) if error.validator == "type" else []
    kinds = tuple(kind for name, kind in (("object", dict), ("array", list)) if name in wanted)
    if kinds and (hint := json_in_text(error.instance, kinds)):
        return hint
    if error.validator == "type" and _as_list(error.validator_value) == ["array"] and isinstance(error.instance, dict):
        return "; begin each entry with `- `"
    required = error.schema.get("required", []) if isinstance(error.schema, dict) else []
    if wanted == ["object"] and isinstance(error.instance, str) and len(required) == 1:
        # Named like its key, not as written: it may be a secret.
        return f"; write `{{{required[0]}: …}}`"
    is_one = isinstance(error.instance, str | int | float) and not isinstance(error.instance, bool)
    if error.validator == "type" and _as_list(error.validator_value) == ["array"] and is_one:
        return "; put it in brackets: `[…]`"
    return _quote(error, [error])


_PATTERNS = {
    "^https?://": "an address that begins with http:// or https://",
    "^https://": "an address that begins with https://",
}
"""Common patterns in words."""

_EXPECTATIONS: dict[str, Callable[[Any], str]] = {
    "type": lambda wanted: " or ".join(
        TYPE_WORDS.get(name, name) for name in ([wanted] if isinstance(wanted, str) else wanted)
    ),
    "enum": lambda wanted: " or ".join(str(value) for value in wanted),
    "const": str,
    "minimum": lambda wanted: f"{wanted} or more",
    "maximum": lambda wanted: f"{wanted} or less",
    "exclusiveMinimum": lambda wanted: f"more than {wanted}",
    "exclusiveMaximum": lambda wanted: f"less than {wanted}",
    "minLength": lambda wanted: "some text" if wanted == 1 else f"at least {wanted} characters",
    "maxLength": lambda wanted: f"at most {wanted} characters",
    "minItems": lambda wanted: "at least one entry" if wanted == 1 else f"at least {wanted} entries",
    "maxItems": lambda wanted: f"at most {wanted} entries",
    "minProperties": lambda wanted: "at least one key" if wanted == 1 else f"at least {wanted} keys",
    "uniqueItems": lambda wanted: "entries that differ from each other",
    "pattern": lambda wanted: _PATTERNS.get(
        wanted, "a time with a unit, such as 15s" if is_duration_pattern(wanted) else f"text that matches /{wanted}/"
    ),
    "format": lambda wanted: f"a {wanted}",
    "multipleOf": lambda wanted: f"a multiple of {wanted}",
}


def _expectation(error: Any) -> str:
    if error.validator == "required":
        return f"a mapping with {' and '.join(f'`{key}`' for key in error.validator_value)}"
    say = _EXPECTATIONS.get(str(error.validator))
    return say(error.validator_value) if say else f"what the schema's `{error.validator}` asks for"


def check_by_itself(extension: Extension, settings: dict[str, Any]) -> list[Found]:
    """The answer of the class's own `validate_config`, asked of an instance made for that alone. Runs no hook."""
    metadata = getattr(extension.cls, "metadata", None)
    model = getattr(metadata, "configuration_model", None)
    config: Any = settings
    if model is not None:
        try:
            config = model.model_validate(settings)
        except ValueError as error:
            return list(_describe_model_errors(error))
    if not hasattr(extension.cls, "validate_config"):
        return []
    try:
        answer = extension.cls().validate_config(config)
        if inspect.isawaitable(answer):
            answer = run_to_end(answer)  # type: ignore[arg-type]
    except Exception as error:
        return [((), f"{extension.name} can't check its settings: {type(error).__name__}: {error}")]
    if answer is False:
        return [((), f'the {extension.kind} "{extension.name}" does not accept these settings')]
    if isinstance(answer, str):
        return [_placed(answer)]
    return [_placed(each) for each in answer] if isinstance(answer, list | tuple) else []


def _placed(answer: str) -> Found:
    """`patterns[2].pattern: missing )` names its own place below the settings; other answers are about the whole."""
    match = re.match(r"((?:[A-Za-z_][\w-]*|\[\d+\])(?:\.[A-Za-z_][\w-]*|\[\d+\])*): (.+)", answer, re.DOTALL)
    if match is None or not re.search(r"[\[.]|^[a-z]\w*$", match[1]):
        return (), answer
    keys = re.findall(r"[A-Za-z_][\w-]*|\[\d+\]", match[1])
    return tuple(int(key[1:-1]) if key.startswith("[") else key for key in keys), match[2]


def _describe_model_errors(error: Any) -> Iterator[Found]:
    errors: Sequence[dict[str, Any]] = error.errors() if hasattr(error, "errors") else [{"loc": (), "msg": str(error)}]
    for each in errors:
        yield tuple(each["loc"]), str(each["msg"]).removeprefix("Value error, ")


def run_to_end(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The coroutine's result, whether or not this thread runs an event loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(asyncio.run(coroutine))
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
