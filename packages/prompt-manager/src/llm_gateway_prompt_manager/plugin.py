"""Sets, extends or wraps the system prompt, with experiments on a share of the requests."""

from __future__ import annotations

import random
from typing import Any

from llm_gateway_sdk import CacheHint, LLMRequest, Message, Plugin, RequestContext, TextPart, plugin_metadata

__all__ = ["PromptManager"]

_PLACEHOLDER = "${PROMPT}"

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "prompt": {
            "type": "string",
            "x-template": True,
            "description": "The prompt. In mode `wrapper` `${PROMPT}` is the client's own.",
        },
        "mode": {
            "enum": ["override", "before", "after", "wrapper"],
            "default": "override",
            "description": "Put in place of the client's system prompt, before it, after it, or around it.",
        },
        "experiment": {
            "type": "object",
            "description": "Another prompt for a share of the requests.",
            "properties": {
                "prompt": {"type": "string", "x-template": True, "description": "The prompt to try."},
                "percentage": {
                    "type": "number",
                    "minimum": 0,
                    "maximum": 100,
                    "description": "Share of requests that get it.",
                },
            },
            "required": ["prompt", "percentage"],
            "additionalProperties": False,
        },
    },
    "required": ["prompt"],
    "additionalProperties": False,
    "examples": [{"mode": "wrapper", "prompt": "Answer in one paragraph. ${PROMPT}"}],
}


@plugin_metadata(
    name="prompt-manager",
    version="0.1.0",
    description="Manages the system prompt: override, before, after or around the client's, with experiments.",
    configuration_schema=_SCHEMA,
    keywords=("prompt", "experiment"),
)
class PromptManager(Plugin):
    """What was used goes into `ctx.metadata["prompt_manager"]`; several instances apply in order of priority, and the
    entry of each is in its `applied` list."""

    operations = frozenset({"generate", "count_tokens"})
    edits_request = True

    async def validate_config(self, config: Any) -> bool | str:
        if config.get("mode") == "wrapper":
            prompts = {"prompt": config["prompt"]}
            if "experiment" in config:
                prompts["experiment.prompt"] = config["experiment"]["prompt"]
            for name, prompt in prompts.items():
                if _PLACEHOLDER not in prompt:
                    return (
                        f"{name}: mode wrapper needs the placeholder {_PLACEHOLDER} where the client's prompt belongs"
                    )
        return True

    async def configure(self, config: Any) -> None:
        self._prompt: str = config["prompt"]
        self._mode: str = config.get("mode", "override")
        experiment = config.get("experiment")
        self._trial: str | None = experiment["prompt"] if experiment else None
        self._share: float = experiment["percentage"] / 100 if experiment else 0.0
        self._data_key = f"prompt-manager:{id(self)}"

    def before_model(self, ctx: RequestContext) -> None:
        # Attempts and follow-ups of one request stay on the same arm of the experiment.
        trial = ctx.plugin_data.setdefault(self._data_key, self._trial is not None and random.random() < self._share)
        prompt = self._trial if trial and self._trial is not None else self._prompt
        request = ctx.request
        original = request.system
        has_field = ctx.client_dialect == _RESPONSES
        injected = self._inject(request, prompt, original, has_field=has_field)
        entry = {
            "used": True,
            "original_prompt": original,
            "injected_prompt": injected,
            "mode": self._mode,
            "experiment": trial,
        }
        # Shared by all instances, and begun anew with each attempt.
        applied = ctx.attempt_data.setdefault("prompt-manager.applied", [])
        applied.append(entry)
        ctx.metadata["prompt_manager"] = {**entry, "applied": list(applied)}

    def _inject(self, request: LLMRequest, prompt: str, original: str, *, has_field: bool) -> str:
        count = 0
        while count < len(request.messages) and request.messages[count].role in ("system", "developer"):
            count += 1
        leading, rest = request.messages[:count], request.messages[count:]
        role = leading[0].role if leading else "system"
        is_field = bool(leading) and _is_instructions(leading[0])
        lead = _instructions if has_field and role == "system" else _system
        injected = prompt
        match self._mode:
            case "before" if is_field:
                leading = [lead(role, f"{prompt}\n\n{leading[0].text}"), *leading[1:]]
            case "before":
                leading = [lead(role, prompt), *leading]
            case "after" if is_field:
                leading = [lead(role, f"{leading[0].text}\n\n{prompt}"), *leading[1:]]
            case "after" if not leading:
                leading = [lead(role, prompt)]
            case "after":
                leading = [*leading, _system(role, prompt)]
            case "wrapper":
                injected = prompt.replace(_PLACEHOLDER, original)
                leading = [lead(role, injected, _cache_of(leading))]
            case _:
                leading = [lead(role, prompt, _cache_of(leading))]
        request.messages = leading + rest
        return injected


_RESPONSES = "openai_responses"


def _is_instructions(message: Message) -> bool:
    return "_instructions" in message.provider_metadata.get(_RESPONSES, {})


def _system(role: str, text: str, cache: CacheHint | None = None) -> Message:
    return Message(role, [TextPart(text, cache=cache)])


def _instructions(role: str, text: str, cache: CacheHint | None = None) -> Message:
    """The leading prompt of a client of the Responses API: its field `instructions`, not an item of `input`. Items are
    carried over with `previous_response_id`, so that each turn would add another copy."""
    metadata: dict[str, dict[str, Any]] = {_RESPONSES: {"_instructions": True}}
    return Message(role, [TextPart(text, cache=cache)], provider_metadata=metadata)


def _cache_of(messages: list[Message]) -> CacheHint | None:
    """The hint that ends the client's system prompt: what is in its place ends the same cached prefix."""
    return messages[-1].content[-1].cache if messages and messages[-1].content else None
