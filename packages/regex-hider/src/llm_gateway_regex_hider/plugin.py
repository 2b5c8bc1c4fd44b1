"""The plugin: hides what its patterns find in requests, replies, streams and errors, or refuses it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from typing import Any

from llm_gateway_sdk import (
    Choice,
    LLMRequest,
    ModelError,
    Plugin,
    PluginResult,
    RequestContext,
    ToolCallPart,
    plugin_metadata,
)  # fmt: skip
from llm_gateway_sdk.plugin import HookReturn

from . import __version__
from .aside import LARGE_BYTES, Aside
from .redaction.bodies import BodyRedactor
from .redaction.bounds import Blocked, Findings, LimitExceeded
from .redaction.stream import StreamedReplyRedactor, is_blank
from .settings import SCHEMA, Direction, PatternErrors, Settings, load_settings

log = logging.getLogger("llm_gateway.plugins.regex_hider")

_RESPONSE_PHASES = frozenset({"after_model", "after_chunk", "on_model_error"})


@plugin_metadata(
    name="regex-hider",
    version=__version__,
    description="Redacts what regular expressions find in requests and replies, streams included, or refuses it.",
    configuration_schema=SCHEMA,
    keywords=("privacy", "redaction", "guardrail"),
)
class RegexHider(Plugin):
    edits_request = True

    async def validate_config(self, config: Any) -> bool | str | Sequence[str] | None:
        try:
            load_settings(config)
        except PatternErrors as error:
            return error.messages
        except ValueError as error:
            return str(error)
        return True

    async def configure(self, config: Any) -> None:
        await super().configure(config)
        self._settings: Settings = load_settings(config)
        self._state_key = f"regex_hider.{id(self)}"
        self._aside = Aside(lambda: load_settings(config))
        for name in self._settings.ignored:
            log.info("regex-hider: %s has no effect; text is held only while it may become a match", name)

    async def close(self) -> None:
        self._aside.close()

    def wants(self, phase: str, ctx: RequestContext) -> bool:
        if phase == "before_model":
            return self._settings.request is not None
        return self._settings.response is not None and phase in _RESPONSE_PHASES

    def before_model(self, ctx: RequestContext) -> HookReturn | Awaitable[HookReturn]:
        if self._settings.request is None or not ctx.has_request:
            return None
        size = len(ctx.http_request.body)
        if size > LARGE_BYTES or (size == 0 and _is_large_event(ctx.request)):
            return self._aside.run(lambda settings: self._redact_request(ctx, settings))
        return self._redact_request(ctx, self._settings)

    def _redact_request(self, ctx: RequestContext, settings: Settings) -> PluginResult | None:
        rules = settings.request
        assert rules is not None
        redactor = BodyRedactor(rules, on_limit=settings.on_limit)
        try:
            redactor.request(ctx.request)
        except (Blocked, LimitExceeded) as reason:
            return self._refusal(ctx, reason, "request")
        ctx.losses.extend(redactor.losses)
        self._log(ctx, redactor.findings, "request")
        return None

    def after_model(self, ctx: RequestContext) -> HookReturn | Awaitable[HookReturn]:
        if self._settings.response is None:
            return None
        if ctx.response is not None and _are_large(ctx.response.choices):
            return self._aside.run(lambda settings: self._redact_response(ctx, settings))
        return self._redact_response(ctx, self._settings)

    def _redact_response(self, ctx: RequestContext, settings: Settings) -> PluginResult | None:
        rules, response = settings.response, ctx.response
        if rules is None or response is None:
            return None
        redactor = BodyRedactor(rules, on_limit=settings.on_limit, side="response")
        try:
            redactor.response(response)
        except (Blocked, LimitExceeded) as reason:
            return self._refusal(ctx, reason, "response")
        ctx.losses.extend(redactor.losses)
        self._log(ctx, redactor.findings, "response")
        return None

    def after_chunk(self, ctx: RequestContext) -> PluginResult | None:
        chunk = ctx.buffered_chunk
        if self._settings.response is None or chunk is None:
            return None
        final = ctx.final_chunk
        redactor = ctx.attempt_data.get(self._state_key) or self._stream(ctx)
        try:
            redacted = redactor.push(chunk, final=final)
        except (Blocked, LimitExceeded) as reason:
            return self._refusal(ctx, reason, "response")
        if final:
            ctx.losses.extend(redactor.losses)
            self._log(ctx, redactor.findings(), "response")
        if redacted is chunk:
            return None
        ctx.buffered_chunk = redacted
        # What is held has no text left: the chain adds the next chunk to its ids and counts only.
        return PluginResult(emit_chunk=False) if is_blank(redacted) else None

    def on_model_error(self, ctx: RequestContext) -> PluginResult | None:
        rules = self._settings.response
        if rules is None or not isinstance(ctx.error, ModelError):
            return None
        redactor = BodyRedactor(rules, on_limit="mask", side="response")
        try:
            ctx.error = redactor.error(ctx.error)
        except Blocked as reason:
            ctx.error = ModelError(
                f"The provider's error message was withheld: it matches {reason}.", status=ctx.error.status
            )
        self._log(ctx, redactor.findings, "error")
        return None

    def _stream(self, ctx: RequestContext) -> StreamedReplyRedactor:
        redactor: StreamedReplyRedactor | None = ctx.attempt_data.get(self._state_key)
        if redactor is None:
            settings = self._settings
            assert settings.response is not None
            redactor = ctx.attempt_data[self._state_key] = StreamedReplyRedactor(
                settings.response, max_size=settings.max_size, on_limit=settings.on_limit
            )
        return redactor

    def _refusal(self, ctx: RequestContext, reason: Blocked | LimitExceeded, direction: Direction) -> PluginResult:
        if isinstance(reason, Blocked):
            message = f"The {direction} was refused: it matches {reason}."
            if reason.index in self._settings.logged:
                log.info("%s: refused the %s: it matches %s", ctx.request_id, direction, reason)
        else:
            message = f"The {direction} was refused: {reason}."
        return PluginResult(success=False, status=400, error=message)

    def _count(self, ctx: RequestContext, findings: Findings, where: str) -> None:
        """Counts without texts, for traces: what a reader of the recorded request does not see in it."""
        hidden = ctx.metadata.setdefault("hidden", {})
        for index, count in findings.matches.items():
            name = f"{where}: {self._settings.names[index]}"
            hidden[name] = hidden.get(name, 0) + count
        if findings.masked:
            hidden[f"{where}: undecided"] = findings.masked

    def _log(self, ctx: RequestContext, findings: Findings, where: str) -> None:
        if not findings.matches and not findings.masked:
            return
        self._count(ctx, findings, where)
        counts = {index: count for index, count in findings.matches.items() if index in self._settings.logged}
        if counts:
            counted = ", ".join(f"patterns[{index}] × {count}" for index, count in sorted(counts.items()))
            log.info("%s: hidden in the %s: %s", ctx.request_id, where, counted)
        if findings.masked:
            log.warning(
                "%s: hidden in the %s without a match, because they could not be searched within the limits: %d texts",
                ctx.request_id, where, findings.masked,
            )  # fmt: skip


def _is_large_event(request: LLMRequest) -> bool:
    """Whether a request that came without a body, such as an event of a session, is searched aside."""
    return _are_large([Choice(0, message) for message in request.messages])


def _are_large(places: Sequence[Choice]) -> bool:
    """Whether what a request or reply holds is searched aside."""
    size = 0
    for place in places:
        for part in place.message.content:
            text = part.arguments if isinstance(part, ToolCallPart) else getattr(part, "text", None)
            size += _PART + len(text or "")
    return size > LARGE_BYTES


_PART = 64
"""A part without a text costs as much as so many letters."""
