"""What would be wrong with an extension without being noticed, reported when it is loaded.

The gateway's loader and the test harness ask the same functions. Each answer is a sentence that names file and line.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from .context import Operation
from .errors import ConfigError, ConfigProblem
from .plugin import API_VERSION, HOOKS, Plugin, PluginMetadata
from .provider import parse_duration

__all__ = [
    "check_api_version",
    "check_plugin_class",
    "check_schema",
    "locate",
    "mistakes",
    "prepare_config",
    "streaming_gap",
]

_ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(HOOKS, ("ctx",)),
    "configure": ("config",),
    "validate_config": ("config",),
    "close": (),
    "wants": ("phase", "ctx"),
    "attempts_wanted": (),
    "metrics": (),
    "pages": (),
    "defer_request": ("ctx",),
    "settle_deferred": ("held", "ctx"),
}
"""What the gateway calls, and with how many arguments next to `self`."""

_SYNCHRONOUS = ("wants", "attempts_wanted", "metrics", "pages")
_ASYNCHRONOUS = ("configure", "close", "defer_request", "settle_deferred")
_SETTINGS = ("operations", "on_stream", "edits_request", "edits_reply", "blocking", "single_process", "api_version")


def check_plugin_class(cls: type[Any], *, schema: bool = True) -> list[str]:
    """Everything that is wrong with a plugin class; empty where it can be used.

    `schema=False` leaves out the configuration schema, for callers that check it along with a configuration.
    """
    metadata = vars(cls).get("metadata")
    if metadata is None:
        return [f"{locate(cls)} has no name: write @plugin_metadata(name=…) above the class"]
    if not isinstance(metadata, PluginMetadata):
        return [f"{locate(cls)}: `metadata` is set by @plugin_metadata(name=…), not by hand"]
    found = [*check_api_version(cls)]
    if schema and (wrong := check_schema(metadata.configuration_schema)) is not None:
        found.append(f"{locate(cls)}: the configuration schema is not a JSON Schema: {wrong}")
    found += mistakes(cls)
    return found


def streaming_gap(cls: type[Plugin]) -> str | None:
    """The sentence that a plugin is left out of streamed replies, where its author has not declared that this is
    meant."""
    silent = cls.after_model is not Plugin.after_model and cls.after_chunk is Plugin.after_chunk
    if not silent or cls.on_stream is not None:
        return None
    return (
        'has after_model and no after_chunk: it is left out of streamed replies. Declare `on_stream = "skip"` in the '
        'class to confirm that, "whole" or "refuse" for another behaviour'
    )


def check_api_version(cls: type[Any]) -> list[str]:
    """Whether this SDK still understands, or already understands, what the plugin was written for."""
    version = getattr(cls, "api_version", API_VERSION)
    if not (isinstance(version, tuple) and len(version) == 2 and all(isinstance(part, int) for part in version)):
        return [f"{locate(cls)}: `api_version` is a pair of numbers such as {API_VERSION}, not {version!r}"]
    major, minor = version
    if major == API_VERSION[0] and minor <= API_VERSION[1]:
        return []
    newer = (major, minor) > API_VERSION
    return [
        f"{locate(cls)} was written for version {major}.{minor} of the plugin interfaces, and this is "
        f"{API_VERSION[0]}.{API_VERSION[1]}: {'update llm-gateway-sdk' if newer else 'update the plugin'}, so that "
        "plugin and llm-gateway-sdk match"
    ]


def check_schema(schema: Any) -> str | None:
    """What is wrong with a JSON Schema, None where nothing is."""
    import jsonschema

    if not isinstance(schema, dict):
        return f"it is {type(schema).__name__}, not a dict"
    try:
        validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        place = ".".join(str(key) for key in error.absolute_path)
        return f"{place}: {error.message}" if place else str(error.message)
    return None


def mistakes(cls: type[Any]) -> Iterator[str]:
    """Hooks that would never be called, or can't be called; settings that mean nothing."""
    for owner in cls.__mro__:
        if owner in (Plugin, object):
            continue
        for name, value in vars(owner).items():
            if name.startswith("_"):
                continue
            function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            if inspect.isfunction(function):
                yield from _wrong_method(cls, name, value, function)
            elif name not in _SETTINGS and (meant := _snake(name)) in _SETTINGS:
                yield f"{locate(owner)}: `{name}` is never read; did you mean `{meant}`?"
    yield from _wrong_settings(cls)


def _wrong_method(cls: type[Any], name: str, value: Any, function: Callable[..., Any]) -> Iterator[str]:
    if name not in _ARGUMENTS:
        if meant := _meant(name):
            yield f"{_place(function)}: {cls.__name__} has `{name}`, which is never called; did you mean `{meant}`?"
    elif not isinstance(value, staticmethod | classmethod):
        yield from _unusable(cls, name, function)


