"""Servers that speak OpenAI's API, by name: address, customary key variable, and what they do otherwise.

The quirks are keys of the `openai_chat` dialect, explained there. `quirks` in a model's configuration goes before them.
Sources: each vendor's page on OpenAI compatibility; only what is documented or was seen is listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llm_gateway_sdk.operations.form import OperationForm

from ..operations.audio.speech import OpenAISpeech
from ..operations.audio.transcription import OpenAITranscription
from ..operations.embeddings.mistral import MistralEmbeddings
from ..operations.embeddings.openai import OpenAIEmbeddings
from ..operations.images.openai import OpenAIImages
from ..operations.moderation.mistral import MistralModeration
from ..operations.rerank.cohere import CohereRerank
from .openai import OpenAIProvider

__all__ = ["PRESETS"]

PRESETS: dict[str, type[OpenAIProvider]] = {}


def _preset(
    name: str,
    base_url: str,
    key_variable: str = "",
    *,
    quirks: Mapping[str, Any] | None = None,
    responses: bool = False,
    forms: Sequence[OperationForm[Any, Any]] = (),
    stores: bool = False,
) -> type[OpenAIProvider]:
    preset = type(
        name.title().replace("-", "") + "Provider",
        (OpenAIProvider,),
        {
            "__doc__": f"`{name}` at {base_url}.",
            "__module__": __name__,
            "name": name,
            "default_base_url": base_url,
            "api_key_variable": key_variable,
            "has_responses": responses,
            "stores_responses": stores,
            "quirks": {**_COMMON, **(quirks or {})},
            "forms": tuple(forms),
        },
    )
    PRESETS[name] = preset
    return preset


# What OpenAI alone has: free-text tools, cache breakpoints, and fields for its products.
_COMMON: Mapping[str, Any] = {
    "cache": "none",
    "no_custom_tools": True,
    "no_allowed_tools": True,
    "no_developer_role": True,
    "no_service_tier": True,
    "user_field": "user",
    "no_fields": ("store", "metadata", "verbosity", "prompt_cache_key"),
}
_OLD_LIMIT = {"max_tokens_field": "max_tokens"}
_NO_DOCUMENTS = {"documents": "none"}
"""Their messages are of texts and images: a part of another type is a 400 (vllm-project/vllm#41121, ggml-org/llama.cpp
`oaicompat_chat_params_parse`, api-docs.deepseek.com, console.groq.com/docs/vision)."""
_FOR_ALL = {"for_same_dialect": True}
"""These refuse fields, roles and names of messages that OpenAI's own clients send."""


def _without(*fields: str) -> dict[str, Any]:
    return {"no_fields": (*_COMMON["no_fields"], *fields)}


