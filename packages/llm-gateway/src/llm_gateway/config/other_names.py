"""Other words for settings and types: what vendors, other gateways and people call them."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["letters", "other_name"]

_ALIKE = (
    # Settings.
    "baseUrl address apiBase apiUrl endpoint host serverUrl uri url",
    "apiKey accessToken authToken bearerToken key password secret token",
    "apikeys keys tokens users",
    "model deployment deploymentName modelId modelName",
    "version apiVersion",
    "timeout deadline requestTimeout",
    "retryAttempts attempts maxAttempts maxRetries numRetries retries",
    "headers defaultHeaders extraHeaders",
    "caFile ca caBundle sslCaCert verify",
    "clientCert cert certFile certificate",
    "patterns expressions regexes rules",
    "replacement mask replaceWith",
    "fallbacks backup fallback fallbackModels",
    "prompt systemPrompt template text",
    "isDefault default",
    "aliases alias",
    # Types of providers.
    "anthropic claude",
    "azure-openai azure azureopenai aoai",
    "bedrock amazon aws awsBedrock",
    "dashscope alibaba qwen",
    "gemini google googleAi googleGenai palm",
    "huggingface hf tgi",
    "llamacpp llamaServer",
    "moonshot kimi",
    "openai chatgpt custom gpt litellm openaiCompatible openaiLike",
    "vertex gcp googleVertex vertexAi",
    "xai grok",
    "zai glm zhipu",
    # Types of plugins.
    "basic-apikey-auth apikey auth authentication keyAuth",
    "clickhouse-tracer clickhouse trace tracer tracing",
    "jwt-auth jwt oauth oidc",
    "limits budget budgets quota rateLimit rateLimiter rateLimiting rateLimits",
    "logger accessLog log logging",
    "model-router fallback loadBalancer router routing",
    "prompt-manager prompts systemPrompt",
    "regex-hider anonymizer pii redact redaction redactor regex",
)
"""On each line the name here, then other words for it."""


def letters(name: str) -> str:
    """A name as it is compared: without case, separators and what only distributions have in theirs."""
    plain = name.replace("_", "").replace("-", "").lower()
    return plain.removeprefix("llmgateway").removesuffix("plugin") or plain


_MEANT: dict[str, set[str]] = {}
for _line in _ALIKE:
    _name, *_others = map(letters, _line.split())
    for _other in _others:
        _MEANT.setdefault(_other, set()).add(_name)


def other_name(name: str, known: Iterable[str]) -> str | None:
    """The one of the known names for which `name` is another word."""
    meant = _MEANT.get(letters(name), ())
    return next((candidate for candidate in known if letters(candidate) in meant), None)
