"""Files and batches: what each request of their endpoints is, and which lines a batch has.

They stay in their vendor's form: what a client uploads goes to the provider with the models named as the provider does
and with what plugins edit, and comes back as the provider gives it.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, WireRequest
from llm_gateway_sdk.operations.batch import BatchAPI, BatchResult, BatchStatus, ResultKind
from llm_gateway_sdk.operations.owned import BatchLine, OwnedForm
from llm_gateway_sdk.operations.reading import object_of
from llm_gateway_sdk.waiting import moment_of_seconds
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.lines import each_line

from .anthropic_api import AnthropicBatchAPI
from .openai_api import OpenAIBatchAPI

__all__ = ["AnthropicBatches", "AnthropicFiles", "OpenAIBatches", "OpenAIFiles"]

_LINE_URLS = re.compile(r"/v1/(?:chat/completions|responses|embeddings|completions|moderations|images/generations)")

_WRITTEN = ("/chat/completions", "/responses", "/completions")
"""Endpoints whose replies are written by a model, token by token."""
_DIALECTS = {"/v1/chat/completions": "openai_chat", "/v1/responses": "openai_responses"}


_UNDONE = {
    "expired": "This request could not be executed before the completion window expired.",
    "cancelled": "This request was not executed because the batch was cancelled.",
}


class _OpenAIForm(OwnedForm):
    """What clients are shown of batches at other vendors' providers, and of their files."""

    name = "openai"

    def show_deleted(self, id_: str) -> dict[str, Any]:
        return {"id": id_, "object": "file", "deleted": True}

    def show_file(self, id_: str, purpose: str, size: int, created: int) -> dict[str, Any]:
        return {
            "id": id_,
            "object": "file",
            "bytes": size,
            "created_at": created,
            "expires_at": None,
            "filename": f"{id_}.jsonl",
            "purpose": purpose,
            "status": "processed",
            "status_details": None,
        }

    def sample(self, dialect: str) -> WireRequest:
        if dialect != "openai_responses":
            return super().sample(dialect)
        asked = {"model": "-", "input": [{"role": "user", "content": "-"}]}
        return WireRequest("POST", "", body=json.dumps(asked))

    def facts(self, body: dict[str, Any]) -> dict[str, Any]:
        return {key: body[key] for key in ("endpoint", "input_file_id", "completion_window", "metadata") if key in body}

    def show_batch(self, id_: str, status: BatchStatus, facts: dict[str, Any]) -> dict[str, Any]:
        created, counts = status.created or int(facts.get("created", 0)), status.counts
        files = self.files_of(id_, status)
        batch: dict[str, Any] = {
            "id": id_,
            "object": "batch",
            "endpoint": facts.get("endpoint", "/v1/chat/completions"),
            "errors": {"object": "list", "data": status.problems} if status.problems else None,
            "input_file_id": facts.get("input_file_id", ""),
            "completion_window": facts.get("completion_window", "24h"),
            "status": status.phase,
            "output_file_id": files.get("output"),
            "error_file_id": files.get("errors"),
            "created_at": created,
            "in_progress_at": created,
            "expires_at": status.expires or created + 86_400,
            "finalizing_at": None,
            "request_counts": {
                "total": int(facts.get("total", 0)),
                "completed": counts.get("succeeded", 0),
                "failed": sum(counts.values()) - counts.get("succeeded", 0),
            },
            "metadata": facts.get("metadata"),
        }
        batch.update(dict.fromkeys(("completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at")))
        if status.is_final:
            batch[f"{status.phase}_at"] = status.ended or created
        return batch

    def lines_of(self, content: bytes) -> list[BatchLine]:
        files = OpenAIFiles("create")
        return files.lines(object_of(files.read_files(b'{"purpose": "batch"}', content)))

    def files_of(self, id_: str, status: BatchStatus) -> dict[str, str]:
        if not status.is_final or status.phase == "failed":
            return {}
        counts = status.counts
        found = {"output": f"file-{id_}-output"}
        if sum(counts.values()) > counts.get("succeeded", 0):
            found["errors"] = f"file-{id_}-errors"
        return found

    def show_result(self, result: BatchResult, body: dict[str, Any]) -> tuple[str, bytes]:
        line: dict[str, Any] = {"id": f"batch_req_{result.custom_id}", "custom_id": result.custom_id}
        if result.kind in ("succeeded", "errored"):
            response = {"status_code": result.status, "request_id": result.request_id, "body": body}
            line.update(response=response, error=None)
        else:
            line.update(response=None, error={"code": f"batch_{result.kind}", "message": _UNDONE[result.kind]})
        return "output" if result.kind == "succeeded" else "errors", json.dumps(line) + b"\n"


