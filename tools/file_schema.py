"""Writes the schema of the configuration file, which the gateway reads at each start, from the models of its settings.

hatch run python tools/file_schema.py
"""

from __future__ import annotations

import json
from pathlib import Path

from llm_gateway.config import known_keys
from llm_gateway.config.schema import GatewayFile

FILE = Path(known_keys.__file__).with_name("file_schema.json")


def text() -> str:
    return json.dumps(GatewayFile.model_json_schema(by_alias=True), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
