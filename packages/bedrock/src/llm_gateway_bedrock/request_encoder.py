"""Writing Converse requests for a provider."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import (
    CacheHint,
    DialectError,
    Headers,
    LLMRequest,
    Losses,
    Message,
    OpaquePart,
    OpaqueTool,
    Part,
    Reasoning,
    RefusalPart,
    Target,
    TextPart,
    Tool,
    ToolChoice,
    WireRequest,
)
from llm_gateway_sdk.conventions import custom_tool_parameters
from llm_gateway_sdk.dialects.coverage import drop_from_system, drop_message, drop_tool, report_fields
from llm_gateway_sdk.dialects.thinking import MIN_BUDGET, budget_of_effort, effort_of_budget, forces_tool, lower_effort
from llm_gateway_sdk.request import ToolLike
from llm_gateway_sdk.values import replace
from llm_gateway_sdk.wire import json

from .claude import additional_fields, is_client_tool, unthought_calls
from .models import Capabilities, capabilities_of
from .parts import (
    DOCUMENT_ONLY,
    NAME,
    BlockEncoder,
    cache_point,
    own,
)
from .paths import CONVERSE, CONVERSE_STREAM, COUNT_TOKENS, build_path
from .request import ADDITIONAL, RESPONSE_PATHS, STOP_PATH

__all__ = ["JSON_ONLY", "JSON_SCHEMA", "NO_TOOLS", "encode_count", "encode_request"]

NO_TOOLS = "Answer without calling any tool."
JSON_ONLY = "Answer with one JSON object and nothing else."
JSON_SCHEMA = "Answer with one JSON value and nothing else; it must be valid against this JSON Schema:\n"
# Encoding.


def encode_request(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    """Raises DialectError for several answers, and for media that Converse can't take."""
    body = _Encoder(request, target, losses).build()
    operation = CONVERSE_STREAM if request.stream else CONVERSE
    accept = "application/vnd.amazon.eventstream" if request.stream else "application/json"
    return _post(target.model, operation, body, accept)


