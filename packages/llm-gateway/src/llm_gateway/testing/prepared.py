"""What a process imports from which gateways are forked (see `processes.py`): the gateway and all that is installed."""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
from contextlib import suppress

_MODULES = ("llm_gateway.cli.start", "llm_gateway.server.worker")
_GROUPS = ("plugins", "providers", "adapters", "dialects", "stores", "secrets", "credentials")

for _module in _MODULES:
    importlib.import_module(_module)
for _group in _GROUPS:
    for _point in importlib.metadata.entry_points(group=f"llm_gateway.{_group}"):
        with suppress(ImportError):  # of an extra that is not installed
            _point.load()
gc.collect()
gc.freeze()
