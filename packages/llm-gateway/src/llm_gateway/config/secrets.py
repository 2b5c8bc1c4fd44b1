"""Which values are secret, by name or by origin, and what is shown instead of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass

from pydantic import BaseModel, SecretStr

from llm_gateway_sdk.secrets import is_secret_header, is_secret_name, mask, mask_text, secrets_in_text

__all__ = ["is_secret_name", "is_secret_place", "mask", "mask_text", "secret_values"]

_PUBLIC_HEADERS = frozenset(
    {
        "accept", "accept-language", "content-type", "user-agent", "http-referer", "x-title", "anthropic-version",
        "anthropic-beta", "openai-beta", "openai-organization", "openai-project",
    }
)  # fmt: skip
"""Headers of a provider's configuration that are shown as they are; any other may be a credential."""


def is_secret_place(keys: Sequence[str | int]) -> bool:
    """Whether the value at this path is a secret: by its own name or that of the list or mapping around it."""
    names = [key for key in keys if isinstance(key, str)]
    if not names or names[-1] == "name":
        return False
    if len(names) > 1 and names[-2] == "headers" and "conditions" not in names:
        return names[-1].lower() not in _PUBLIC_HEADERS
    return any(is_secret_header(name) for name in names[-2:])


def secret_values(config: object, *, secret: bool = False) -> Iterator[str]:
    """Every secret text in a loaded configuration or a part of one. `secret`: the whole part is one."""
    if isinstance(config, SecretStr):
        yield config.get_secret_value()
    elif isinstance(config, str):
        if secret:
            yield config
        else:
            yield from secrets_in_text(config)
    elif isinstance(config, Mapping):
        for key, value in config.items():
            named = isinstance(key, str) and is_secret_header(key)
            yield from secret_values(value, secret=named or (secret and key != "name"))
    elif isinstance(config, BaseModel):
        for name in type(config).model_fields:
            yield from secret_values(getattr(config, name), secret=is_secret_name(name))
    elif is_dataclass(config):
        for each in fields(config):
            yield from secret_values(getattr(config, each.name), secret=is_secret_name(each.name))
    elif isinstance(config, Iterable):
        for value in config:
            yield from secret_values(value, secret=secret)