def encode_count(request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
    body = _Encoder(request, target, losses).build()
    counted = {key: body[key] for key in ("messages", "system", "toolConfig", ADDITIONAL) if key in body}
    return _post(target.model, COUNT_TOKENS, {"input": {"converse": counted}}, "application/json")


def _post(model: str, operation: str, body: dict[str, Any], accept: str) -> WireRequest:
    headers = Headers.of([("content-type", "application/json"), ("accept", accept)])
    return WireRequest("POST", build_path(model, operation), "", headers, json.dumps(body))


class _Encoder:
    def __init__(self, request: LLMRequest, target: Target, losses: Losses) -> None:
        self._request = request
        self._losses = losses
        self._can: Capabilities = capabilities_of(
            str(target.quirks.get("model_id") or target.model), target.quirks, target.facts
        )
        self._system_turns = bool(target.quirks.get("system_turns"))
        self._metadata = own(request)
        self._blocks = BlockEncoder(
            losses,
            "messages[*].content[*]",
            caches=self._can.caches,
            signs=self._can.claude,
            unknown=not self._can.family,
        )
        self._instructions: list[str] = []
        """What had to be stated in words for want of a field."""

    def build(self) -> dict[str, Any]:
        request = self._request
        if request.n is not None and request.n > 1:
            raise DialectError("Bedrock gives one answer per request", path="n")
        leading = 0
        while leading < len(request.messages) and self._leads(request.messages[leading]):
            leading += 1
        body: dict[str, Any] = {"messages": self._messages(request.messages[leading:])}
        additional: dict[str, Any] = dict(self._metadata.get(ADDITIONAL) or {})
        if self._can.claude:
            additional.update(additional_fields(request, self._losses))
        output: dict[str, Any] = dict(self._metadata.get("outputConfig") or {})
        thinks = self._reasoning(additional, output)
        if _is_enabled(additional.get("thinking")) and unthought_calls(body["messages"]):
            # Claude wants the thinking that led to the calls which are answered now.
            self._losses.dropped("reasoning.effort", "tool calls in the history came without their thinking")
            del additional["thinking"]
            thinks = False
        inference = self._inference(additional, thinks=thinks)
        self._format(output)
        tools = self._tools(body["messages"])
        system = self._system(request.messages[:leading])
        for key, value in (
            ("system", system),
            ("inferenceConfig", inference),
            ("toolConfig", tools),
            (ADDITIONAL, additional),
            ("outputConfig", output),
            ("requestMetadata", dict(request.metadata)),
        ):
            if value:
                body[key] = value
        self._tier(body)
        for key, value in self._metadata.items():
            if key not in (ADDITIONAL, "outputConfig", "toolConfig", "inferenceConfig"):
                body[key] = value
        if request.stop and self._can.claude and RESPONSE_PATHS not in body:
            # Which of the stop sequences it was is not reported otherwise.
            body[RESPONSE_PATHS] = [STOP_PATH]
        self._report_losses(additional)
        return body

    def _leads(self, message: Message) -> bool:
        return message.role in ("system", "developer") and not own(message).get("_turn")

    # The conversation.

    def _system(self, messages: list[Message]) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        encoder = BlockEncoder(self._losses, "system.content[*]", caches=self._can.caches, signs=self._can.claude)
        for message in messages:
            spoken: list[Part] = []
            for part in message.content:
                if isinstance(part, TextPart | RefusalPart) or (isinstance(part, OpaquePart) and part.dialect == NAME):
                    spoken.append(part)
                else:
                    drop_from_system(part, self._losses)
            blocks += encoder.encode(spoken)
        blocks += [{"text": text} for text in self._instructions]
        return blocks

    def _messages(self, messages: list[Message]) -> list[dict[str, Any]]:
        turns: list[dict[str, Any]] = []
        for message in messages:
            if message.role == "opaque":
                drop_message(message, self._losses)
                continue
            role = self._role(message)
            if message.name is not None:
                self._losses.dropped("messages[*].name")
            blocks = self._blocks.encode(message.content)
            if not blocks:
                continue
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += blocks
            else:
                turns.append({"role": role, "content": blocks})
        for turn in turns:
            if turn["role"] == "user":
                turn["content"] = self._ordered(turn["content"])
        if self._request.cache is not None and turns:
            self._losses.converted("cache", "a cache point at the end of the conversation")
            self._blocks.mark(turns[-1]["content"], self._request.cache)
        return turns

    def _role(self, message: Message) -> str:
        if message.role == "assistant":
            return "assistant"
        if message.role in ("system", "developer"):
            if self._system_turns or own(message).get("_turn"):
                return "system"
            self._losses.converted("messages[*].role", "system text within the conversation")
        return "user"

    def _ordered(self, blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Results first, each with the cache point after it; a document only with some text."""
        results: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        holder = others
        for block in blocks:
            if "toolResult" in block:
                holder = results
            elif "cachePoint" not in block:
                holder = others
            holder.append(block)
        if any("document" in block for block in others) and not any("text" in block for block in blocks):
            others.insert(0, {"text": DOCUMENT_ONLY})
            self._losses.converted("messages[*].content", "a text next to a document")
        return results + others

    # Tools.

    def _tools(self, turns: list[dict[str, Any]]) -> dict[str, Any]:
        request = self._request
        tools, choice = list(request.tools), request.tool_choice
        used = [block["toolUse"] for turn in turns for block in turn["content"] if "toolUse" in block]
        talked = bool(used) or any("toolResult" in block for turn in turns for block in turn["content"])
        if choice is not None and choice.mode == "none" and tools:
            if not talked:
                self._losses.converted("tool_choice", "the tools are left out")
                return {}
            # Calls in the history want their tools declared.
            self._losses.converted("tool_choice", "asked for in the system prompt")
            self._instructions.append(NO_TOOLS)
            choice = None
        if choice is not None and choice.mode == "allowed":
            tools = [tool for tool in tools if isinstance(tool, OpaqueTool) or tool.name in choice.names]
            self._losses.converted("tool_choice", "the other tools are left out")
        entries = self._tool_entries(tools)
        if not entries and talked:
            self._losses.converted("tools", "declared as the history uses them")
            # One of the model's own, which is in the additional fields, may not be declared twice.
            declared = {tool.name for tool in request.tools if isinstance(tool, OpaqueTool)}
            names = dict.fromkeys(call["name"] for call in used if call["name"] not in declared) or {"unused": None}
            entries = [_spec(Tool(name)) for name in names]
            choice = None
        if not entries:
            return {}
        config: dict[str, Any] = {"tools": entries, **(self._metadata.get("toolConfig") or {})}
        chosen = self._choice(choice)
        if chosen is not None:
            config["toolChoice"] = chosen
        return config

    def _tool_entries(self, tools: list[ToolLike]) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        for tool in tools:
            if isinstance(tool, OpaqueTool):
                if self._can.claude and is_client_tool(tool):
                    continue  # is in the additional fields
                if tool.dialect != NAME:
                    drop_tool(tool, self._losses)
                    continue
                entries.append(tool.data)
            else:
                entries.append(self._tool(tool))
            if tool.cache is not None:
                self._mark_tools(entries, tool.cache)
        return entries

    def _mark_tools(self, entries: list[dict[str, Any]], hint: CacheHint) -> None:
        if self._can.caches_tools or own(hint):
            entries.append(cache_point(hint))
        else:
            self._losses.dropped("tools[*].cache", "the model does not cache tools")

    def _tool(self, tool: Tool) -> dict[str, Any]:
        if tool.kind == "custom":
            self._losses.converted("tools[*]", "a custom tool as a function with one parameter")
            tool = replace(tool, parameters=custom_tool_parameters(tool.format))
        if tool.strict and not self._can.structured:
            self._losses.dropped("tools[*].strict", "the model has no strict tools")
            tool = replace(tool, strict=None)
        return _spec(tool)

    def _choice(self, choice: ToolChoice | None) -> dict[str, Any] | None:
        if choice is None:
            return None
        match choice.mode:
            case "auto":
                return {"auto": {}}
            case "required":
                return {"any": {}}
            case "tool":
                return {"tool": {"name": choice.name}}
            case "allowed":
                return {"any": {}} if choice.allowed_mode == "required" else {"auto": {}}
            case "opaque":
                native = own(choice)
                if not native:
                    self._losses.dropped("tool_choice", "a choice of another vendor")
                return native or None
        return None

    # Everything else.

    def _reasoning(self, additional: dict[str, Any], output: dict[str, Any]) -> bool:
        """Whether the model will think."""
        reasoning = self._request.reasoning
        if reasoning is None:
            return False
        native = own(reasoning)
        if native:
            if "_thinking" in native:
                additional["thinking"] = _thinking(reasoning, native["_thinking"])
            if reasoning.effort is not None:
                output["effort"] = reasoning.effort
            return bool(reasoning.enabled)
        effort, enabled = reasoning.effort, reasoning.enabled
        if enabled is False or effort == "none":
            if self._can.thinks_adaptively and self._can.limits.thinking_off:
                additional["thinking"] = {"type": self._can.limits.off_form}
            return False
        if effort is None and reasoning.budget_tokens is None and not enabled:
            return False
        if self._can.claude:
            return self._claude_thinking(reasoning, additional, output)
        word = effort or effort_of_budget(reasoning.budget_tokens or MIN_BUDGET)
        word = lower_effort(word, ("low", "medium", "high"))
        if self._can.family == "gpt-oss":
            additional["reasoning_effort"] = word
        elif self._can.family == "qwen":
            additional["reasoning_config"] = word
        elif self._can.family == "nova" and self._can.version >= 2:
            # Amazon Nova 2 user guide, "Extended thinking": the first generation has none.
            additional["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": word}
        else:
            self._losses.dropped("reasoning", "the model has no setting for it")
        return False

    def _claude_thinking(self, reasoning: Reasoning, additional: dict[str, Any], output: dict[str, Any]) -> bool:
        if not self._can.thinks:
            self._losses.dropped("reasoning", "the model does not think")
            return False
        budget = reasoning.budget_tokens
        adaptive = self._can.thinks_adaptively and (budget is None or not self._can.takes_budget)
        if forces_tool(self._request.tool_choice):
            if adaptive:
                self._losses.converted("reasoning", "no thinking before a forced tool")
            else:
                self._losses.dropped("reasoning", "Claude does not think by a budget where it must call a tool")
            return False
        if adaptive:
            thinking: dict[str, Any] = {"type": "adaptive"}
            if budget is not None and reasoning.effort is None:
                output["effort"] = effort_of_budget(budget)
                self._losses.converted("reasoning.budget_tokens", f"effort {output['effort']}")
            elif reasoning.effort is not None:
                output["effort"] = lower_effort(reasoning.effort, ("low", "medium", "high", "xhigh", "max"))
        else:
            if budget is None:
                budget = budget_of_effort(reasoning.effort or "medium", self._request.max_tokens)
                if budget is not None and reasoning.effort is not None:
                    self._losses.converted("reasoning.effort", f"{reasoning.effort} became a budget of {budget} tokens")
            if budget is None:
                self._losses.dropped("reasoning", "max_tokens leaves no room for it")
                return False
            if budget < MIN_BUDGET:
                self._losses.clamped("reasoning.budget_tokens", f"{budget} became {MIN_BUDGET}")
                budget = MIN_BUDGET
            thinking = {"type": "enabled", "budget_tokens": budget}
        if reasoning.summary in ("summarized", "omitted"):
            thinking["display"] = reasoning.summary
        additional["thinking"] = thinking
        return True

    def _inference(self, additional: dict[str, Any], *, thinks: bool) -> dict[str, Any]:
        request = self._request
        config: dict[str, Any] = {}
        if request.max_tokens is not None:
            config["maxTokens"] = self._max_tokens(request.max_tokens, additional)
        temperature, top_p, top_k = request.temperature, request.top_p, request.top_k
        native = bool(self._metadata)
        if not self._can.samples or (thinks and self._can.claude and not native):
            reason = "not with thinking" if self._can.samples else "the model takes none"
            for path, value in (("temperature", temperature), ("top_p", top_p), ("top_k", top_k)):
                if value is not None and not (path == "temperature" and value == 1):
                    self._losses.dropped(path, reason)
            temperature = top_p = top_k = None
        if temperature is not None and temperature > 1:
            self._losses.clamped("temperature", f"{temperature} became 1")
            temperature = 1
        if temperature is not None and top_p is not None and self._can.samples_one_way:
            self._losses.dropped("top_p", "the model takes temperature or top_p")
            top_p = None
        if temperature is not None:
            config["temperature"] = temperature
        if top_p is not None:
            config["topP"] = top_p
        if request.stop:
            config["stopSequences"] = list(request.stop)
        if top_k is not None:
            self._top_k(top_k, additional)
        return {**config, **(self._metadata.get("inferenceConfig") or {})}

    def _max_tokens(self, wanted: int, additional: dict[str, Any]) -> int:
        thinking = additional.get("thinking")
        budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
        if isinstance(budget, int) and budget >= wanted and own(self._request.reasoning or Reasoning()) == {}:
            self._losses.clamped("reasoning.budget_tokens", "below max_tokens")
            if wanted > MIN_BUDGET:
                additional["thinking"] = {**additional["thinking"], "budget_tokens": max(MIN_BUDGET, wanted - 1)}
            else:
                del additional["thinking"]
        return wanted

    def _top_k(self, top_k: int, additional: dict[str, Any]) -> None:
        if self._can.claude or self._can.family == "":
            additional["top_k"] = top_k
        elif self._can.family == "nova":
            inference = additional.get("inferenceConfig")
            additional["inferenceConfig"] = {**(inference if isinstance(inference, dict) else {}), "topK": top_k}
        else:
            self._losses.dropped("top_k")

    def _format(self, output: dict[str, Any]) -> None:
        format = self._request.response_format
        if format is None or format.kind == "text":
            return
        if format.kind == "json_object" or format.schema is None:
            self._losses.converted("response_format", "asked for in the system prompt")
            self._instructions.append(JSON_ONLY)
            return
        native = own(format).get("_schema")
        text = native if native is not None and json.loads(native) == format.schema else json.dumps_text(format.schema)
        if native is None and not self._can.structured:
            self._losses.converted("response_format", "asked for in the system prompt")
            self._instructions.append(JSON_SCHEMA + text)
            return
        definition = {"schema": text}
        if format.name is not None:
            definition["name"] = format.name
        if format.description is not None:
            definition["description"] = format.description
        output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": definition}}

    def _tier(self, body: dict[str, Any]) -> None:
        tier = self._request.service_tier
        if tier in ("default", "priority", "flex", "reserved"):
            body["serviceTier"] = {"type": tier}
        elif tier not in (None, "auto", "standard"):
            self._losses.dropped("service_tier")

    def _report_losses(self, sent: dict[str, Any]) -> None:
        """`sent`: what went along as an additional field."""
        request = self._request
        for dialect, values in request.provider_metadata.items():
            if dialect != NAME:
                report_fields({key: value for key, value in values.items() if key not in sent}, "", self._losses)
        for path, value in (
            ("user", request.user),
            ("cache_key", request.cache_key),
            ("seed", request.seed),
            ("frequency_penalty", request.frequency_penalty or None),
            ("presence_penalty", request.presence_penalty or None),
            ("logprobs", request.logprobs or None),
            ("top_logprobs", request.top_logprobs),
            ("verbosity", request.verbosity),
            ("store", request.store or None),
            ("parallel_tool_calls", None if request.parallel_tool_calls is not False else False),
        ):
            if value is not None:
                self._losses.dropped(path)


def _spec(tool: Tool) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    schema = tool.parameters
    spec["inputSchema"] = {"json": {"type": "object", "properties": {}} if schema is None else schema}
    if tool.strict is not None and (tool.strict or own(tool)):
        spec["strict"] = tool.strict
    return {"toolSpec": {**spec, **own(tool)}}


def _thinking(reasoning: Reasoning, native: dict[str, Any]) -> dict[str, Any]:
    changed = {**native, "type": reasoning.mode or native["type"]}
    if reasoning.budget_tokens is not None:
        changed["budget_tokens"] = reasoning.budget_tokens
    return changed


def _is_enabled(thinking: Any) -> bool:
    return isinstance(thinking, dict) and thinking.get("type") == "enabled"
