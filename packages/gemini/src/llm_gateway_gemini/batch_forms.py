"""Batches and files as clients of the Gemini API ask for them: google-genai's `batches` and `files`.

A submission has its requests in its body or names an uploaded file of them; the model is in the path. The results are
then in the batch itself, in the order of the requests, or in a file. Files are uploaded before any model is named, so
the gateway keeps them, and takes only those of requests: lines of JSON.

Shapes after the API reference (ai.google.dev/api/batch-api, ai.google.dev/api/files) and google-genai.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qs

from llm_gateway_sdk import DialectError, ErrorInfo, Headers, WireReply, WireRequest
from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.operations.batch import BatchAPI, BatchResult, BatchStatus
from llm_gateway_sdk.operations.owned import BatchLine, OwnedForm, PageAsked, UploadStep
from llm_gateway_sdk.operations.reading import object_of
from llm_gateway_sdk.waiting import moment_of_seconds
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.lines import each_line

from .batch_api import STATES, GeminiBatchAPI
from .errors import encode_error
from .parts import NAME
from .paths import build_path, split_path

__all__ = ["GeminiBatches", "GeminiFiles"]

_TYPES = "type.googleapis.com/google.ai.generativelanguage.v1beta."
_KEPT_SECONDS = 30 * 86_400
_EMBEDS = "asyncBatchEmbedContent"
_LONGEST_NAME = 512
"""Characters of a file's name and of its type, as at Google."""
_LINES = re.compile(r"(?:x-)?(?:jsonl|json-?lines|ndjson|json)", re.IGNORECASE)
"""Media types of files of requests; google-genai's users write also `jsonl` alone."""


class _GeminiForm(OwnedForm):
    name: ClassVar[str] = NAME
    keeps: ClassVar[bool] = True

    def show_deleted(self, id_: str) -> dict[str, Any]:
        return {}

    def show_file(self, id_: str, purpose: str, size: int, created: int) -> dict[str, Any]:
        moment, name = moment_of_seconds(created), f"files/{id_}"
        file = {
            "name": name,
            "mimeType": "application/jsonl",
            "sizeBytes": str(size),
            "createTime": moment,
            "updateTime": moment,
            "expirationTime": moment_of_seconds(created + _KEPT_SECONDS),
            "uri": f"https://generativelanguage.googleapis.com/v1beta/{name}",
            "state": "ACTIVE",
            "source": "UPLOADED",
        }
        if purpose == "batch_output":
            file.update(downloadUri=f"{file['uri']}:download?alt=media", source="GENERATED")
        return file

    def asked_page(self, query: Mapping[str, str]) -> PageAsked:
        size = whole_number(query.get("pageSize", query.get("page_size")))
        after = query.get("pageToken", query.get("page_token", ""))
        return PageAsked(after, 10 if not size else max(1, min(1000, size)))

    def _page(self, name: str, objects: Sequence[dict[str, Any]], ids: Sequence[str], *, more: bool) -> dict[str, Any]:
        page: dict[str, Any] = {name: list(objects)}
        if more:
            page["nextPageToken"] = ids[-1]
        return page

    def sample(self, dialect: str) -> WireRequest:
        body = json.dumps({"contents": [{"role": "user", "parts": [{"text": "-"}]}]})
        return WireRequest("POST", build_path("-", "generateContent"), body=body)

    def show_result(self, result: BatchResult, body: dict[str, Any]) -> tuple[str, bytes]:
        line: dict[str, Any] = {"key": result.custom_id}
        if result.kind == "succeeded":
            line["response"] = body
        else:
            error = body.get("error")
            undone = {"code": 1, "message": f"The batch was {result.kind} before this request.", "status": "CANCELLED"}
            error = undone if result.kind != "errored" or not isinstance(error, dict) else error
            # Clients read `details` of a line as a list of texts, and fail with others.
            line["error"] = {name: value for name, value in error.items() if name != "details"}
        return "output", json.dumps(line) + b"\n"


