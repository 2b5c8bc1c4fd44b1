"""What Google's generateContent refuses. Sources: ai.google.dev, and its answers in public reports."""

from __future__ import annotations

import re
from typing import Any

from google.genai import types
from pydantic import ValidationError
from strictness import Issued, Refused, need, need_image, need_keys, need_tool_schema

__all__ = ["PLACEHOLDERS", "check_generate"]

_KEYS = {
    "contents", "systemInstruction", "tools", "toolConfig", "safetySettings", "generationConfig", "cachedContent",
    "labels", "model", "serviceTier", "store",
}  # fmt: skip
_DATA = {
    "text", "inlineData", "functionCall", "functionResponse", "fileData", "executableCode", "codeExecutionResult",
    "toolCall", "toolResponse",
}  # fmt: skip
_BESIDES = {"thought", "thoughtSignature", "videoMetadata", "partMetadata", "mediaResolution"}
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
PLACEHOLDERS = ("context_engineering_is_the_way_to_go", "skip_thought_signature_validator")
"""Google takes these in place of a signature, for histories of other models."""


def check_generate(body: dict[str, Any], issued: Issued, *, signs: bool = True, own_schemas: bool = False) -> None:
    """`signs`: a model that wants the signatures of the current turn's calls back."""
    need_keys(body, _KEYS, "Unknown name")
    issued.check_strangers("gemini", body)
    contents = body.get("contents")
    need(contents, "contents is not specified")
    for place, content in enumerate(contents):
        where = f"contents[{place}]"
        need_keys(content, {"role", "parts"}, where)
        need(content.get("role") in ("user", "model"), f"{where}: Please use a valid role: user, model.")
        need(content.get("parts"), f"{where}.parts must not be empty")
        for part in content["parts"]:
            _check_part(part, content["role"], issued, where)
    before: dict[str, Any] = {}
    for content in _joined(contents):
        _check_turn(content, before)
        before = content
    need(not _calls(before), "function call turn without its responses")
    if signs:
        _check_signed(_joined(contents))
    _check_tools(body, own_schemas=own_schemas)
    _check_config(body.get("generationConfig") or {})


