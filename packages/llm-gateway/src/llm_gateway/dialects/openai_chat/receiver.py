"""What a server that speaks Chat Completions takes: OpenAI's limits, changed by the quirks of the target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llm_gateway_sdk.dialect import Target
from llm_gateway_sdk.dialects.model_limits import limits_of
from llm_gateway_sdk.dialects.receiver import CHAT, CallIds, Receiver, ToolNames, UserIds

__all__ = ["receiver_of", "receiver_of_own"]

_OPENAI = frozenset({"", "openai", "azure-openai"})
"""Provider types whose servers have the files of OpenAI's clients."""


def receiver_of(target: Target) -> Receiver:
    """What requests of clients of other APIs have to fit."""
    changes = _changes(target)
    if target.quirks.get("tool_name_length"):
        changes["tool_names"] = ToolNames(int(target.quirks["tool_name_length"]))
    if target.provider not in _OPENAI:
        changes["vendors"] = frozenset()
    receiver = replace(CHAT, **changes) if changes else CHAT
    return receiver.of_model(limits_of(target.model, None, target.facts))


def receiver_of_own(target: Target) -> Receiver:
    """What requests of Chat Completions clients have to fit, where they have to: the quirks alone. Names of tools stay,
    since the reply goes back as it comes."""
    return replace(_OPEN, **_changes(target))


_OPEN = Receiver()


def _changes(target: Target) -> dict[str, Any]:
    quirks = target.quirks
    changes: dict[str, Any] = {}
    if quirks.get("call_id_length"):
        changes["call_ids"] = CallIds(exactly=int(quirks["call_id_length"]))
    if quirks.get("user_length"):
        changes["users"] = UserIds(int(quirks["user_length"]))
    if quirks.get("system_turns") == "first":
        changes["one_system"] = True
    return changes
