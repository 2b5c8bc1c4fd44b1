"""Settings of a valid configuration that do something else than was probably meant, or nothing: a port of another
protocol, authentication that lets strangers in when it breaks, prices per token, limits per caller where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llm_gateway_model_book import shipped_book

from .authenticating import is_authenticating
from .config.document import Path, plain
from .config.known_keys import file_schema
from .config.loader import Draft
from .config.problems import closest
from .config.project import GatewayConfig, ProjectConfig
from .config.schema import ModelConfig, PluginConfig
from .config.schema_views import Schema, children, expand, marked
from .extensions import Extensions

__all__ = ["doubtful_settings"]

Found = tuple[Path, str]

_GUESSED_FIRST = re.compile(
    r"<[^>]*>|\.{3}|…|x{3,}|\*{3,}|(?:your|my|the|insert|put|replace|add)[-_ ].*|change[-_]?(?:me|it|this)|todo|dummy"
    r"|placeholder|(?:api|gateway|admin)[-_ ]?key|letmein|password|.{1,7}",
    re.IGNORECASE,
)
"""Credentials that documentation shows, and those so short that they are soon found."""

_PRICE_RATIO = 50
"""Prices that are this many times those of the model book, or a part of them so small, are of another unit."""

_SWAPPED_RATIO = 1.5
"""Output that costs less than input divided by this: no text model of the book has such prices."""

_LEAST_PRICE = 0.0005
"""US dollars per million tokens below which no model is offered."""


def doubtful_settings(draft: Draft, config: GatewayConfig, extensions: Extensions) -> Iterator[Found]:
    """Each with its place. Never shows a value that may be secret."""
    yield from _texts(plain(draft.root), file_schema(), ())
    yield from _guessable_of_admin(config)
    yield from _store_of_one_process(draft, config, extensions)
    yield from _unused_file(config)
    yield from _recorded_twice(config, extensions)
    models = {model.place: model for project in config.projects.values() for model in project.models}
    for model in models.values():
        yield from _prices(model)
        if model.provider.type in extensions.names("provider"):
            schema = extensions.get("provider", model.provider.type).schema
            place = (*model.place, "provider", "config")
            yield from _texts(model.provider.config, schema, place)
            yield from _misspelled(model.provider.config, [schema], schema, place)
    plugins: dict[Path, tuple[PluginConfig, list[ProjectConfig]]] = {}
    for project in config.projects.values():
        for plugin in project.plugins:
            if plugin.type in extensions.names("plugin"):
                plugins.setdefault(plugin.place, (plugin, []))[1].append(project)
    for plugin, projects in plugins.values():
        extension = extensions.get("plugin", plugin.type)
        place = (*plugin.place, "config")
        yield from _texts(plugin.config, extension.schema, place)
        yield from _misspelled(plugin.config, [extension.schema], extension.schema, place)
        yield from _guessable(plugin.config, extension.schema, place)
        if is_authenticating(extension.cls) and plugin.on_error == "fail_open":
            yield (
                (*plugin.place, "onError"),
                f"when {plugin.type} breaks, requests go on without a credential; leave it out: they are refused then",
            )
        yield from _unknown_of_callers(plugin.config, extension.schema, place, projects, extensions)


# Texts of which the schema knows what they are mistaken for.


def _texts(value: Any, schema: Mapping[str, Any], place: Path) -> Iterator[Found]:
    """Texts that match a pattern of their schema's `x-doubtful`, with the words given for it."""
    for path, text, doubts in marked(value, schema, "x-doubtful"):
        if isinstance(text, str) and isinstance(doubts, Mapping):
            yield from (((*place, *path), str(words)) for pattern, words in doubts.items() if re.search(pattern, text))


# Keys.


def _misspelled(value: Any, schemas: Sequence[Schema], root: Schema, place: Path) -> Iterator[Found]:
    """Keys that are nearly one of the schema's, where it does not refuse others, as of a pydantic model: such a key is
    ignored, and the default takes effect."""
    views = list(expand(schemas, root))
    if isinstance(value, dict):
        known = {key for view in views for key in view.get("properties", {})}
        is_open = any(
            {"additionalProperties", "unevaluatedProperties", "patternProperties"} & view.keys() for view in views
        )
        for key in value if known and not is_open else ():
            near = closest(key, sorted(known - value.keys())) if key not in known else None
            if near is not None:
                yield (*place, key), f'there is no setting "{key}", so that this does nothing; did you mean "{near}"?'
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from _misspelled(below, list(children(views, key)), root, (*place, key))


# Credentials.


def _guessable(value: Any, schema: Mapping[str, Any], place: Path) -> Iterator[Found]:
    for path, text, secret in marked(value, schema, "writeOnly"):
        if secret and isinstance(text, str) and _GUESSED_FIRST.fullmatch(text.strip()):
            yield (*place, *path), _GUESSABLE


