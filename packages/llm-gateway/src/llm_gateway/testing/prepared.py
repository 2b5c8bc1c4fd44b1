"""What a process imports from which gateways are forked (see `processes.py`): the gateway and all that is installed."""

from __future__ import annotations

import gc
import importlib.metadata
from contextlib import suppress

_GROUPS = ("plugins", "providers", "adapters", "dialects", "stores", "secrets", "credentials")

for _group in _GROUPS:
    for _point in importlib.metadata.entry_points(group=f"llm_gateway.{_group}"):
        with suppress(ImportError):  # of an extra that is not installed
            _point.load()
gc.collect()
gc.freeze()
