"""Which values are secret, by name or by origin, and what is shown instead of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

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


def mask(value: object) -> str:
    """What is shown instead: nothing of a short secret, the last two signs of a long one."""
    text = str(value)
    return f"…{text[-2:]}" if len(text) >= 20 else "…"