def _guessable_of_admin(config: GatewayConfig) -> Iterator[Found]:
    admin = config.admin
    written: list[tuple[Path, Any]] = [(("admin", "apiKey"), admin.api_key)]
    written += [(("admin", "credentials", n, "key"), each.key) for n, each in enumerate(admin.credentials)]
    for place, key in written if admin.enabled else ():
        if key is not None and _GUESSED_FIRST.fullmatch(key.get_secret_value().strip()):
            yield place, _GUESSABLE


_GUESSABLE = "this credential is one that strangers try first; make one with `openssl rand -hex 24`"


# The store and the log.


def _store_of_one_process(draft: Draft, config: GatewayConfig, extensions: Extensions) -> Iterator[Found]:
    kind = config.store.type
    if config.server.workers < 2 or draft.root.get("store") is None or kind not in extensions.names("store"):
        return
    if not extensions.get("store", kind).cls.shared:
        yield (
            ("store", "url"),
            f"each of the {config.server.workers} workers has its own `{kind}:` store: keys, limits and kept responses "
            "of one are unknown to the others; write `sqlite:./state.db`, or `workers: 1`",
        )


def _unused_file(config: GatewayConfig) -> Iterator[Found]:
    if config.logging.file_path is not None and "file" not in config.logging.destinations:
        yield ("logging", "file_path"), "nothing is written to it; write `destinations: [console, file]`"


def _recorded_twice(config: GatewayConfig, extensions: Extensions) -> Iterator[Found]:
    """Plugins that record the same requests to the same place, so that counts and sums of cost are doubled there."""
    found: dict[Path, str] = {}
    for project in config.projects.values():
        recording: dict[str, PluginConfig] = {}
        for plugin in project.plugins:
            known = plugin.type in extensions.names("plugin")
            place = extensions.get("plugin", plugin.type).cls.record_place(plugin.config) if known else None
            first = recording.setdefault(place, plugin) if place is not None else plugin
            if first is not plugin and not (first.conditions and plugin.conditions):
                found[plugin.place] = (
                    f'it records to the same place as "{first.name}", so that requests are there twice; remove one, or '
                    "give both `conditions`"
                )
    yield from found.items()


# Prices.


def _prices(model: ModelConfig) -> Iterator[Found]:
    """Per million tokens is what is asked for; other programs have prices per token or per thousand."""
    if not (model.prices.input or model.prices.output):
        return  # reading the model book takes longer than reading a configuration
    asked = str(model.provider.config.get("model") or model.name)
    if model.prices.input and model.prices.output and model.prices.output * _SWAPPED_RATIO < model.prices.input:
        yield (
            (*model.place, "prices"),
            f"output at {model.prices.output:g} costs less than input at {model.prices.input:g}; they are probably "
            "swapped",
        )
    entry = shipped_book().find(asked, model.provider.type)
    rates = entry.prices.rates() if entry is not None and entry.prices is not None else None
    for kind in ("input", "output"):
        written = getattr(model.prices, kind)
        if not written:
            continue
        usual = (getattr(rates, kind, None) or 0) / 1e9
        place = (*model.place, "prices", kind)
        if usual and not usual / _PRICE_RATIO < written < usual * _PRICE_RATIO:
            yield (
                place,
                f"prices are US dollars per million tokens: {written:g} is written, the model book has {usual:g}",
            )
        elif not usual and written < _LEAST_PRICE:
            yield (
                place,
                f"prices are US dollars per million tokens; if {written:g} is per token, write {written * 1e6:g}",
            )


# Callers.


def _unknown_of_callers(
    settings: Any, schema: Mapping[str, Any], place: Path, projects: Sequence[ProjectConfig], extensions: Extensions
) -> Iterator[Found]:
    """What settings need to know about callers, where no plugin of any of the projects finds it out."""
    if all(_finds(project, "", extensions) is None for project in projects):
        remedy = "no plugin asks who calls; add virtual-keys or jwt-auth, or use `ip`"
    else:
        remedy = "the authentication does not find it out; virtual-keys and jwt-auth do"
    for path, text, fields in marked(settings, schema, "x-llm-gateway-caller"):
        field = fields.get(str(text).partition(":")[0]) if isinstance(fields, Mapping) else None
        if field is not None and not any(_finds(project, field, extensions) for project in projects):
            yield (*place, *path), f'no request has a "{text}" here: {remedy}'


def _finds(project: ProjectConfig, field: str, extensions: Extensions) -> bool | None:
    """Whether a project's plugins find out this field of a principal; None where none of them authenticates."""
    found: bool | None = None
    for plugin in project.plugins:
        if plugin.type not in extensions.names("plugin"):
            return True  # one that is not known may
        cls = extensions.get("plugin", plugin.type).cls
        if is_authenticating(cls):
            found = found or cls.principal_fields is None or field in cls.principal_fields
    return found
