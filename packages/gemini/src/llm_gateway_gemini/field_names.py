"""What `generateContent` calls the fields of a request and of a reply: Gemini API v1beta, `models.generateContent`."""

from __future__ import annotations

from llm_gateway_sdk.dialects.field_names import FieldNames

__all__ = ["FIELD_NAMES", "REPLY_FIELD_NAMES"]

_PARTS = "contents[*].parts[*]"
_CONFIG = "generationConfig"
_THINKING = f"{_CONFIG}.thinkingConfig"
_FUNCTIONS = "tools[*].functionDeclarations[*]"
_CALLING = "toolConfig.functionCallingConfig"
_SCHEMAS = (f"{_CONFIG}.responseJsonSchema", f"{_CONFIG}.responseSchema")

FIELD_NAMES = FieldNames(
    {
        "system.content[*].media": ("systemInstruction.parts[*].inlineData", "systemInstruction.parts[*].fileData"),
        "messages": "contents",
        "messages[*]": "contents[*]",
        "messages[*].content": "contents[*].parts",
        "messages[*].content[*].arguments": f"{_PARTS}.functionCall.args",
        "messages[*].content[*].id": f"{_PARTS}.functionCall.id",
        "messages[*].content[*].name": (f"{_PARTS}.inlineData.displayName", f"{_PARTS}.fileData.displayName"),
        "messages[*].calls[*].call": f"{_PARTS}.functionCall",
        "messages[*].calls[*].part": _PARTS,
        "messages[*].calls[*].signature": f"{_PARTS}.thoughtSignature",
        "messages[*].media[*].name": (f"{_PARTS}.inlineData.displayName", f"{_PARTS}.fileData.displayName"),
        "messages[*].media[*].part": _PARTS,
        "messages[*].results[*].part": _PARTS,
        "messages[*].results[*].response": f"{_PARTS}.functionResponse",
        "messages[*].results[*].signature": f"{_PARTS}.thoughtSignature",
        "messages[*].results[*].content[*].name": f"{_PARTS}.functionResponse.parts[*].inlineData.displayName",
        "tools[*].declaration": _FUNCTIONS,
        "tools[*].description": f"{_FUNCTIONS}.description",
        "tools[*].name": f"{_FUNCTIONS}.name",
        "tools[*].parameters": (f"{_FUNCTIONS}.parametersJsonSchema", f"{_FUNCTIONS}.parameters"),
        "tool_choice": _CALLING,
        "tool_choice.allowed_tools": f"{_CALLING}.allowedFunctionNames",
        "tool_choice.config": _CALLING,
        "max_tokens": f"{_CONFIG}.maxOutputTokens",
        "temperature": f"{_CONFIG}.temperature",
        "top_p": f"{_CONFIG}.topP",
        "top_k": f"{_CONFIG}.topK",
        "n": f"{_CONFIG}.candidateCount",
        "stop": f"{_CONFIG}.stopSequences",
        "seed": f"{_CONFIG}.seed",
        "frequency_penalty": f"{_CONFIG}.frequencyPenalty",
        "presence_penalty": f"{_CONFIG}.presencePenalty",
        "logprobs": f"{_CONFIG}.responseLogprobs",
        "top_logprobs": f"{_CONFIG}.logprobs",
        "reasoning": (f"{_THINKING}.thinkingLevel", f"{_THINKING}.thinkingBudget", _THINKING),
        "reasoning.budget_tokens": f"{_THINKING}.thinkingBudget",
        "reasoning.effort": (f"{_THINKING}.thinkingLevel", f"{_THINKING}.thinkingBudget"),
        "reasoning.enabled": (f"{_THINKING}.thinkingBudget", f"{_THINKING}.includeThoughts"),
        "reasoning.summary": f"{_THINKING}.includeThoughts",
        "response_format": (*_SCHEMAS, f"{_CONFIG}.responseMimeType"),
        "response_format.schema": _SCHEMAS,
        "service_tier": "serviceTier",
    },
    parts={
        "system.content[*]": "systemInstruction.parts[*]",
        "messages[*].content[*]": _PARTS,
        "messages[*].calls[*]": f"{_PARTS}.functionCall",
        "messages[*].results[*]": f"{_PARTS}.functionResponse",
        "messages[*].results[*].content[*]": f"{_PARTS}.functionResponse.parts[*]",
        "messages[*].thoughts[*]": _PARTS,
        "messages[*].media[*]": _PARTS,
    },
    leaves={
        "arguments": "args",
        "data": "inlineData.data",
        "file_id": "fileData.fileUri",
        "name": "inlineData.displayName",
        "signature": "thoughtSignature",
        "thinking": "thought",
    },
)

_MESSAGE = "choices[*].message"
_REPLY_PARTS = "candidates[*].content.parts[*]"
_REPLY_KINDS = ("content", "blocks", "image", "audio", "video", "document")

REPLY_FIELD_NAMES = FieldNames(
    {
        "choices": "candidates",
        "choices[*]": "candidates[*]",
        "choices[*].finish_message": "candidates[*].finishMessage",
        "choices[*].logprobs": "candidates[*].logprobsResult",
        _MESSAGE: "candidates[*].content",
        f"{_MESSAGE}.calls[*]": f"{_REPLY_PARTS}.functionCall",
        f"{_MESSAGE}.content[*].arguments": f"{_REPLY_PARTS}.functionCall.args",
        f"{_MESSAGE}.content[*].citations": "candidates[*].groundingMetadata",
        f"{_MESSAGE}.content[*].refusal": f"{_REPLY_PARTS}.text",
        f"{_MESSAGE}.results[*]": f"{_REPLY_PARTS}.functionResponse",
        f"{_MESSAGE}.thoughts[*]": _REPLY_PARTS,
        "service_tier": "usageMetadata.serviceTier",
        "usage": "usageMetadata",
        "usage.reasoning_tokens": "usageMetadata.thoughtsTokenCount",
    },
    parts={f"{_MESSAGE}.{kind}[*]": _REPLY_PARTS for kind in _REPLY_KINDS},
    leaves={
        "data": "inlineData",
        "file_id": "fileData",
        "name": "inlineData.displayName",
        "signature": "thoughtSignature",
        "thinking": "thought",
    },
)