def _meant(name: str) -> str | None:
    snake = _snake(name)
    if snake in _ARGUMENTS:
        return snake
    near = difflib.get_close_matches(snake, [known for known in _ARGUMENTS if "_" in known], n=1, cutoff=0.88)
    return near[0] if near else None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _unusable(cls: type[Any], name: str, function: Callable[..., Any]) -> Iterator[str]:
    wanted = ("self", *_ARGUMENTS[name])
    signature = inspect.signature(function)
    try:
        signature.bind(*wanted)
    except TypeError:
        yield f"{_place(function)}: {cls.__name__}.{name} must take ({', '.join(wanted)}), not {signature}"
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        yield f"{_place(function)}: {cls.__name__}.{name} must return its result; with `yield` it never runs"
    elif name in _SYNCHRONOUS and inspect.iscoroutinefunction(function):
        yield f"{_place(function)}: {cls.__name__}.{name} must be a plain `def`, not `async def`"
    elif name in _ASYNCHRONOUS and not inspect.iscoroutinefunction(function):
        yield f"{_place(function)}: {cls.__name__}.{name} must be `async def`"


def _wrong_settings(cls: type[Any]) -> Iterator[str]:
    on_stream = getattr(cls, "on_stream", None)
    if on_stream not in (None, "skip", "whole", "refuse"):
        yield f"{locate(cls)}: on_stream is 'skip', 'whole' or 'refuse', not {on_stream!r}"
    operations = getattr(cls, "operations", None)
    if operations is None:
        return
    known = get_args(Operation)
    if isinstance(operations, str) or not all(operation in known for operation in operations):
        yield f"{locate(cls)}: operations is a frozenset of {', '.join(known)}, not {operations!r}"


def locate(cls: type[Any]) -> str:
    """The class with its file and line, as far as they are known."""
    try:
        file, (_, line) = inspect.getsourcefile(cls), inspect.getsourcelines(cls)
    except (OSError, TypeError):
        return f"{cls.__module__}.{cls.__qualname__}"
    return f"{cls.__qualname__} ({file}:{line})"


def _place(function: Callable[..., Any]) -> str:
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def problems_of(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """What about `value` is not valid against a JSON Schema, as `place: message`."""
    import jsonschema

    validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    return [
        f"{'.'.join(map(str, error.absolute_path)) or 'body'}: {error.message}"
        for error in validator(schema).iter_errors(value)
    ]


def prepare_config(schema: Mapping[str, Any], config: Any) -> Any:
    """Settings as the gateway hands them to `configure`: durations in milliseconds, checked against the schema.

    Raises ConfigError with every problem.
    """
    import jsonschema

    unreadable: list[ConfigProblem] = []
    config = _milliseconds(config, [schema], schema, "config", unreadable)
    validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    problems = [
        ConfigProblem(str(error.message), ".".join(["config", *(str(key) for key in error.absolute_path)]))
        for error in validator(schema).iter_errors(config)
    ]
    named = {problem.path for problem in unreadable}
    problems = unreadable + [problem for problem in problems if problem.path not in named]
    if problems:
        raise ConfigError(problems)
    return config


def _milliseconds(
    value: Any,
    schemas: list[Mapping[str, Any]],
    root: Mapping[str, Any],
    path: str,
    unreadable: list[ConfigProblem],
) -> Any:
    """`15s` becomes 15000 where the schema has `x-duration`; what can't be read as one goes to `unreadable`."""
    views = [view for schema in schemas for view in _views(schema, root)]
    if isinstance(value, str) and any(view.get("x-duration") for view in views):
        try:
            milliseconds = parse_duration(value) * 1000
        except ValueError as error:
            unreadable.append(ConfigProblem(str(error), path))
            return value
        return round(milliseconds) if milliseconds == round(milliseconds) else milliseconds
    if isinstance(value, dict):
        return {
            key: _milliseconds(
                inner,
                [view["properties"][key] for view in views if key in view.get("properties", {})],
                root,
                f"{path}.{key}",
                unreadable,
            )
            for key, inner in value.items()
        }
    if isinstance(value, list):
        items = [view["items"] for view in views if isinstance(view.get("items"), dict)]
        return [_milliseconds(inner, items, root, f"{path}.{at}", unreadable) for at, inner in enumerate(value)]
    return value


def _views(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema and the alternatives in it."""
    if not isinstance(schema, Mapping):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target: Any = root
        for key in reference[2:].split("/"):
            target = target.get(key, {}) if isinstance(target, Mapping) else {}
        yield from _views(target, root)
    yield schema
    for key in ("anyOf", "oneOf", "allOf"):
        for inner in schema.get(key, ()):
            yield from _views(inner, root)
