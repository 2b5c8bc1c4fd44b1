"""What servers that speak Ollama's API do otherwise."""

from __future__ import annotations

from llm_gateway_sdk.dialects.quirks import FLAG, Quirks

__all__ = ["QUIRKS"]

QUIRKS: Quirks = {"no_effort": {**FLAG, "description": "`think` is a switch: a level is refused."}}
