"""A provider of OpenAI's API made from settings, and the call that it prepares."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import jsonschema

from llm_gateway.providers.openai import OpenAIProvider
from llm_gateway_sdk import Headers, WireRequest
from llm_gateway_sdk.wire import json

__all__ = ["made", "prepared"]

P = TypeVar("P", bound=OpenAIProvider)


def made(cls: type[P], **config: Any) -> P:
    jsonschema.validate(config, cls.configuration_schema)
    provider = cls()
    asyncio.run(provider.configure(config))
    return provider


def prepared(provider: OpenAIProvider, path: str = "/chat/completions", model: str = "m") -> tuple[str, dict[str, str]]:
    _, url, headers, _ = provider.prepare(
        WireRequest("POST", path, headers=Headers(), body=json.dumps({"model": model}))
    )
    return url, dict(headers.items)
