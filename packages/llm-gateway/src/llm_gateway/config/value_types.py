"""Types of settings: durations, sizes, texts of a certain form, and the mapping that remembers where it is written."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from llm_gateway.config.document import Path, show_path, unlocated
from llm_gateway.config.units import decode_duration, decode_size
from llm_gateway.wire.crossing import FORWARD_PATTERN, never_forwarded

DURATION_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "minimum": 0, "description": "Milliseconds."},
        {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?\s*(ms|s|m|min|h|d)?\s*)+$", "examples": ["15s"]},
    ],
    "x-unit": "duration",
}
SIZE_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "description": "Bytes."},
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([bB]|[kKmMgG]([iI]?[bB])?)?\s*$", "examples": ["10MiB"]},
    ],
    "x-unit": "size",
}


Duration = Annotated[float, BeforeValidator(decode_duration), WithJsonSchema(DURATION_SCHEMA)]
Size = Annotated[int, BeforeValidator(decode_size), WithJsonSchema(SIZE_SCHEMA)]
FreeMapping = Annotated[dict[str, Any], BeforeValidator(unlocated)]
ExtensionSettings = Annotated[FreeMapping, Field(json_schema_extra={"x-extension-settings": True})]


TEXT_FORMS: dict[str, str] = {}
"""By pattern: what is expected where a text does not match it."""


def _form(pattern: str, expected: str, **more: Any) -> Any:
    TEXT_FORMS[pattern] = expected
    return Field(pattern=pattern, **more)


def _forwardable(name: str) -> str:
    if never_forwarded(name.removesuffix("*")):
        raise ValueError(f"`{name}` never goes to a provider: it is a credential, or concerns one connection only")
    return name


ProjectName = Annotated[
    str,
    _form(r"^[A-Za-z0-9][A-Za-z0-9._~-]*$", "a name of letters, digits and . _ ~ -, as it is used in addresses"),
]
PagePath = Annotated[str, _form(r"^/[^\s?#]*[^\s?#/]$", "a path such as /health")]
HttpAddress = Annotated[str, _form(r"^https?://", "an address that begins with http:// or https://")]
HostName = Annotated[
    str,
    _form(r"^(\*|[^\s/*:]+|\[?[0-9a-fA-F:]*:[0-9a-fA-F:.]*\]?)$", "a host name without scheme and port, or `*` alone"),
]
Date = Annotated[str, _form(r"^\d{4}-\d{2}-\d{2}$", "a date such as 2026-11-28")]
ForwardedName = Annotated[
    str,
    _form(r"^[^\s*&=#]+\*?$", "the name of a parameter, or the beginning of several such as x_*", examples=["x_*"]),
]
ForwardedHeader = Annotated[
    str,
    _form(FORWARD_PATTERN, "the name of a header, or the beginning of several such as x-team-*", examples=["x-team-*"]),
    AfterValidator(_forwardable),
]


def _network(value: object) -> object:
    """An IP network or a single address, as text. Raises ValueError saying what would be right."""
    try:
        return str(ipaddress.ip_network(str(value).strip(), strict=False))
    except ValueError:
        raise ValueError("expected a network or an address, such as 10.0.0.0/8 or 192.0.2.7") from None


Network = Annotated[str, BeforeValidator(_network)]

LogLevel = Literal["debug", "info", "warning", "error"]

_LEVELS = {"warn": "warning", "verbose": "debug", "trace": "debug", "critical": "error", "fatal": "error"}


def _level(value: object) -> object:
    return _LEVELS.get(value.lower(), value.lower()) if isinstance(value, str) else value


Level = Annotated[
    LogLevel,
    BeforeValidator(_level),
    WithJsonSchema({"type": "string", "enum": ["debug", "info", "warning", "error", *_LEVELS]}),
]


class Settings(BaseModel):
    """A mapping of the configuration file. `place` and `where` tell where it is written; empty: nowhere."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, serialize_by_alias=True)

    _place: Path = PrivateAttr(())

    @property
    def place(self) -> Path:
        return self._place

    @property
    def where(self) -> str:
        return show_path(self._place)

    @field_validator("*", mode="before")
    @classmethod
    def _nothing_is_the_default(cls, value: Any, info: ValidationInfo) -> Any:
        """`plugins:` with nothing after it is not a mistake."""
        if value is None and info.field_name is not None:
            field = cls.model_fields[info.field_name]
            return (
                value if field.is_required() else field.get_default(call_default_factory=True, validated_data=info.data)
            )
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _remember_place(cls, value: Any, handler: ModelWrapValidatorHandler[Settings]) -> Settings:
        settings = handler({} if value is None else value)
        settings._place = getattr(value, "where", ())
        return settings
