"""What the path of a request must look like for a route with names in braces, such as `/v1/models/{model}`."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["path_expression"]


@lru_cache(maxsize=4096)
def path_expression(path: str) -> re.Pattern[str]:
    """What the whole of a path must match for a route with names in braces.

    Names of models hold slashes and colons (`meta-llama/Llama-3:free`): what follows one in the route is looked for
    from the right. Kept, because the next generation of the configuration asks for the same.
    """
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(path)), re.DOTALL)
