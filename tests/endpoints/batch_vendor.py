"""Batches of OpenAI's, Anthropic's and Gemini's APIs as one server: files by their ids, batches that end when a test
lets them, results line by line with what each has used."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vendors import Reply, Seen, Vendors

__all__ = ["USED", "BatchVendor"]

USED = (100, 7)
"""Input and output tokens of each line."""


@dataclass(slots=True)
class Kept:
    """One batch at the vendor."""

    id: str
    lines: list[tuple[str, dict[str, Any]]]
    status: str = "in_progress"
    done: int = 0
    """Lines that are done; the others are, in a batch that has ended, cancelled or expired."""
    endpoint: str = "/v1/chat/completions"
    source: str = ""
    """The file of its lines, where the API shows that."""
    failing: set[str] = field(default_factory=set)
    """Lines that the vendor refuses."""


class BatchVendor(Vendors):
    """`batches` by id; `end` ends one."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Kept] = {}
        self.failing: set[str] = set()
        """Names of lines that are refused, in any batch to come."""
        self.slow = 0.0
        """Seconds before results are read."""
        self.reading = threading.Event()
        """Set while they are."""
        own: list[tuple[str, Callable[[Seen], Reply]]] = [
            (r"POST /v1/files", self._upload),
            (r"GET /v1/files/[^/]+/content", self._content),
            (r"GET /v1/files/[^/]+", self._file),
            (r"POST /v1/batches", self._create),
            (r"(?:GET|POST) /v1/batches/[^/]+(?:/cancel)?", self._batch),
            (r"POST /v1/messages/batches", self._create_messages),
            (r"GET /v1/messages/batches/[^/]+/results", self._results),
            (r"(?:GET|POST|DELETE) /v1/messages/batches/[^/]+(?:/cancel)?", self._messages),
            (r"DELETE /v1/files/[^/]+", self._delete_file),
            (r"POST /upload/v1beta/files", self._upload_lines),
            (r"POST /v1beta/models/[^/]+:(?:batchGenerateContent|asyncBatchEmbedContent)", self._create_gemini),
            (r"(?:GET|POST|DELETE) /v1beta/batches/[^/]+", self._gemini),
            (r"GET /v1beta/files/[^/]+:download", self._download),
            (r"DELETE /v1beta/files/[^/]+", self._delete_file),
        ]
        self.routes = [*own, *self.routes]

    def end(self, id_: str, *, status: str = "completed", done: int | None = None) -> None:
        """`status` in OpenAI's words; of what is not completed so many lines are done."""
        kept = self.batches[id_]
        kept.status, kept.done = status, len(kept.lines) if done is None else done

    @property
    def only(self) -> Kept:
        """The batch, where there is one."""
        assert len(self.batches) == 1
        return next(iter(self.batches.values()))

    def _keep(self, prefix: str, lines: list[tuple[str, dict[str, Any]]]) -> Kept:
        kept = Kept(f"{prefix}{len(self.batches)}", lines, failing=set(self.failing))
        self.batches[kept.id] = kept
        return kept

    # OpenAI.

    def _upload(self, seen: Seen) -> Reply:
        id_ = f"file-{len(self.files)}"
        boundary = re.search(r"boundary=\"?([^\";]+)", seen.headers["content-type"])
        assert boundary is not None
        for part in seen.raw.split(b"--" + boundary[1].encode()):
            head, _, content = part.partition(b"\r\n\r\n")
            if b"filename" in head:
                self.files[id_] = content.removesuffix(b"\r\n")
        return Reply(self._described(id_))

    def _described(self, id_: str) -> dict[str, Any]:
        size = len(self.files[id_])
        return {
            "id": id_, "object": "file", "bytes": size, "created_at": 1, "filename": "a.jsonl", "purpose": "batch",
            "status": "processed",
        }  # fmt: skip

    def _file(self, seen: Seen) -> Reply:
        id_ = seen.path.split("/")[3]
        return Reply(self._described(id_)) if id_ in self.files else Reply(_missing(), 404)

    def _content(self, seen: Seen) -> Reply:
        id_ = seen.path.split("/")[3]
        self.reading.set()
        time.sleep(self.slow)
        if id_ not in self.files:
            return Reply(_missing(), 404)
        return Reply(self.files[id_], headers={"content-type": "application/octet-stream"})

    def _create(self, seen: Seen) -> Reply:
        body = seen.body
        read = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        kept = self._keep("batch_", [(line["custom_id"], line["body"]) for line in read])
        kept.endpoint = body["endpoint"]
        return Reply(self._shown(kept))

    def _batch(self, seen: Seen) -> Reply:
        kept = self.batches.get(seen.path.split("/")[3])
        if kept is None:
            return Reply(_missing(), 404)
        if seen.path.endswith("/cancel"):
            kept.status = "cancelling"
        return Reply(self._shown(kept))

    def _shown(self, kept: Kept) -> dict[str, Any]:
        batch: dict[str, Any] = {
            "id": kept.id, "object": "batch", "endpoint": kept.endpoint, "completion_window": "24h",
            "created_at": 1, "input_file_id": "file-0", "status": kept.status,
            "request_counts": {"total": len(kept.lines), "completed": 0, "failed": 0},
        }  # fmt: skip
        if kept.status in ("completed", "cancelled", "expired"):
            good = [line for line in kept.lines[: kept.done] if line[0] not in kept.failing]
            bad = [line for line in kept.lines[: kept.done] if line[0] in kept.failing]
            batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}
            batch["output_file_id"] = f"{kept.id}-output"
            self.files[f"{kept.id}-output"] = b"".join(map(_openai_line, good))
            if bad or kept.done < len(kept.lines):
                code = "batch_expired" if kept.status == "expired" else "batch_cancelled"
                batch["error_file_id"] = f"{kept.id}-errors"
                undone = [_undone_line(name, code) for name, _ in kept.lines[kept.done :]]
                self.files[f"{kept.id}-errors"] = b"".join([_refused_line(name) for name, _ in bad] + undone)
        return batch

    # Anthropic.

    def _create_messages(self, seen: Seen) -> Reply:
        lines = [(each["custom_id"], each["params"]) for each in seen.body["requests"]]
        bad = [name for name, _ in lines if re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) is None]
        if bad:
            error = {"type": "invalid_request_error", "message": f"requests.0.custom_id: {bad[0]}"}
            return Reply({"type": "error", "error": error}, 400)
        return Reply(self._message_batch(self._keep("msgbatch_", lines)))

    def _messages(self, seen: Seen) -> Reply:
        kept = self.batches.get(seen.path.split("/")[4])
        if kept is None:
            return Reply({"type": "error", "error": {"type": "not_found_error", "message": "no such batch"}}, 404)
        if seen.method == "DELETE":
            del self.batches[kept.id]
            return Reply({"id": kept.id, "type": "message_batch_deleted"})
        if seen.path.endswith("/cancel"):
            kept.status = "cancelling"
        return Reply(self._message_batch(kept))

    def _message_batch(self, kept: Kept) -> dict[str, Any]:
        ended = kept.status in ("completed", "cancelled", "expired")
        left = len(kept.lines) - kept.done
        failed = sum(name in kept.failing for name, _ in kept.lines[: kept.done])
        counts = {"processing": 0 if ended else len(kept.lines), "succeeded": kept.done - failed, "errored": failed}
        counts |= {"canceled": left if kept.status == "cancelled" else 0}
        counts |= {"expired": left if kept.status == "expired" else 0}
        return {
            "id": kept.id, "type": "message_batch", "request_counts": counts,
            "processing_status": "ended" if ended else "canceling" if kept.status == "cancelling" else "in_progress",
            "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z",
            "ended_at": "2026-01-01T01:00:00Z" if ended else None,
            "cancel_initiated_at": "2026-01-01T00:30:00Z" if kept.status in ("cancelling", "cancelled") else None,
            "results_url": f"{self.url}/v1/messages/batches/{kept.id}/results" if ended else None,
        }  # fmt: skip

    def _results(self, seen: Seen) -> Reply:
        self.reading.set()
        time.sleep(self.slow)
        kept = self.batches[seen.path.split("/")[4]]
        word = "expired" if kept.status == "expired" else "canceled"
        lines = []
        for place, (name, params) in enumerate(kept.lines):
            result: dict[str, Any] = {"type": word}
            if place < kept.done and name in kept.failing:
                error = {"type": "invalid_request_error", "message": "max_tokens: too large"}
                result = {"type": "errored", "error": {"type": "error", "error": error, "request_id": "req_1"}}
            elif place < kept.done:
                result = {"type": "succeeded", "message": _message(params)}
            lines.append(json.dumps({"custom_id": name, "result": result}).encode() + b"\n")
        return Reply(b"".join(lines), headers={"content-type": "application/x-jsonl"})

    def _delete_file(self, seen: Seen) -> Reply:
        id_ = seen.path.split("?")[0].rsplit("/", 1)[-1]
        if self.files.pop(id_, None) is None:
            return Reply(_missing(), 404)
        return Reply({"id": id_, "object": "file", "deleted": True})

    # Gemini.

    def _upload_lines(self, seen: Seen) -> Reply:
        assert seen.headers["x-goog-upload-protocol"] == "multipart"
        boundary = seen.headers["content-type"].partition("boundary=")[2]
        about, content = [
            part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            for part in seen.raw.split(b"--" + boundary.encode())[1:3]
        ]
        assert json.loads(about)["file"]["mimeType"] == "application/jsonl"
        id_ = f"lines-{len(self.files)}"
        self.files[id_] = content
        return Reply({"file": {"name": f"files/{id_}", "sizeBytes": str(len(content)), "state": "ACTIVE"}})

    def _create_gemini(self, seen: Seen) -> Reply:
        model, _, method = seen.path.rsplit("/", 1)[-1].partition(":")
        source = seen.body["batch"]["inputConfig"]["fileName"].removeprefix("files/")
        read = [json.loads(line) for line in self.files[source].splitlines()]
        kept = self._keep("gemini", [(line["key"], {**line["request"], "model": model}) for line in read])
        kept.endpoint = method
        kept.source = source
        return Reply(self._operation(kept))

    def _gemini(self, seen: Seen) -> Reply:
        id_, _, method = seen.path.rsplit("/", 1)[-1].partition(":")
        kept = self.batches.get(id_)
        if kept is None:
            return Reply({"error": {"code": 404, "message": "no such batch", "status": "NOT_FOUND"}}, 404)
        if seen.method == "DELETE":
            del self.batches[id_]
            return Reply({})
        if method == "cancel":
            kept.status = "cancelled"
            return Reply({})
        return Reply(self._operation(kept))

    def _operation(self, kept: Kept) -> dict[str, Any]:
        words = {"completed": "SUCCEEDED", "cancelled": "CANCELLED", "expired": "EXPIRED", "failed": "FAILED"}
        about: dict[str, Any] = {
            "state": f"BATCH_STATE_{words.get(kept.status, 'RUNNING')}",
            "createTime": "2026-01-01T00:00:00.123456789Z",
            "inputConfig": {"fileName": f"files/{kept.source}"},
            "batchStats": {"requestCount": str(len(kept.lines))},
        }
        operation: dict[str, Any] = {"name": f"batches/{kept.id}", "metadata": about}
        if kept.status in words:
            done = kept.lines[: kept.done]
            good = [line for line in done if line[0] not in kept.failing]
            about["batchStats"] |= {
                "successfulRequestCount": str(len(good)), "failedRequestCount": str(len(done) - len(good)),
            }  # fmt: skip
            about["endTime"] = "2026-01-01T01:00:00Z"
            operation["done"] = True
            if done:
                name = f"batch-{kept.id}"
                self.files.setdefault(name, b"".join(_gemini_line(line, kept) for line in done[::-1]))
                operation["response"] = about["output"] = {"responsesFile": f"files/{name}"}
        return operation

    def _download(self, seen: Seen) -> Reply:
        id_ = seen.path.rsplit("/", 1)[-1].partition(":")[0]
        if id_ not in self.files:
            return Reply(_missing(), 404)
        return Reply(self.files[id_], headers={"content-type": "application/jsonl"})


