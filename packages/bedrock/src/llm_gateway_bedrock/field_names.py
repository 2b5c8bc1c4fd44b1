"""What Converse calls the fields of a request and of a reply: Amazon Bedrock Runtime API reference, `Converse`."""

from __future__ import annotations

from llm_gateway_sdk.dialects.field_names import FieldNames

__all__ = ["FIELD_NAMES", "REPLY_FIELD_NAMES"]

_BLOCKS = "messages[*].content[*]"
_INFERENCE = "inferenceConfig"
_ADDITIONAL = "additionalModelRequestFields"
_TOOL = "toolConfig.tools[*].toolSpec"
_FORMAT = "outputConfig.textFormat"
_SCHEMA = f"{_FORMAT}.structure.jsonSchema"

FIELD_NAMES = FieldNames(
    {
        "messages[*].content[*].arguments": f"{_BLOCKS}.toolUse.input",
        "messages[*].content[*].id": f"{_BLOCKS}.toolUse.toolUseId",
        "messages[*].content[*].name": (f"{_BLOCKS}.document.name", f"{_BLOCKS}.searchResult.title"),
        "messages[*].content[*].signature": f"{_BLOCKS}.reasoningContent.reasoningText.signature",
        "messages[*].content[*].thinking": f"{_BLOCKS}.reasoningContent",
        "messages[*].calls[*].arguments": f"{_BLOCKS}.toolUse.input",
        "messages[*].calls[*].cache": f"{_BLOCKS}.cachePoint",
        "messages[*].media[*].cache": f"{_BLOCKS}.cachePoint",
        "messages[*].media[*].citations": (f"{_BLOCKS}.document.citations", f"{_BLOCKS}.searchResult.citations"),
        "messages[*].media[*].name": (f"{_BLOCKS}.document.name", f"{_BLOCKS}.searchResult.title"),
        "messages[*].results[*].cache": f"{_BLOCKS}.cachePoint",
        "messages[*].thoughts[*].signature": f"{_BLOCKS}.reasoningContent.reasoningText.signature",
        "tools": "toolConfig.tools",
        "tools[*]": "toolConfig.tools[*]",
        "tools[*].cache": "toolConfig.tools[*].cachePoint",
        "tools[*].description": f"{_TOOL}.description",
        "tools[*].name": f"{_TOOL}.name",
        "tools[*].parameters": f"{_TOOL}.inputSchema.json",
        "tools[*].strict": f"{_TOOL}.strict",
        "tool_choice": "toolConfig.toolChoice",
        "max_tokens": f"{_INFERENCE}.maxTokens",
        "temperature": f"{_INFERENCE}.temperature",
        "top_p": f"{_INFERENCE}.topP",
        "top_k": f"{_ADDITIONAL}.top_k",
        "stop": f"{_INFERENCE}.stopSequences",
        "reasoning": (f"{_ADDITIONAL}.thinking", "outputConfig.effort"),
        "reasoning.budget_tokens": f"{_ADDITIONAL}.thinking.budget_tokens",
        "reasoning.effort": ("outputConfig.effort", f"{_ADDITIONAL}.thinking.type"),
        "reasoning.enabled": f"{_ADDITIONAL}.thinking.type",
        "reasoning.summary": f"{_ADDITIONAL}.thinking.display",
        "response_format": _FORMAT,
        "response_format.description": f"{_SCHEMA}.description",
        "response_format.name": f"{_SCHEMA}.name",
        "response_format.schema": f"{_SCHEMA}.schema",
        "metadata": "requestMetadata",
        "service_tier": "serviceTier",
    },
    parts={
        "system.content[*]": "system[*]",
        "messages[*].content[*]": _BLOCKS,
        "messages[*].calls[*]": f"{_BLOCKS}.toolUse",
        "messages[*].results[*]": f"{_BLOCKS}.toolResult",
        "messages[*].results[*].content[*]": f"{_BLOCKS}.toolResult.content[*]",
        "messages[*].thoughts[*]": f"{_BLOCKS}.reasoningContent",
        "messages[*].media[*]": f"{_BLOCKS}.document",
    },
    leaves={"cache": "cachePoint", "citations": "citationsContent.citations", "name": "document.name"},
)

_MESSAGE = "choices[*].message"
_REPLY_BLOCKS = "output.message.content[*]"
_MEDIA = ("image", "audio", "video", "document")

REPLY_FIELD_NAMES = FieldNames(
    {
        "choices[*]": "",
        _MESSAGE: "output.message",
        f"{_MESSAGE}.blocks[*]": _REPLY_BLOCKS,
        f"{_MESSAGE}.calls[*]": f"{_REPLY_BLOCKS}.toolUse",
        f"{_MESSAGE}.content[*]": _REPLY_BLOCKS,
        f"{_MESSAGE}.content[*].arguments": f"{_REPLY_BLOCKS}.toolUse.input",
        f"{_MESSAGE}.content[*].citations": f"{_REPLY_BLOCKS}.citationsContent.citations",
        f"{_MESSAGE}.content[*].name": f"{_REPLY_BLOCKS}.document.name",
        f"{_MESSAGE}.content[*].signature": f"{_REPLY_BLOCKS}.reasoningContent.reasoningText.signature",
        f"{_MESSAGE}.results[*]": f"{_REPLY_BLOCKS}.toolResult",
        f"{_MESSAGE}.thoughts[*]": f"{_REPLY_BLOCKS}.reasoningContent",
        f"{_MESSAGE}.thoughts[*].redacted": f"{_REPLY_BLOCKS}.reasoningContent.redactedContent",
        f"{_MESSAGE}.thoughts[*].signature": f"{_REPLY_BLOCKS}.reasoningContent.reasoningText.signature",
        **{f"{_MESSAGE}.{kind}[*].data": f"{_REPLY_BLOCKS}.{kind}" for kind in _MEDIA},
        "service_tier": "serviceTier",
        "usage.cache_write_tokens": "usage.cacheWriteInputTokens",
    },
    parts={f"{_MESSAGE}.{kind}[*]": f"{_REPLY_BLOCKS}.{kind}" for kind in _MEDIA},
    leaves={"file_id": "source", "s3Location": "source.s3Location"},
)
