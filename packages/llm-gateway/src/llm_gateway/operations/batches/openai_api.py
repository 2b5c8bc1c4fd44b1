"""OpenAI's batches at a provider: a file of requests, a batch of it, and files of results.

Shapes after the API reference (platform.openai.com/docs/api-reference/batch).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, get_args
from urllib.parse import quote

from llm_gateway_sdk import DialectError, Headers, Usage, WireRequest
from llm_gateway_sdk.operations.batch import BatchAPI, BatchPhase, BatchResult, BatchStatus, ResultKind
from llm_gateway_sdk.operations.reading import object_of
from llm_gateway_sdk.wire import json

__all__ = ["OpenAIBatchAPI"]

_PHASES: dict[str, BatchPhase] = {phase: phase for phase in get_args(BatchPhase)}
_UNDONE: dict[str, ResultKind] = {"batch_expired": "expired", "batch_cancelled": "cancelled"}


class OpenAIBatchAPI(BatchAPI):
    """Paths are relative to a base URL that ends in the version."""

    name: ClassVar[str] = "openai"
    ids: ClassVar[re.Pattern[str]] = re.compile(r"(?s).{1,512}")

    def status_request(self, id_: str) -> WireRequest:
        return WireRequest("GET", f"/batches/{quote(id_, safe='')}")

    def cancel_request(self, id_: str) -> WireRequest:
        return WireRequest("POST", f"/batches/{quote(id_, safe='')}/cancel")

    def results_request(self, place: str) -> WireRequest:
        return WireRequest("GET", f"/files/{quote(place, safe='')}/content")

    def decode_status(self, body: bytes) -> BatchStatus:
        batch = object_of(body)
        id_, phase = batch.get("id"), _PHASES.get(str(batch.get("status")))
        if not isinstance(id_, str) or phase is None:
            raise DialectError("expected a batch with an id and a status that is known")
        counts = batch.get("request_counts")
        counts = counts if isinstance(counts, dict) else {}
        errors = batch.get("errors")
        listed = errors.get("data") if isinstance(errors, dict) else None
        ended = [_whole(batch.get(f"{name}_at")) for name in ("completed", "failed", "expired", "cancelled")]
        return BatchStatus(
            id_,
            phase,
            created=_whole(batch.get("created_at")),
            ended=next((when for when in ended if when is not None), None),
            expires=_whole(batch.get("expires_at")),
            counts={"succeeded": _whole(counts.get("completed")) or 0, "errored": _whole(counts.get("failed")) or 0},
            results=[
                batch[key] for key in ("output_file_id", "error_file_id") if isinstance(batch.get(key), str)
            ],
            files=[
                batch[key]
                for key in ("input_file_id", "output_file_id", "error_file_id")
                if isinstance(batch.get(key), str)
            ],
            usage=_usage(batch),
            problems=[each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else [],
        )  # fmt: skip

    def decode_result(self, line: bytes) -> BatchResult | None:
        if not line.strip():
            return None
        result = object_of(line)
        custom_id, response, error = result.get("custom_id"), result.get("response"), result.get("error")
        if not isinstance(custom_id, str):
            raise DialectError("expected a line with a custom_id")
        if isinstance(response, dict):
            status, body = _whole(response.get("status_code")) or 200, response.get("body")
            kind: ResultKind = "succeeded" if status < 400 else "errored"
            request_id = response.get("request_id")
            return BatchResult(
                custom_id, kind, status, body if isinstance(body, dict) else {},
                request_id if isinstance(request_id, str) else "",
            )  # fmt: skip
        error = error if isinstance(error, dict) else {}
        return BatchResult(custom_id, _UNDONE.get(str(error.get("code")), "errored"), 500, {"error": error})

    def dialect_of(self, result: BatchResult) -> str:
        match (result.body or {}).get("object"):
            case "chat.completion":
                return "openai_chat"
            case "response":
                return "openai_responses"
        return ""

    def next_call(
        self, lines: Sequence[tuple[str, dict[str, Any]]], dialect: str, replies: Sequence[bytes], model: str = ""
    ) -> WireRequest | None:
        """A file of the lines, then the batch."""
        url = _URLS.get(dialect)
        if url is None:
            raise DialectError("these lines have no endpoint that batches take")
        if len(replies) > 1:
            return None
        if not replies:
            written = [
                json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body}) + b"\n"
                for custom_id, body in lines
            ]
            headers = Headers.of([("content-type", f"multipart/form-data; boundary={_BOUNDARY}")])
            return WireRequest("POST", "/files", "", headers, _form(b"".join(written)))
        file = _id_in(replies[0])
        if file is None:
            raise DialectError("expected a file with an id")
        asked = {"input_file_id": file, "endpoint": url, "completion_window": "24h"}
        headers = Headers.of([("content-type", "application/json")])
        return WireRequest("POST", "/batches", "", headers, json.dumps(asked))

    def undo_requests(self, replies: Sequence[bytes]) -> list[WireRequest]:
        ids = [_id_in(reply) for reply in replies[:2]]
        calls = [self.cancel_request(id_) for id_ in ids[1:] if id_ is not None]
        return calls + [_deletion(id_) for id_ in ids[:1] if id_ is not None]

    def delete_requests(self, status: BatchStatus) -> list[WireRequest]:
        """A batch itself can't be deleted; its files can."""
        return [_deletion(file) for file in status.files]


def _deletion(file: str) -> WireRequest:
    return WireRequest("DELETE", f"/files/{quote(file, safe='')}")


def _id_in(reply: bytes) -> str | None:
    try:
        id_ = object_of(reply).get("id")
    except DialectError:
        return None
    return id_ if isinstance(id_, str) else None


_URLS = {"openai_chat": "/v1/chat/completions", "openai_responses": "/v1/responses"}
_BOUNDARY = "llm-gateway-batch-7MA4YWxkTrZu0gW"
"""JSON holds no line break within a value, so that no line of the file can be this."""


def _form(content: bytes) -> bytes:
    delimiter = b"--" + _BOUNDARY.encode()
    return b"".join(
        (
            delimiter, b'\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n',
            delimiter, b'\r\nContent-Disposition: form-data; name="file"; filename="batch.jsonl"\r\n',
            b"Content-Type: application/jsonl\r\n\r\n", content, b"\r\n", delimiter, b"--\r\n",
        )
    )  # fmt: skip


def _usage(batch: dict[str, Any]) -> Usage | None:
    """What all lines have used; reported by OpenAI since September 2025."""
    usage = batch.get("usage")
    if not isinstance(usage, dict):
        return None
    used, made = _whole(usage.get("input_tokens")), _whole(usage.get("output_tokens"))
    if used is None or made is None or not used + made:
        return None  # a batch without results shows zeros until it is counted
    details, counts = usage.get("input_tokens_details"), batch.get("request_counts")
    read = _whole(details.get("cached_tokens")) if isinstance(details, dict) else None
    lines = 1
    if isinstance(counts, dict):
        lines = max(1, _whole(counts.get("completed")) or 0)
    return Usage(used, made, read, service_tier="batch", requests=lines)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
