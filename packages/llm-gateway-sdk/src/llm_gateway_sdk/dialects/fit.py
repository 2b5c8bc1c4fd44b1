"""One step between every client's dialect and every provider's: a request is made to fit its receiver.

`fit` takes a canonical request and gives an equal one within the receiver's limits. Nothing of the sender's
is changed in place, since another attempt may go to another receiver, and what fits already is the very same object.
What was changed is reported as converted, and the names of tools come back by `Fitted.names`.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

from ..losses import Losses
from ..parts import MediaPart, RefusalPart, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from ..reasoning import EFFORTS
from ..request import LLMRequest, Message, Reasoning, Tool, ToolLike
from ..values import replace
from .bounds import fit_bounds, fit_cache_marks, fit_json_with_tools, fit_tool_count
from .call_ids import fit_ids
from .documents import fit_documents
from .drafts import current_draft
from .files import refuse_foreign_files
from .formats import fit_format
from .grammar import fit_strict_tools
from .history import (
    CONTINUE,
    begin_with_user,
    join_turns,
    one_system_message,
    results_after_calls,
    without_blank_texts,
    without_trailing_blank,
)
from .images import fit_images
from .media import fit_media, refuse_audio
from .model_fit import fit_model
from .model_limits import ANY_MODEL
from .receiver import Receiver
from .schemas import is_openai_strict, is_recursive, is_whole, plain_root, structured_schema, whole_root
from .tool_names import fit_names, rename_calls, rename_choice, rename_tools
from .users import user_fitting

__all__ = ["Fitted", "fit"]


@dataclass(slots=True)
class Fitted:
    request: LLMRequest
    names: dict[str, str] = field(default_factory=dict)
    """The client's names of tools by those that were sent, where they differ."""


def fit(request: LLMRequest, receiver: Receiver, losses: Losses, sender: str = "", *, is_bare: bool = False) -> Fitted:
    """Makes a request fit. `sender` is the dialect of the client; `is_bare` as in `Dialect.translate`. Raises
    DialectError for what cannot be sent at all, such as a file that only another vendor has."""
    kinds = _BARE if is_bare else _kinds(request.messages)
    names: dict[str, str] = {}
    rule = receiver.tool_names
    if rule is not None and (request.tools or ToolCallPart in kinds):
        fitting = fit_names(request, rule, of_messages=not is_bare)
        if fitting:
            losses.converted("tools[*].name", "a name that the provider takes; replies have the client's own")
            request = replace(
                request,
                messages=rename_calls(request.messages, fitting),
                tools=rename_tools(request.tools, fitting),
                tool_choice=rename_choice(request.tool_choice, fitting),
            )
            names = {name: own for own, name in fitting.items()}
    if request.reasoning is not None and request.reasoning.effort is not None:
        request = _fit_effort(request, request.reasoning, receiver, losses, sender)
    if receiver.model is not ANY_MODEL:
        request = fit_model(request, receiver.model, losses)
    if request.response_format is not None:
        request = fit_format(request, receiver, losses)
    most, tokens = receiver.bounds.max_tokens, request.max_tokens
    if (
        True in kinds
        or request.tools[1:]  # one tool has no other of its name, and one mark at most
        or request.stop
        or request.metadata
        or request.response_format is not None
        or request.n is not None
        or request.seed is not None
        or request.top_k is not None
        or request.cache_key is not None
        or request.parallel_tool_calls is not None
        or (most is not None and tokens is not None and tokens > most)
    ):
        request = _fit_counts(request, receiver, losses, marked=True in kinds)
    changes: dict[str, Any] = {}
    messages = _fit_messages(request.messages, kinds, receiver, losses, sender, is_bare=is_bare)
    if messages is not request.messages:
        changes["messages"] = messages
    if request.user is not None and receiver.users is not None:
        user = user_fitting(request.user, receiver.users)
        if user != request.user:
            losses.converted("user", "a hash of an id that the provider does not take")
            changes["user"] = user
    if request.tools:
        tools = _fit_tools(request.tools, receiver, losses)
        if receiver.grammar is not None:
            tools = fit_strict_tools(request, tools, receiver, losses)
        if tools is not request.tools:
            changes["tools"] = tools
    return Fitted(replace(request, **changes) if changes else request, names)


def _kinds(messages: list[Message]) -> Set[type | bool]:
    """Types of the parts, and whether any has a cache mark: True for one that has."""
    return {each for message in messages for part in message.content for each in (type(part), part.cache is not None)}


def _fit_counts(request: LLMRequest, receiver: Receiver, losses: Losses, *, marked: bool) -> LLMRequest:
    """The request within the receiver's bounds."""
    bounds = receiver.bounds
    request = fit_bounds(request, receiver, losses)
    if request.tools:
        tools = fit_tool_count(request, bounds, losses)
        if tools is not request.tools:
            request = replace(request, tools=tools)
        if request.response_format is not None and not bounds.json_with_tools:
            request = fit_json_with_tools(request, losses)
    if bounds.cache_marks is not None and (marked or any(tool.cache is not None for tool in request.tools)):
        request = fit_cache_marks(request, bounds.cache_marks, losses)
    return request