class GeminiBatches(_GeminiForm):
    """`models/M:batchGenerateContent`, `models/M:asyncBatchEmbedContent`, `batches`."""

    operation = "batch"
    id_prefix: ClassVar[str] = ""
    api: ClassVar[BatchAPI] = GeminiBatchAPI()

    # Submissions. Once it is `completed`, `batch.model` and the kind of requests are in the body.

    def completed(self, wire: WireRequest) -> bytes:
        body, (model, method) = object_of(wire.body), split_path(wire.path)
        batch = body.get("batch")
        if not isinstance(batch, dict) or model is None:
            raise DialectError("expected an object", path="batch")
        source = _first(batch, "inputConfig", "input_config")
        if not isinstance(source, dict):
            raise DialectError("expected an object", path="batch.inputConfig")
        file, requests = _first(source, "fileName", "file_name"), source.get("requests")
        if (file is None) == (requests is None):
            raise DialectError("expected either fileName or requests", path="batch.inputConfig")
        if file is not None and (not isinstance(file, str) or not file.startswith("files/")):
            raise DialectError("expected the name of an uploaded file, `files/…`", path="batch.inputConfig.fileName")
        name = _first(batch, "displayName", "display_name")
        whole: dict[str, Any] = {"model": model, "method": method, "source": {"file": file, "requests": requests}}
        if isinstance(name, str):
            whole["displayName"] = name
        return json.dumps(whole)

    def rests_on(self, body: dict[str, Any]) -> str | None:
        source = body.get("source")
        if not isinstance(source, dict) or source.get("requests") is not None:
            return None
        file = source.get("file")
        return str(file).removeprefix("files/")

    def with_lines(self, body: dict[str, Any], content: bytes) -> bytes:
        fields = object_of(GeminiFiles("create").read_files(b"{}", content))
        return json.dumps({**body, "source": {**body["source"], "requests": fields["requests"]}})

    def lines(self, body: dict[str, Any]) -> list[BatchLine]:
        source, model, method = body.get("source"), body.get("model"), body.get("method")
        if not isinstance(source, dict) or not isinstance(model, str):
            raise DialectError("expected a batch of requests")
        requests, in_file = source.get("requests"), source.get("file") is not None
        if isinstance(requests, dict):
            requests = requests.get("requests")
        if not isinstance(requests, list) or not requests:
            raise DialectError("expected an array of requests", path="batch.inputConfig.requests.requests")
        path = build_path(model, "generateContent")
        found = []
        for number, line in enumerate(requests):
            place = f"line {number + 1}" if in_file else f"requests[{number}]"
            inner = line.get("request") if isinstance(line, dict) else None
            if not isinstance(inner, dict):
                raise DialectError("expected an object with a request", path=place)
            key = line.get("key") if in_file else str(number)
            if not isinstance(key, str) or not key:
                raise DialectError("expected a key, which the line's response is to have", path=place)
            named = inner.get("model")
            if named is not None and str(named).removeprefix("models/") != model:
                raise DialectError("this request names another model than the batch", path=place)
            embeds = method == _EMBEDS
            found.append(BatchLine(key, inner, place, not embeds, "" if embeds else NAME, model, path))
        return found

    def facts(self, body: dict[str, Any]) -> dict[str, Any]:
        source = body["source"]
        facts: dict[str, Any] = {key: body[key] for key in ("model", "displayName", "method") if key in body}
        if source.get("file") is not None:
            return {**facts, "file": source["file"]}
        requests = source["requests"]
        each = requests["requests"] if isinstance(requests, dict) else requests
        marked = {str(number): line["metadata"] for number, line in enumerate(each) if line.get("metadata")}
        return {**facts, "metadata": marked}

    # Descriptions.

    def show_batch(self, id_: str, status: BatchStatus, facts: dict[str, Any]) -> dict[str, Any]:
        created = status.created or int(facts.get("created", 0))
        total, name = int(facts.get("total", 0)), f"batches/{id_}"
        good, bad = status.counts.get("succeeded", 0), sum(status.counts.values()) - status.counts.get("succeeded", 0)
        kind = "EmbedContentBatch" if facts.get("method") == _EMBEDS else "GenerateContentBatch"
        about: dict[str, Any] = {
            "@type": f"{_TYPES}{kind}",
            "model": f"models/{facts.get('model', '')}",
            "name": name,
            "displayName": facts.get("displayName", ""),
            "createTime": moment_of_seconds(created),
            "updateTime": moment_of_seconds(status.ended or created),
            "batchStats": {
                "requestCount": str(total),
                "successfulRequestCount": str(good),
                "failedRequestCount": str(bad),
                "pendingRequestCount": str(max(0, total - good - bad) if not status.is_final else 0),
            },
            "state": STATES[status.phase],
        }
        if "file" in facts:
            about["inputConfig"] = {"fileName": facts["file"]}
        shown: dict[str, Any] = {"name": name, "metadata": about}
        if not status.is_final:
            return shown
        about["endTime"], shown["done"] = moment_of_seconds(status.ended or created), True
        if status.phase == "failed":
            problem = status.problems[0] if status.problems else {}
            message = str(problem.get("message") or "The batch failed.")
            shown["error"] = {"code": 13, "message": message, "status": "INTERNAL"}
        elif "file" in facts and (files := self.files_of(id_, status)):
            self._put(shown, {"responsesFile": f"files/{files['output']}"})
        return shown

    def files_of(self, id_: str, status: BatchStatus) -> dict[str, str]:
        return {"output": f"{id_}-output"} if status.is_final and status.results else {}

    def shows_results(self, facts: Mapping[str, Any]) -> bool:
        return "file" not in facts

    def with_results(self, batch: dict[str, Any], results: Sequence[bytes], facts: Mapping[str, Any]) -> None:
        """In the order of the requests, by which clients know whose each is."""
        lines = {line["key"]: line for line in map(object_of, results)}
        marked, missing = facts.get("metadata") or {}, {"code": 1, "message": "Not executed.", "status": "CANCELLED"}
        if batch.get("error"):
            return
        responses: list[dict[str, Any]] = []
        for number in range(int(facts.get("total", 0))):
            key = str(number)
            line = lines.get(key, {"error": missing})
            responses.append({name: line[name] for name in ("response", "error") if name in line})
            if key in marked:
                responses[-1]["metadata"] = marked[key]
        self._put(batch, {"inlinedResponses": {"inlinedResponses": responses}})

    def _put(self, batch: dict[str, Any], output: dict[str, Any]) -> None:
        about = batch["metadata"]
        about["output"] = output
        batch["response"] = {"@type": f"{about['@type']}Output", **output}

    def show_cancelled(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {}

    def show_page(self, objects: Sequence[dict[str, Any]], ids: Sequence[str], *, more: bool) -> dict[str, Any]:
        return self._page("operations", objects, ids, more=more)


class GeminiFiles(_GeminiForm):
    """`files`, and their uploads: resumable ones, and those of one request."""

    operation = "file"

    def show_page(self, objects: Sequence[dict[str, Any]], ids: Sequence[str], *, more: bool) -> dict[str, Any]:
        return self._page("files", objects, ids, more=more)

    # Uploads (x-goog-upload-*, as google-genai and @google/generative-ai send them).

    def upload_token(self, query: str) -> str:
        if self.role != "create":
            return ""
        return parse_qs(query).get("upload_id", [""])[0]

    def encode_error(self, error: ErrorInfo) -> WireReply | None:
        """google-genai sends a part anew, for some seconds, until a reply has the upload's status."""
        if self.role != "create":
            return None
        wire = encode_error(error)
        if wire.status < 500 and wire.status != 429:
            wire.headers.set("x-goog-upload-status", "final")
        return wire

    def upload_step(self, wire: WireRequest) -> UploadStep:
        headers, token = wire.headers, self.upload_token(wire.query)
        commands = {word.strip().lower() for word in (headers.get("x-goog-upload-command") or "").split(",")} - {""}
        protocol = (headers.get("x-goog-upload-protocol") or "").lower()
        if token:
            if "cancel" in commands:
                return UploadStep("cancel", token)
            if "query" in commands:
                return UploadStep("ask", token)
            if not commands & {"upload", "finalize"}:
                raise DialectError("expected the header x-goog-upload-command: upload, finalize, query or cancel")
            offset = whole_number(headers.get("x-goog-upload-offset") or "0")
            if offset is None:
                raise DialectError("expected a whole number in the header x-goog-upload-offset")
            return UploadStep("data", token, offset, wire.body, last="finalize" in commands)
        if protocol == "multipart":
            about, kind, content = _related(headers.get("content-type") or "", wire.body)
            return UploadStep("whole", content=content, about=_about(about, kind))
        if protocol in ("", "resumable") and "start" in commands:
            body = object_of(wire.body) if wire.body else {}
            kind = headers.get("x-goog-upload-header-content-type") or ""
            return UploadStep("begin", about=_about(body, kind))
        raise DialectError("expected an upload of the protocol `resumable` (with the command `start`) or `multipart`")

    def show_upload(self, address: str, received: int, object_: Mapping[str, Any] | None) -> WireReply:
        if object_ is not None:
            headers = [("content-type", "application/json"), ("x-goog-upload-status", "final")]
            return WireReply(200, Headers.of(headers), json.dumps({"file": dict(object_)}))
        headers = [("x-goog-upload-status", "active"), ("x-goog-upload-size-received", str(received))]
        if address:
            headers += [
                ("x-goog-upload-url", address),
                ("x-goog-upload-control-url", address),
                ("x-goog-upload-chunk-granularity", "262144"),
            ]
        return WireReply(200, Headers.of(headers), b"")

    def read_files(self, fields: bytes, content: bytes) -> bytes:
        requests = [_line(text, number) for number, text in each_line(content.removeprefix(_BOM))]
        if not requests:
            raise DialectError("the file has no lines", path="file")
        return json.dumps({**object_of(fields), "requests": requests})

    def file_content(self, body: dict[str, Any]) -> bytes | None:
        return b"".join(json.dumps(line) + b"\n" for line in body.get("requests") or [])


_MOST_HEAD = 16 * 1024
"""Bytes that are looked at of the headers of a part."""
_BOM = b"\xef\xbb\xbf"


def _line(text: bytes, number: int) -> Any:
    place = f"line {number}"
    try:
        line = json.loads(text)
    except ValueError as error:
        raise DialectError(f"not valid JSON: {error}", path=place) from None
    if not isinstance(line, dict) or not isinstance(line.get("request"), dict):
        raise DialectError("expected a JSON object with a key and a request", path=place)
    return line


def _about(body: dict[str, Any], kind: str) -> dict[str, Any]:
    """What a client wrote of the file that it uploads. Raises DialectError where it is not one of requests."""
    file = body.get("file")
    file = file if isinstance(file, dict) else {}
    written = _first(file, "mimeType", "mime_type")
    kind = written if isinstance(written, str) and written else kind
    if len(kind) > _LONGEST_NAME or _LINES.fullmatch(kind.partition(";")[0].rpartition("/")[2].strip()) is None:
        raise DialectError(
            f"the gateway keeps files of requests, of a type as application/jsonl, not of '{kind[:100]}'; other files "
            "can be sent within requests (inlineData)",
            path="file.mimeType",
        )
    about = {"mimeType": kind}
    if isinstance(name := _first(file, "displayName", "display_name"), str):
        if len(name) > _LONGEST_NAME:
            raise DialectError(f"is longer than {_LONGEST_NAME} characters", path="file.displayName")
        about["displayName"] = name
    return about


def _related(kind: str, body: bytes) -> tuple[dict[str, Any], str, bytes]:
    """Metadata, media type and content of `multipart/related`. Raises DialectError."""
    found = re.search(r'boundary="?([^";]+)"?', kind)
    # Three cuts are enough for two parts, however often the boundary is in the body.
    parts = body.split(b"--" + found[1].strip().encode(), 3) if found is not None else []
    read: list[tuple[str, bytes]] = []
    for part in parts[1:3]:
        head, _, content = part.partition(b"\r\n\r\n")
        named = re.search(rb"content-type:[ \t]*([^\r\n]+)", head[:_MOST_HEAD], re.IGNORECASE)
        read.append((named[1].decode("latin-1").strip() if named else "", content.removesuffix(b"\r\n")))
    if len(read) != 2:
        raise DialectError("expected a body of multipart/related: the file's metadata, then its content")
    return object_of(read[0][1]), read[1][0], read[1][1]


def _first(value: Mapping[str, Any], *names: str) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)