def _gemini_line(line: tuple[str, dict[str, Any]], kept: Kept) -> bytes:
    key, body = line
    if key in kept.failing:
        error = {"code": 3, "message": "max_tokens: too large", "status": "INVALID_ARGUMENT"}
        return json.dumps({"key": key, "error": error}).encode() + b"\n"
    if kept.endpoint == "asyncBatchEmbedContent":
        response = {"embedding": {"values": [0.25, 0.5]}, "tokenCount": str(USED[0])}
        return json.dumps({"key": key, "response": response}).encode() + b"\n"
    words = "heard " + "".join(part["text"] for part in body["contents"][-1]["parts"])
    content = {"role": "model", "parts": [{"text": words}]}
    usage = {"promptTokenCount": USED[0], "candidatesTokenCount": USED[1], "totalTokenCount": sum(USED)}
    response = {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": usage,
        "modelVersion": body["model"], "responseId": "r1",
    }  # fmt: skip
    return json.dumps({"key": key, "response": response}).encode() + b"\n"


def _answer(body: dict[str, Any]) -> str:
    """The model repeats what it was asked, so that a test sees which line a result is of."""
    last = body["messages"][-1]["content"]
    return "heard " + (last if isinstance(last, str) else "".join(part.get("text", "") for part in last))


def _openai_line(line: tuple[str, dict[str, Any]]) -> bytes:
    name, body = line
    message = {"role": "assistant", "content": _answer(body)}
    usage = {"prompt_tokens": USED[0], "completion_tokens": USED[1], "total_tokens": sum(USED)}
    completion = {
        "id": f"chatcmpl-{name}", "object": "chat.completion", "created": 1, "model": body["model"], "usage": usage,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "service_tier": "default",
    }  # fmt: skip
    response = {"status_code": 200, "request_id": "req_1", "body": completion}
    written = {"id": f"batch_req_{name}", "custom_id": name, "response": response, "error": None}
    return json.dumps(written).encode() + b"\n"


def _refused_line(name: str) -> bytes:
    error = {"error": {"message": "max_tokens is too large", "type": "invalid_request_error", "code": None}}
    response = {"status_code": 400, "request_id": "req_1", "body": error}
    return json.dumps({"id": "b", "custom_id": name, "response": response, "error": None}).encode() + b"\n"


def _undone_line(name: str, code: str) -> bytes:
    error = {"code": code, "message": "This request could not be executed before the batch ended."}
    return json.dumps({"id": "b", "custom_id": name, "response": None, "error": error}).encode() + b"\n"


def _message(params: dict[str, Any]) -> dict[str, Any]:
    proof = [{"type": "redacted_thinking", "data": "cHJvb2Y="}] if "prove" in _answer(params) else []
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": f"{params['model']}-20250929",
        "content": [*proof, {"type": "text", "text": _answer(params)}], "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": USED[0], "output_tokens": USED[1], "service_tier": "batch"},
    }  # fmt: skip


def _missing() -> dict[str, Any]:
    return {"error": {"message": "No such thing", "type": "invalid_request_error", "code": None, "param": None}}