groq = _preset(
    "groq",
    "https://api.groq.com/openai/v1",
    "GROQ_API_KEY",
    responses=True,
    # console.groq.com/docs/openai: these fields get a 400, and so does the name of a message.
    forms=[OpenAISpeech(), OpenAITranscription()],
    quirks={
        **_FOR_ALL,
        **_NO_DOCUMENTS,
        "no_message_name": True,
        "reasoning_field": "reasoning",
        "efforts": ("none", "low", "medium", "high"),
        **_without("logprobs", "top_logprobs", "logit_bias"),
    },
)
mistral = _preset(
    "mistral",
    "https://api.mistral.ai/v1",
    "MISTRAL_API_KEY",
    forms=[MistralEmbeddings(), MistralModeration(), OpenAITranscription()],
    # Unknown fields get a 422; usage comes on the last chunk of every stream; ids of calls have nine letters or digits.
    quirks={
        **_OLD_LIMIT,
        **_FOR_ALL,
        "no_stream_options": True,
        "documents": "document_url",
        "no_reasoning": True,
        "no_reasoning_history": True,
        "seed_field": "random_seed",
        "required_word": "any",
        "call_id_length": 9,
        "no_user_after_tool": True,
        "no_fields": ("store", "verbosity", "prompt_cache_key", "user", "logprobs", "top_logprobs", "logit_bias"),
    },
)
deepseek = _preset(
    "deepseek",
    "https://api.deepseek.com/v1",
    "DEEPSEEK_API_KEY",
    # api-docs.deepseek.com/guides/thinking_mode: reasoning goes back with every message that called tools.
    quirks={
        **_OLD_LIMIT,
        **_FOR_ALL,
        **_NO_DOCUMENTS,
        "no_json_schema": True,
        "no_parallel_tool_calls": True,
        "string_content": True,
        "reasoning_field": "reasoning_content",
        "reasoning_with_calls": True,
        "thinking_switch": True,
        "efforts": ("low", "high", "max"),
        **_without("n", "seed", "user"),
    },
)
openrouter = _preset(
    "openrouter",
    "https://openrouter.ai/api/v1",
    "OPENROUTER_API_KEY",
    forms=[OpenAIEmbeddings()],
    quirks={
        **_OLD_LIMIT,
        "cache": "cache_control",
        "reasoning_object": True,
        "reasoning_field": "reasoning",
        "top_k": True,
        "file_url": True,
        "video_url": True,
    },
)
together = _preset(
    "together",
    "https://api.together.xyz/v1",
    "TOGETHER_API_KEY",
    forms=[
        OpenAIEmbeddings(),
        OpenAIImages(inline="base64"),
        OpenAISpeech(),
        OpenAITranscription(),
        CohereRerank("/rerank"),
    ],
    quirks={**_OLD_LIMIT, "top_k": True, **_without("user")},
)
xai = _preset(
    "xai",
    "https://api.x.ai/v1",
    "XAI_API_KEY",
    responses=True,
    forms=[OpenAIImages()],
    stores=True,
    quirks={"efforts": ("none", "low", "medium", "high")},
)
fireworks = _preset(
    "fireworks",
    "https://api.fireworks.ai/inference/v1",
    "FIREWORKS_API_KEY",
    forms=[OpenAIEmbeddings(), CohereRerank("/rerank")],
    quirks={**_OLD_LIMIT, "top_k": True, "reasoning_field": "reasoning_content"},
)
perplexity = _preset(
    "perplexity",
    "https://api.perplexity.ai",
    "PERPLEXITY_API_KEY",
    quirks={**_OLD_LIMIT, "top_k": True, "no_parallel_tool_calls": True, **_without("user", "seed", "logprobs", "n")},
)
cerebras = _preset(
    "cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", quirks={"string_content": True, **_NO_DOCUMENTS}
)
deepinfra = _preset(
    "deepinfra",
    "https://api.deepinfra.com/v1/openai",
    "DEEPINFRA_API_KEY",
    forms=[OpenAIEmbeddings(), OpenAIImages(), OpenAISpeech(), OpenAITranscription()],
    quirks={**_OLD_LIMIT, "top_k": True},
)
moonshot = _preset(
    "moonshot",
    "https://api.moonshot.ai/v1",
    "MOONSHOT_API_KEY",
    quirks={**_OLD_LIMIT, "reasoning_field": "reasoning_content", "no_parallel_tool_calls": True},
)
zai = _preset(
    "zai",
    "https://api.z.ai/api/paas/v4",
    "ZAI_API_KEY",
    forms=[OpenAIEmbeddings(64), OpenAIImages()],
    quirks={
        **_OLD_LIMIT,
        "reasoning_field": "reasoning_content",
        "thinking_switch": True,
        "no_parallel_tool_calls": True,
    },
)
dashscope = _preset(
    "dashscope",
    "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    "DASHSCOPE_API_KEY",
    forms=[OpenAIEmbeddings(10)],
    quirks={**_OLD_LIMIT, "top_k": True},
)
nvidia = _preset(
    "nvidia", "https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY", forms=[OpenAIEmbeddings()], quirks={**_OLD_LIMIT}
)
huggingface = _preset("huggingface", "https://router.huggingface.co/v1", "HF_TOKEN", quirks={**_OLD_LIMIT})
# The templates of many models that run locally take one system message, the first (vllm-project/vllm#41114).
_LOCAL = {"system_turns": "first", **_NO_DOCUMENTS}
ollama = _preset(
    "ollama",
    "http://127.0.0.1:11434/v1",
    forms=[OpenAIEmbeddings()],
    quirks={**_OLD_LIMIT, **_LOCAL, "reasoning_field": "reasoning"},
)
vllm = _preset(
    "vllm",
    "http://127.0.0.1:8000/v1",
    "VLLM_API_KEY",
    forms=[OpenAIEmbeddings(), CohereRerank("/rerank"), OpenAITranscription()],
    quirks={**_LOCAL, "top_k": True, "video_url": True, "reasoning_field": "reasoning"},
)
lmstudio = _preset(
    "lmstudio",
    "http://127.0.0.1:1234/v1",
    forms=[OpenAIEmbeddings()],
    quirks={**_OLD_LIMIT, **_LOCAL, "top_k": True},
)
llamacpp = _preset(
    "llamacpp",
    "http://127.0.0.1:8080/v1",
    forms=[OpenAIEmbeddings(), CohereRerank("/rerank")],
    quirks={**_OLD_LIMIT, **_LOCAL, "top_k": True, "reasoning_field": "reasoning_content"},
)
