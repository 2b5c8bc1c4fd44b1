"""Files and batches: what each request of their endpoints is, and which lines a batch has.

They stay in their vendor's form: what a client uploads goes to the provider with the models named as the provider does
and with what plugins edit, and comes back as the provider gives it.
"""

from __future__ import annotations

import re
from typing import Any

from llm_gateway_sdk import DialectError
from llm_gateway_sdk.operations.owned import BatchLine, OwnedForm
from llm_gateway_sdk.operations.reading import object_of
from llm_gateway_sdk.wire import json

__all__ = ["AnthropicBatches", "AnthropicFiles", "OpenAIBatches", "OpenAIFiles"]

_LINE_URLS = re.compile(r"/v1/(?:chat/completions|responses|embeddings|completions|moderations|images/generations)")


class OpenAIFiles(OwnedForm):
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
            found.append(BatchLine(line["custom_id"], inner, place))
        return found

    def reads_files(self, fields: bytes) -> bool:
        return object_of(fields).get("purpose") == "batch"

    def read_files(self, fields: bytes, content: bytes) -> bytes:
        body = object_of(fields)
        body["requests"] = [_line(text, number) for number, text in enumerate(content.splitlines(), 1) if text.strip()]
        if not body["requests"]:
            raise DialectError("the file has no lines", path="file")
        return json.dumps(body)

    def file_content(self, body: dict[str, Any]) -> bytes | None:
        lines = body.get("requests")
        if body.get("purpose") != "batch" or not isinstance(lines, list):
            return None
        return b"".join(json.dumps(line) + b"\n" for line in lines)


class OpenAIBatches(OwnedForm):
    """`/v1/batches`, over a file that was uploaded."""

    name = "openai"
    operation = "batch"
    final = frozenset({"completed", "failed", "expired", "cancelled"})
    state = "status"

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
    final = frozenset({"ended"})
    state = "processing_status"

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
            found.append(BatchLine(line["custom_id"], inner, place))
        return found


def _line(text: bytes, number: int) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DialectError(f"not valid JSON: {error}", path=f"line {number}") from None