def _joined(contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of one role as one turn: Google's own clients send a content for each chunk of a stream."""
    turns: list[dict[str, Any]] = []
    for content in contents:
        if turns and turns[-1]["role"] == content["role"]:
            turns[-1] = {**content, "parts": [*turns[-1]["parts"], *content["parts"]]}
        else:
            turns.append(content)
    return turns


def _calls(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [part["functionCall"] for part in content.get("parts", ()) if "functionCall" in part]


def _responses(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [part["functionResponse"] for part in content.get("parts", ()) if "functionResponse" in part]


def _check_part(part: dict[str, Any], role: str, issued: Issued, where: str) -> None:
    part = _camel(part)
    need_keys(part, _DATA | _BESIDES, where)
    need(len(_DATA & set(part)) == 1, f"{where}: required oneof field 'data' must have one initialized field: {part}")
    signature = part.get("thoughtSignature")
    if signature is not None:
        need(role == "model", f"{where}: a signature of the user")
        if _placeholder(signature) is None:
            issued.check("gemini", signature)
    if "inlineData" in part:
        need_keys(part["inlineData"], {"mimeType", "data", "displayName"}, where)
        need_image(part["inlineData"]["mimeType"], part["inlineData"]["data"])
    if "functionCall" in part:
        need(role == "model", f"{where}: a function call of the user")
        need_keys(part["functionCall"], {"id", "name", "args"}, where)
        need(_NAME.fullmatch(part["functionCall"]["name"]), f"{where}: name {part['functionCall']['name']!r}")
        need(isinstance(part["functionCall"].get("args", {}), dict), f"{where}: args")
    if "functionResponse" in part:
        need_keys(part["functionResponse"], {"id", "name", "response", "parts", "willContinue", "scheduling"}, where)
        need(part["functionResponse"].get("name"), f"{where}: function_response.name: Name cannot be empty.")
        need(isinstance(part["functionResponse"].get("response"), dict), f"{where}: response has to be an object")


def _camel(part: dict[str, Any]) -> dict[str, Any]:
    """The SDK spells some names its own way; JSON of a protocol buffer takes both."""
    spelt = {re.sub("_(.)", lambda found: found[1].upper(), key): value for key, value in part.items()}
    return {key: _camel(value) if key == "inlineData" else value for key, value in spelt.items()}


def _placeholder(signature: str) -> str | None:
    import base64

    return next((word for word in PLACEHOLDERS if signature in (word, base64.b64encode(word.encode()).decode())), None)


def _check_turn(content: dict[str, Any], before: dict[str, Any]) -> None:
    where = "contents"
    if _calls(content):
        need(before.get("role") == "user", f"{where}: function call turn comes immediately after a user turn")
    responses, calls = _responses(content), _calls(before)
    need(len(responses) == len(calls), f"{where}: number of function response parts is not equal to that of calls")
    names = sorted(call["name"] for call in calls)
    need(sorted(response["name"] for response in responses) == names, f"{where}: names of responses")
    identities = [call["id"] for call in calls if "id" in call]
    if identities:
        given = [response["id"] for response in responses if "id" in response]
        need(sorted(given) == sorted(identities), f"{where}: ids of responses")


def _check_signed(contents: list[dict[str, Any]]) -> None:
    """Each step of the current turn begins with a signed call (Thought signatures, Gemini 3)."""
    for content in reversed(contents):
        if content["role"] == "user" and not _responses(content):
            return
        calls = [part for part in content["parts"] if "functionCall" in part]
        if calls:
            need(
                calls[0].get("thoughtSignature"), "Function call is missing a thought_signature in functionCall parts."
            )


def _check_tools(body: dict[str, Any], *, own_schemas: bool) -> None:
    names: list[str] = []
    for tool in body.get("tools") or ():
        for declared in tool.get("functionDeclarations") or ():
            where = f"tools: {declared['name']}"
            if "parameters_json_schema" in declared:  # the SDK's spelling; JSON of a protocol buffer takes both
                declared = {**declared, "parametersJsonSchema": declared["parameters_json_schema"]}
                del declared["parameters_json_schema"]
            need_keys(declared, {"name", "description", "parameters", "parametersJsonSchema", "behavior"}, where)
            need(_NAME.fullmatch(declared["name"]), where)
            need(not {"parameters", "parametersJsonSchema"} <= set(declared), f"{where}: both schemas")
            names.append(declared["name"])
            if "parameters" in declared:
                try:
                    types.Schema.model_validate(declared["parameters"])
                except ValidationError as error:
                    raise Refused(f"{where}: {error}") from None
            if "parametersJsonSchema" in declared and not own_schemas:
                need_tool_schema(declared["parametersJsonSchema"], where)
                _check_references(declared["parametersJsonSchema"], where)
    need(len(set(names)) == len(names), "Duplicate function declaration found")
    mode = ((body.get("toolConfig") or {}).get("functionCallingConfig") or {}).get("mode")
    need(names or mode in (None, "AUTO", "NONE"), "function calling config is set without function_declarations")


def _check_references(node: Any, where: str) -> None:
    if isinstance(node, list):
        for inner in node:
            _check_references(inner, where)
    elif isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            need(all(key.startswith("$") for key in node), f"{where}: properties next to $ref")
        for inner in node.values():
            _check_references(inner, where)


def _check_config(config: dict[str, Any]) -> None:
    try:
        types.GenerationConfig.model_validate({key: value for key, value in config.items() if key != "responseFormat"})
    except ValidationError as error:
        raise Refused(f"generationConfig: {error}") from None
    thinking = config.get("thinkingConfig") or {}
    need(not {"thinkingBudget", "thinkingLevel"} <= set(thinking), "thinking level and budget together")
