"""Batches at a provider of the Gemini API: `batchGenerateContent` and `asyncBatchEmbedContent` over an uploaded file.

    upload of the lines ──▶ files/…  ──▶ models/M:batchGenerateContent ──▶ operation `batches/…` ──▶ file of responses

Shapes after the API reference (ai.google.dev/api/batch-api, ai.google.dev/api/files) and google-genai.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from llm_gateway_sdk import DialectError, Headers, Usage, WireRequest
from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.operations.batch import FINAL, BatchAPI, BatchPhase, BatchResult, BatchStatus, ResultKind
from llm_gateway_sdk.operations.reading import count, object_of
from llm_gateway_sdk.waiting import seconds_of_moment
from llm_gateway_sdk.wire import json

from .parts import NAME
from .paths import build_path

__all__ = ["STATES", "GeminiBatchAPI"]

STATES: Mapping[BatchPhase, str] = {
    "validating": "BATCH_STATE_PENDING",
    "in_progress": "BATCH_STATE_RUNNING",
    "finalizing": "BATCH_STATE_RUNNING",
    "cancelling": "BATCH_STATE_RUNNING",
    "completed": "BATCH_STATE_SUCCEEDED",
    "failed": "BATCH_STATE_FAILED",
    "cancelled": "BATCH_STATE_CANCELLED",
    "expired": "BATCH_STATE_EXPIRED",
}
_PHASES: dict[str, BatchPhase] = {
    "UNSPECIFIED": "validating", "PENDING": "validating", "RUNNING": "in_progress", "SUCCEEDED": "completed",
    "FAILED": "failed", "CANCELLED": "cancelled", "EXPIRED": "expired",
}  # fmt: skip
_STATE = re.compile(r"(?:BATCH_STATE_|JOB_STATE_)?([A-Z]+)")
_UNDONE: dict[int, ResultKind] = {1: "cancelled"}
"""Codes of google.rpc.Code for lines that were not worked on."""
_HTTP = {1: 499, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 12: 501, 13: 500, 14: 503, 16: 401}
_BOUNDARY = "llm-gateway-batch-7MA4YWxkTrZu0gW"
"""JSON holds no line break within a value, so that no line of the file can be this."""


class GeminiBatchAPI(BatchAPI):
    """Paths are relative to a base URL that ends in the version; uploads have a path of their own, see
    `GeminiProvider.url`."""

    name: ClassVar[str] = NAME
    one_model: ClassVar[bool] = True
    cancel_gives_status: ClassVar[bool] = False

    def status_request(self, id_: str) -> WireRequest:
        return WireRequest("GET", f"/batches/{quote(id_, safe='')}")

    def cancel_request(self, id_: str) -> WireRequest:
        return WireRequest("POST", f"/batches/{quote(id_, safe='')}:cancel")

    def results_request(self, place: str) -> WireRequest:
        return WireRequest("GET", f"/files/{quote(place, safe='')}:download", "alt=media")

    def decode_status(self, body: bytes) -> BatchStatus:
        operation = object_of(body)
        name, about = operation.get("name"), _object(operation.get("metadata"))
        state = _STATE.fullmatch(str(about.get("state")))
        phase = _PHASES.get(state[1]) if state is not None else None
        if not isinstance(name, str) or not name.startswith("batches/") or phase is None:
            raise DialectError("expected an operation `batches/…` whose state is known")
        stats, problems = _object(about.get("batchStats")), []
        if (error := _object(operation.get("error"))) and phase in FINAL:
            problems = [{"code": str(error.get("status", error.get("code", ""))), "message": str(error.get("message"))}]
            phase = "failed" if phase == "completed" else phase
        responses = _file(_object(about.get("output")).get("responsesFile"))
        responses = responses or _file(_object(operation.get("response")).get("responsesFile"))
        source = _file(_object(about.get("inputConfig")).get("fileName"))
        return BatchStatus(
            name.removeprefix("batches/"),
            phase,
            created=_moment(about.get("createTime")),
            ended=_moment(about.get("endTime")),
            counts={
                "succeeded": _whole(stats.get("successfulRequestCount")),
                "errored": _whole(stats.get("failedRequestCount")),
            },
            results=[responses] if responses and phase in FINAL else [],
            files=[file for file in (source, responses) if file],
            problems=problems,
        )

    def decode_result(self, line: bytes) -> BatchResult | None:
        if not line.strip():
            return None
        whole = object_of(line)
        key, response, error = whole.get("key"), whole.get("response"), whole.get("error", whole.get("status"))
        if not isinstance(key, str):
            raise DialectError("expected a line with a key")
        if isinstance(response, dict):
            return BatchResult(key, "succeeded", 200, response)
        if not isinstance(error, dict):
            raise DialectError("expected a line with a response or an error")
        code = error.get("code")
        code = code if isinstance(code, int) and not isinstance(code, bool) else 13
        return BatchResult(key, _UNDONE.get(code, "errored"), _HTTP.get(code, code if 400 <= code < 600 else 500), {
            "error": error
        })  # fmt: skip

    def dialect_of(self, result: BatchResult) -> str:
        return "" if "embedding" in (result.body or {}) else NAME

    def used_by(self, result: BatchResult) -> Usage | None:
        body = result.body or {}
        if "embedding" not in body:
            return None
        used = body.get("tokenCount")
        tokens = whole_number(used) if isinstance(used, str) else count(used)
        return None if tokens is None else Usage(input_tokens=tokens, service_tier="batch")

    def next_call(
        self, lines: Sequence[tuple[str, dict[str, Any]]], dialect: str, replies: Sequence[bytes], model: str = ""
    ) -> WireRequest | None:
        """A file of the lines, then the batch; lines without a dialect are embeddings."""
        if len(replies) > 1:
            return None
        if not replies:
            written = [json.dumps({"key": key, "request": body}) + b"\n" for key, body in lines]
            kind = f"multipart/related; boundary={_BOUNDARY}"
            headers = Headers.of([("content-type", kind), ("x-goog-upload-protocol", "multipart")])
            return WireRequest("POST", "/upload/files", "", headers, _form(b"".join(written)))
        file = _uploaded(replies[0])
        if file is None:
            raise DialectError("expected a file with a name")
        asked = {"batch": {"displayName": "llm-gateway", "inputConfig": {"fileName": f"files/{file}"}}}
        headers = Headers.of([("content-type", "application/json")])
        method = "batchGenerateContent" if dialect else "asyncBatchEmbedContent"
        return WireRequest("POST", build_path(model, method), "", headers, json.dumps(asked))

    def undo_requests(self, replies: Sequence[bytes]) -> list[WireRequest]:
        calls = []
        for reply in replies[1:2]:
            try:
                calls.append(self.cancel_request(self.decode_status(reply).id))
            except DialectError:
                continue
        files = [_uploaded(reply) for reply in replies[:1]]
        return calls + [_deletion("files", file) for file in files if file is not None]

    def delete_requests(self, status: BatchStatus) -> list[WireRequest]:
        return [_deletion("batches", status.id), *(_deletion("files", file) for file in status.files)]


def _deletion(collection: str, id_: str) -> WireRequest:
    return WireRequest("DELETE", f"/{collection}/{quote(id_, safe='')}")


def _form(content: bytes) -> bytes:
    """`multipart/related` of the file's metadata and its content."""
    delimiter = b"--" + _BOUNDARY.encode()
    about = json.dumps({"file": {"displayName": "batch.jsonl", "mimeType": "application/jsonl"}})
    return b"".join(
        (
            delimiter, b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n", about, b"\r\n",
            delimiter, b"\r\nContent-Type: application/jsonl\r\n\r\n", content, b"\r\n", delimiter, b"--\r\n",
        )
    )  # fmt: skip


def _uploaded(reply: bytes) -> str | None:
    try:
        return _file(_object(object_of(reply).get("file")).get("name")) or None
    except DialectError:
        return None


def _file(name: Any) -> str:
    return name.removeprefix("files/") if isinstance(name, str) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _moment(value: Any) -> int | None:
    return seconds_of_moment(value) if isinstance(value, str) else None


def _whole(value: Any) -> int:
    """Numbers of 64 bits are texts in Google's JSON."""
    number = whole_number(value) if isinstance(value, str) else count(value)
    return number or 0