def _fit_effort(
    request: LLMRequest, reasoning: Reasoning, receiver: Receiver, losses: Losses, sender: str
) -> LLMRequest:
    """The effort by the word that all know; a word of one vendor's own goes only to that vendor."""
    word = (reasoning.effort or "").lower()
    if reasoning.effort in EFFORTS or (receiver.vendors is not None and sender in receiver.vendors):
        return request
    known = word if word in EFFORTS else None
    if known is None:
        losses.dropped("reasoning.effort", f"'{reasoning.effort}'"[:40])
    return replace(request, reasoning=replace(reasoning, effort=known))


_OPENAI = frozenset({"openai_chat", "openai_responses"})
"""Dialects whose clients do not expect that their last turn is continued."""
_PLAIN: frozenset[type | bool] = frozenset({TextPart, RefusalPart, ThinkingPart, True, False})
_BARE: frozenset[type | bool] = frozenset({TextPart, False})


def _fit_messages(
    messages: list[Message],
    kinds: Set[type | bool],
    receiver: Receiver,
    losses: Losses,
    sender: str,
    *,
    is_bare: bool,
) -> list[Message]:
    came = messages
    answered = bool(messages) and messages[-1].role != "assistant"
    if not kinds <= _PLAIN:
        if MediaPart in kinds or ToolResultPart in kinds:
            messages = fit_media(messages, losses, checked=receiver.checked_labels)
            if receiver.images is not None:
                messages = fit_images(messages, receiver.images, losses)
            if receiver.vendors is not None and sender not in receiver.vendors:
                refuse_foreign_files(messages)
            if receiver.documents is not None:
                messages = fit_documents(messages, receiver.documents, losses)
            if not receiver.audio:
                refuse_audio(messages)
        if ToolCallPart in kinds or ToolResultPart in kinds:
            messages = fit_ids(messages, receiver.call_ids, losses)
            messages = results_after_calls(messages, losses)
    if not receiver.blank_texts:
        messages = without_blank_texts(messages, losses)
    if receiver.one_system:
        messages = one_system_message(messages, losses)
    if receiver.joined and not (is_bare and messages is came):
        messages = join_turns(messages, receiver.joined)
    if receiver.begins_with_user or receiver.user_before_assistant:
        messages = begin_with_user(messages, losses, always=receiver.begins_with_user)
    if messages and messages[-1].role == "assistant" and (answered or not receiver.model.prefill):
        # A late result went to its call, so that what followed the call is now the last.
        losses.converted("messages", "a turn of the user's last")
        messages = [*messages, Message("user", [TextPart(CONTINUE)])]
    if not receiver.trailing_blank:
        messages = without_trailing_blank(messages, losses)
    if not receiver.continues and messages and messages[-1].role == "assistant" and sender not in _OPENAI:
        losses.converted("messages", "the model answers after the last turn and does not continue it")
    return messages


# Schemas.


def _fit_tools(tools: list[ToolLike], receiver: Receiver, losses: Losses) -> list[ToolLike]:
    fitted: list[ToolLike] | None = None
    for place, tool in enumerate(tools):
        if type(tool) is not Tool:
            continue
        if (
            receiver.whole_schemas
            and tool.parameters
            and (schema := current_draft(tool.parameters)) is not tool.parameters
        ):
            losses.converted("tools[*].parameters", "as JSON Schema 2020-12")
            tool = replace(tool, parameters=schema)
            fitted = list(tools) if fitted is None else fitted
            fitted[place] = tool
        if not tool.strict and is_whole(tool.parameters):
            continue
        changed = _fit_tool(tool, receiver, losses)
        if changed is not tool:
            fitted = list(tools) if fitted is None else fitted
            fitted[place] = changed
    return tools if fitted is None else fitted


def _fit_tool(tool: Tool, receiver: Receiver, losses: Losses) -> Tool:
    schema, strict = tool.parameters, tool.strict
    if tool.kind == "custom":
        return tool
    if receiver.plain_roots and schema:
        schema = plain_root(schema)
        if schema is not tool.parameters:
            losses.converted("tools[*].parameters", "alternatives at the root as one object")
    if receiver.whole_schemas:
        schema = whole_root(schema)
    if strict and schema is not None:
        if receiver.strict == "openai" and not is_openai_strict(schema):
            losses.dropped("tools[*].strict", "the schema is not in the form of strict mode")
            strict = False
        elif receiver.strict == "anthropic":
            if schema.get("type") != "object":
                losses.dropped("tools[*].strict", "the schema has no object at its root")
                strict = False
            elif is_recursive(schema):
                losses.dropped("tools[*].strict", "the schema is recursive")
                strict = False
            else:
                closed = structured_schema(schema)
                if closed != schema:
                    losses.converted("tools[*].parameters", "in the form of strict tools")
                    schema = closed
    if schema is tool.parameters and strict is tool.strict:
        return tool
    return replace(tool, parameters=schema, strict=strict)