class OpenAIFiles(_OpenAIForm):
    """`/v1/files`. A file of the purpose `batch` is read: its lines are the requests of a batch to come."""

    name = "openai"
    operation = "file"

    def lines(self, body: dict[str, Any]) -> list[BatchLine]:
        """Raises DialectError."""
        if body.get("purpose") != "batch":
            return []
        found = []
        for number, line in enumerate(body.get("requests") or [], start=1):
            place = f"line {number}"
            inner = line.get("body") if isinstance(line, dict) else None
            if not isinstance(inner, dict) or not isinstance(line.get("custom_id"), str):
                raise DialectError("expected a JSON object with custom_id, method, url and body", path=place)
            url = line.get("url")
            if line.get("method") != "POST" or not isinstance(url, str) or _LINE_URLS.fullmatch(url) is None:
                raise DialectError("expected the method POST and the url of an endpoint that batches have", path=place)
            writes, dialect = url.endswith(_WRITTEN), _DIALECTS.get(url, "")
            found.append(BatchLine(line["custom_id"], inner, place, writes, dialect))
        return found

    def reads_files(self, fields: bytes) -> bool:
        return object_of(fields).get("purpose") == "batch"

    def read_files(self, fields: bytes, content: bytes) -> bytes:
        body = object_of(fields)
        body["requests"] = [_line(text, number) for number, text in each_line(content)]
        if not body["requests"]:
            raise DialectError("the file has no lines", path="file")
        return json.dumps(body)

    def file_content(self, body: dict[str, Any]) -> bytes | None:
        lines = body.get("requests")
        if body.get("purpose") != "batch" or not isinstance(lines, list):
            return None
        return b"".join(json.dumps(line) + b"\n" for line in lines)


class OpenAIBatches(_OpenAIForm):
    """`/v1/batches`, over a file that was uploaded."""

    name = "openai"
    operation = "batch"
    api: ClassVar[BatchAPI] = OpenAIBatchAPI()

    def rests_on(self, body: dict[str, Any]) -> str | None:
        given = body.get("input_file_id")
        if not isinstance(given, str):
            raise DialectError("expected the id of an uploaded file", path="input_file_id")
        return given

    def brings(self, answer: dict[str, Any]) -> list[str]:
        return [answer[key] for key in ("output_file_id", "error_file_id") if isinstance(answer.get(key), str)]


class AnthropicFiles(OwnedForm):
    """`/v1/files` of Anthropic's Files API (beta): documents and images that messages refer to by id."""

    name = "anthropic"
    operation = "file"


class AnthropicBatches(OwnedForm):
    """`/v1/messages/batches`, whose requests are in the body."""

    name = "anthropic"
    operation = "batch"
    id_prefix = "msgbatch_"
    api: ClassVar[BatchAPI] = AnthropicBatchAPI()

    def lines(self, body: dict[str, Any]) -> list[BatchLine]:
        requests = body.get("requests")
        if not isinstance(requests, list) or not requests:
            raise DialectError("expected an array of requests", path="requests")
        found = []
        for number, line in enumerate(requests):
            place = f"requests[{number}]"
            inner = line.get("params") if isinstance(line, dict) else None
            if not isinstance(inner, dict) or not isinstance(line.get("custom_id"), str):
                raise DialectError("expected an object with custom_id and params", path=place)
            found.append(BatchLine(line["custom_id"], inner, place, dialect="anthropic"))
        return found

    def show_batch(self, id_: str, status: BatchStatus, facts: dict[str, Any]) -> dict[str, Any]:
        counts, word = status.counts, "ended" if status.is_final else "in_progress"
        total = int(facts.get("total", 0))
        created = status.created or int(facts.get("created", 0))
        cancelled = status.phase in ("cancelling", "cancelled")
        done = sum(counts.values())
        if status.is_final and done < total:  # OpenAI counts as failed, or not at all, what it has not done
            rest: ResultKind = "cancelled" if cancelled else "errored" if status.phase == "failed" else "expired"
            counts = {**counts, rest: counts.get(rest, 0) + total - done}
        return {
            "id": id_,
            "type": "message_batch",
            "processing_status": "canceling" if status.phase == "cancelling" else word,
            "request_counts": {
                "processing": 0 if status.is_final else total,
                "succeeded": counts.get("succeeded", 0) if status.is_final else 0,
                "errored": counts.get("errored", 0) if status.is_final else 0,
                "canceled": counts.get("cancelled", 0),
                "expired": counts.get("expired", 0),
            },
            "created_at": _time(created),
            "expires_at": _time(status.expires or created + 86_400),
            "ended_at": _time(status.ended or created) if status.is_final else None,
            "cancel_initiated_at": _time(status.ended or created) if cancelled else None,
            "archived_at": None,
            "results_url": results_path(id_) if status.is_final else None,
        }

    def show_deleted(self, id_: str) -> dict[str, Any]:
        return {"id": id_, "type": "message_batch_deleted"}

    def own_addresses(self, body: bytes) -> bytes:
        batch = object_of(body)
        if not isinstance(batch.get("id"), str) or not batch.get("results_url"):
            return body
        return json.replace_top_level(body, {"results_url": results_path(batch["id"])})

    def facts(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"total": len(self.lines(body))}

    def show_result(self, result: BatchResult, body: dict[str, Any]) -> tuple[str, bytes]:
        shown: dict[str, Any] = {"type": "canceled" if result.kind == "cancelled" else result.kind}
        if result.kind == "succeeded":
            shown["message"] = body
        elif result.kind == "errored":
            shown["error"] = {**body, "request_id": body.get("request_id") or result.request_id or None}
        return "", json.dumps({"custom_id": result.custom_id, "result": shown}) + b"\n"


def results_path(id_: str) -> str:
    """Where the results of a batch are. SDKs resolve it against their base URL, whatever proxies are between."""
    return f"/v1/messages/batches/{id_}/results"


def _time(seconds: int) -> str:
    return moment_of_seconds(seconds)


def _line(text: bytes, number: int) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DialectError(f"not valid JSON: {error}", path=f"line {number}") from None
