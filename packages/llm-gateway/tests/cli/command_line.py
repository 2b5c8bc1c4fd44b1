"""What the tests of commands share."""

from pathlib import Path

__all__ = ["CONFIG", "QUICK_START"]

CONFIG = """
availablePlugins: [{path: ./extensions.py}]
adapters: [{name: spoken}]
models:
  - {name: gpt, isDefault: true, provider: {type: made, config: {apiKey: "${KEY}", timeout: 15s}}}
plugins:
  - {name: words, type: guard, config: {words: [x]}}
projects:
  - name: own
    maxRetries: 1
"""

QUICK_START = Path(__file__).parents[4] / "examples" / "quickstart" / "gateway.yaml"
