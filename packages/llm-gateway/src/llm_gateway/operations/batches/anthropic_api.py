"""Anthropic's Message Batches at a provider.

Shapes after the API reference (docs.anthropic.com/en/api/creating-message-batches).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from llm_gateway_sdk import DialectError, Headers, WireRequest
from llm_gateway_sdk.operations.batch import BatchAPI, BatchPhase, BatchResult, BatchStatus, ResultKind
from llm_gateway_sdk.operations.reading import object_of
from llm_gateway_sdk.waiting import seconds_of_moment
from llm_gateway_sdk.wire import json

__all__ = ["AnthropicBatchAPI"]

_BASE = "/v1/messages/batches"
_KINDS: dict[str, ResultKind] = {
    "succeeded": "succeeded", "errored": "errored", "canceled": "cancelled", "expired": "expired",
}  # fmt: skip


class AnthropicBatchAPI(BatchAPI):
    name: ClassVar[str] = "anthropic"
    ids: ClassVar[re.Pattern[str]] = re.compile(r"[a-zA-Z0-9_-]{1,64}")

    def status_request(self, id_: str) -> WireRequest:
        return WireRequest("GET", f"{_BASE}/{quote(id_, safe='')}")

    def cancel_request(self, id_: str) -> WireRequest:
        return WireRequest("POST", f"{_BASE}/{quote(id_, safe='')}/cancel")

    def results_request(self, place: str) -> WireRequest:
        return WireRequest("GET", f"{_BASE}/{quote(place, safe='')}/results")

    def decode_status(self, body: bytes) -> BatchStatus:
        batch = object_of(body)
        id_, word = batch.get("id"), batch.get("processing_status")
        if not isinstance(id_, str) or word not in ("in_progress", "canceling", "ended"):
            raise DialectError("expected a batch with an id and a processing_status that is known")
        counts = batch.get("request_counts")
        counts = counts if isinstance(counts, dict) else {}
        found: dict[ResultKind, int] = {kind: _whole(counts.get(name)) for name, kind in _KINDS.items()}
        phase: BatchPhase = "cancelling" if word == "canceling" else "in_progress"
        if word == "ended":
            phase = _end(found, batch)
        return BatchStatus(
            id_,
            phase,
            created=seconds_of_moment(batch.get("created_at")),
            ended=seconds_of_moment(batch.get("ended_at")),
            expires=seconds_of_moment(batch.get("expires_at")),
            counts=found,
            results=[id_] if word == "ended" else [],
        )

    def decode_result(self, line: bytes) -> BatchResult | None:
        if not line.strip():
            return None
        whole = object_of(line)
        custom_id, result = whole.get("custom_id"), whole.get("result")
        kind = _KINDS.get(str(result.get("type"))) if isinstance(result, dict) else None
        if not isinstance(custom_id, str) or not isinstance(result, dict) or kind is None:
            raise DialectError("expected a line with a custom_id and a result whose type is known")
        if kind == "succeeded":
            message = result.get("message")
            if not isinstance(message, dict):
                raise DialectError("expected a message", path="result.message")
            return BatchResult(custom_id, kind, 200, message)
        error = result.get("error")
        error = error if isinstance(error, dict) else {}
        inner = error.get("error")
        name = inner.get("type") if isinstance(inner, dict) else None
        request_id = error.get("request_id")
        return BatchResult(
            custom_id, kind, _STATUS.get(str(name), 500), error, request_id if isinstance(request_id, str) else ""
        )

    def dialect_of(self, result: BatchResult) -> str:
        return "anthropic"

    def next_call(
        self, lines: Sequence[tuple[str, dict[str, Any]]], dialect: str, replies: Sequence[bytes], model: str = ""
    ) -> WireRequest | None:
        if replies:
            return None
        body = {"requests": [{"custom_id": custom_id, "params": params} for custom_id, params in lines]}
        headers = Headers.of([("content-type", "application/json")])
        return WireRequest("POST", _BASE, "", headers, json.dumps(body))

    def undo_requests(self, replies: Sequence[bytes]) -> list[WireRequest]:
        """Only a batch that has ended can be deleted."""
        try:
            return [self.cancel_request(self.decode_status(reply).id) for reply in replies[:1]]
        except DialectError:
            return []

    def delete_requests(self, status: BatchStatus) -> list[WireRequest]:
        return [WireRequest("DELETE", f"{_BASE}/{quote(status.id, safe='')}")]


_STATUS = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "timeout_error": 504,
    "api_error": 500, "overloaded_error": 529,
}  # fmt: skip


def _end(counts: dict[ResultKind, int], batch: dict[str, Any]) -> BatchPhase:
    """Anthropic's batches end in one way; how is in the counts."""
    if batch.get("cancel_initiated_at"):
        return "cancelled"
    done = counts["succeeded"] + counts["errored"]
    return "expired" if counts["expired"] and not done else "completed"


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
