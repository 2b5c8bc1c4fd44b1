"""The memo of a request: what its reply repeats, and how the client names its tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway_sdk.dialect import Echo
from llm_gateway_sdk.request import LLMRequest

from .tools import ToolName, ToolNames

__all__ = ["REPEATED", "ResponsesEcho", "echo_of"]


@dataclass(slots=True)
class ResponsesEcho(Echo):
    response_id: str | None = None
    """The id that the reply is to have; None leaves the provider's."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The request's own values of what the `Response` type repeats."""
    names: Mapping[str, ToolName] = field(default_factory=dict)
    """The client's tools by their flat names."""
    by_client_name: Mapping[tuple[str | None, str], ToolName] = field(default_factory=dict)
    """The same by (namespace, name), for calls which name them so."""

    def tool(self, name: str, namespace: str | None) -> ToolName | None:
        """The client's tool that a call means, by flat name or by the client's own."""
        if namespace is not None:
            known = self.by_client_name.get((namespace, name))
            if known is not None:
                return known
        return self.names.get(name)


def echo_of(body: Mapping[str, Any], request: LLMRequest, names: ToolNames) -> ResponsesEcho:
    fields = {key: body[key] for key in REPEATED if key in body}
    return ResponsesEcho(
        model=request.model,
        stream=request.stream,
        fields=fields,
        names=names.by_flat,
        by_client_name={(tool.namespace, tool.name): tool for tool in names.by_flat.values()},
    )


REPEATED = (
    "instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "prompt_cache_key",
    "reasoning", "safety_identifier", "service_tier", "temperature", "text", "tool_choice", "tools", "top_logprobs",
    "top_p", "truncation", "user",
)  # fmt: skip
"""What of a request its reply repeats."""
