"""Which values are secret, by name or by origin, and what is shown instead of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass

from pydantic import BaseModel, SecretStr

_SECRET = re.compile(
    r"(?:^|[^a-z])(?:api_?-?keys?|keys?|secret|password|passwd|pass|token|authorization|credential|private)(?:$|[^a-z])"
)


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name is a secret: `apiKey`, `access_token`, `secretAccessKey`, `Authorization`."""
    if name in ("apikeys", "apiKeys"):
        return True
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    if words.endswith(("_id", "_file", "_path", "_tokens", "_header")) or words.startswith(("max_", "include_")):
        return False
    return _SECRET.search(words) is not None


def is_secret_place(keys: Sequence[str | int]) -> bool:
    """Whether the value at this path is a secret: by its own name or that of the list or mapping around it."""
    names = [key for key in keys if isinstance(key, str)]
    if not names or names[-1] == "name":
        return False
    return any(is_secret_name(name) for name in names[-2:])


def secret_values(config: object, *, secret: bool = False) -> Iterator[str]:
    """Every secret text in a loaded configuration or a part of one. `secret`: the whole part is one."""
    if isinstance(config, SecretStr):
        yield config.get_secret_value()
    elif isinstance(config, str):
        if secret:
            yield config
    elif isinstance(config, Mapping):
        for key, value in config.items():
            named = isinstance(key, str) and is_secret_name(key)
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


def mask(value: object) -> str:
    """What is shown instead: nothing of a short secret, the last two signs of a long one."""
    text = str(value)
    return f"…{text[-2:]}" if len(text) >= 20 else "…"
