"""What is imported before gateways are forked."""

from __future__ import annotations

import json
import subprocess
import sys

_PROBE = """
import gc, json, sys
import llm_gateway.testing.prepared
print(json.dumps([sorted(sys.modules), gc.get_freeze_count()]))
"""


def test_everything_that_is_installed_is_imported_and_is_nothing_for_the_garbage_collector() -> None:
    found = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, check=True)
    modules, frozen = json.loads(found.stdout)

    assert {"llm_gateway.server.worker", "llm_gateway_regex_hider", "llm_gateway_bedrock"} <= set(modules)
    assert frozen > 10_000
