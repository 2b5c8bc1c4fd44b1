"""Errors by class and API, computed from the dialects: `python tools/error_table.py [--write]` makes docs/errors.md.

tests/errors drives the gateway with the same table, so that the page states what clients really get.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from llm_gateway_sdk import Dialect, ErrorInfo, Headers, Losses, Mint, WireReply, errors
from llm_gateway_sdk.dialect import Echo
from llm_gateway_sdk.errors import ErrorClass, GatewayError

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
sys.path.append(str(ROOT / "tests" / "compatibility"))

from provider_errors import CLASSES, NO_FORM, provider_error  # noqa: E402

DIALECTS = ("openai_chat", "openai_responses", "anthropic", "gemini", "bedrock")
CLIENTS = ("openai_chat", "openai_responses", "anthropic", "gemini")
TITLES = {
    "openai_chat": "Chat Completions",
    "openai_responses": "Responses",
    "anthropic": "Messages",
    "gemini": "Gemini",
    "bedrock": "Bedrock Converse",
}
MEANINGS: dict[str, tuple[str, str]] = {
    "bad_request": ("the request is wrong", "no"),
    "authentication": ("the key is wrong", "no"),
    "permission": ("the key may not do this", "no"),
    "not_found": ("no such model or resource", "no"),
    "too_large": ("the body is too large", "no"),
    "rate_limit": ("too many requests or tokens for now", "yes, after `retry-after`"),
    "quota": ("a spend cap or an empty account: waiting does not help", "no"),
    "overloaded": ("the provider has no capacity", "yes"),
    "timeout": ("the provider took too long", "yes"),
    "context_length": ("the input is longer than the model's context", "no"),
    "content_policy": ("the provider refuses the content", "no"),
    "upstream": ("the provider is broken or can't be reached", "yes"),
}
"""What a class means, and whether the gateway tries the same model again."""

_OPENAI_EXCEPTIONS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
}


@dataclass(frozen=True)
class Row:
    """One class of error, as clients of one API get it."""

    kind: str
    status: int
    word: str
    """The vendor's type, for Google its status."""
    code: str | None
    exception: str
    """What the current official SDK raises."""
    event: str
    """The last event of a stream that has begun."""


@cache
def dialects() -> dict[str, Dialect]:
    """The installed ones, by name."""
    return {entry.name: entry.load()() for entry in entry_points(group="llm_gateway.dialects")}


def exception_of(dialect: str, status: int) -> str:
    """What the current official SDK raises for a status."""
    if dialect == "gemini":
        return "ClientError" if status < 500 else "ServerError"
    if dialect == "anthropic" and status == 413:
        return "RequestTooLargeError"
    return _OPENAI_EXCEPTIONS.get(status, "InternalServerError" if status >= 500 else "APIStatusError")


def foreign_error(kind: ErrorClass) -> ErrorInfo:
    """An error of this class that no dialect takes for its own."""
    usual: dict[str, int] = {
        "bad_request": 400, "authentication": 401, "permission": 403, "not_found": 404, "too_large": 413,
        "rate_limit": 429, "quota": 429, "overloaded": 503, "timeout": 504, "context_length": 400,
        "content_policy": 400, "upstream": 502,
    }  # fmt: skip
    return ErrorInfo("…", usual[kind], kind)


def rows(client: str) -> list[Row]:
    """The table of one API."""
    return [_row(client, kind) for kind in CLASSES]


def _row(client: str, kind: Any) -> Row:
    dialect = dialects()[client]
    wire = dialect.encode_error(foreign_error(kind))
    body = json.loads(wire.body)
    error = body.get("error", body)
    mint = Mint(lambda prefix: f"{prefix}0", lambda: 0)
    encoder = dialect.stream_encoder(Echo("…", stream=True), mint, Losses("response"))
    event = encoder.fail(foreign_error(kind))
    code = next((str(item["reason"]) for item in error.get("details") or () if "reason" in item), None)
    if isinstance(error.get("details"), dict):
        code = error["details"].get("error_code")
    if client.startswith("openai"):
        code = error.get("code")
    word = error.get("type") or error.get("status")
    return Row(kind, wire.status, str(word), code, exception_of(client, wire.status), _event_text(event))


def _event_text(event: bytes) -> str:
    """The error itself, as one line."""
    lines = event.decode().strip().splitlines()
    data = [line[6:] for line in lines if line.startswith("data: ") and "{" in line]
    vendor_error = json.loads(data[-1])
    if vendor_error.get("type") == "response.failed":
        return "`response.failed` " + _code(json.dumps(vendor_error["response"]["error"], ensure_ascii=False))
    return _code(json.dumps(vendor_error, ensure_ascii=False))


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION, _classes_table()]
    parts += ["## What clients get", _CLIENTS_TEXT]
    for client in CLIENTS:
        parts.append(f"### {TITLES[client]}")
        table = [["class", "status", "status word" if client == "gemini" else "type", "code", "exception of the SDK"]]
        for row in rows(client):
            code = f"`{row.code}`" if row.code else ""
            table.append([row.kind, str(row.status), f"`{row.word}`", code, f"`{row.exception}`"])
        parts.append(_table(table))
    parts += ["## Inside a stream", _STREAM_TEXT]
    table = [["client", "rate_limit", "overloaded", "upstream"]]
    for client in CLIENTS:
        events = {row.kind: row.event for row in rows(client)}
        table.append([TITLES[client], *(events[kind] for kind in ("rate_limit", "overloaded", "upstream"))])
    parts.append(_table(table))
    parts += ["## What providers say", _PROVIDERS_TEXT, _providers_table()]
    parts += ["## Headers", _HEADERS_TEXT]
    parts += ["## The gateway's own errors", _OWN_TEXT, _own_table()]
    return "\n\n".join(parts) + "\n"


def _classes_table() -> str:
    return _table([["class", "means", "tried again"], *([kind, *MEANINGS[kind]] for kind in CLASSES)])


def _providers_table() -> str:
    table = [["class", *(TITLES[dialect] for dialect in DIALECTS)]]
    for kind in CLASSES:
        table.append([kind, *(_provider_cell(dialect, kind) for dialect in DIALECTS)])
    return _table(table)


def _provider_cell(dialect: str, kind: str) -> str:
    if (dialect, kind) in NO_FORM:
        return "—"
    vendor_error = provider_error(dialect, kind)
    read = dialects()[dialect].decode_error(
        WireReply(vendor_error.status, Headers(vendor_error.headers.items()), json.dumps(vendor_error.body).encode())
    )
    word = read.code or read.type or ""
    return f"{vendor_error.status} `{word}`" + ("" if read.kind == kind else f" → {read.kind}")


def _own_table() -> str:
    table = [["error", "status", "class", "when"]]
    for cls in _tree(GatewayError):
        described = re.search(rf"^[│├└─ ]*{cls.__name__}\s+(.*)$", errors.__doc__ or "", re.M)
        when = re.sub(r"^\d{3}\s*", "", described[1]) if described else ""
        table.append([f"`{cls.__name__}`", str(cls.status), cls.kind, when])
    return _table(table)


def _tree(cls: type[GatewayError]) -> list[type[GatewayError]]:
    found: list[type[GatewayError]] = []
    for inner in cls.__subclasses__():
        if inner.__module__ == errors.__name__ and inner.__name__ != "ConfigError":
            found += [inner, *_tree(inner)]
    return found


def _table(lines: list[list[str]]) -> str:
    head, *rest = lines
    return "\n".join(
        ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(line) + " |" for line in rest)]
    )


_INTRODUCTION = """# Errors

<!-- Written by `python tools/error_table.py --write` from the dialects; a test fails where it is stale. -->

Whatever goes wrong, a client gets it in its own API's words, so that the official SDK raises the exception that an
application expects. A provider's error reaches a client of the same API byte by byte; for clients of another API the
gateway reads its class and answers with that class, with the provider's message."""

_CLIENTS_TEXT = """The message is the provider's, where one answered. `x-llm-gateway-error-source` names who failed,
`upstream` or `gateway`."""

_STREAM_TEXT = """Until the first content reaches the client, a failure has its status, and a fallback stays unseen.
After it the stream ends with the API's error event, and never as if it were whole."""

_PROVIDERS_TEXT = """Status and word by which each vendor's error is known to be of a class, some by their message; a
dash where the vendor reports it by a finish reason instead. An error under a status that means success (a Responses
reply of status `failed`, a Chat body with `error`) counts as one: a fallback follows, and clients of other APIs get the
status of its class. A client of the same API gets it as it came where no fallback is left. So do errors in no API's own
form (`{"detail": …}`, `{"message": …, "code": …}`, plain text or a page of HTML within a stream), of the status that
they name; in place of a whole reply a client of the same API gets them in its API's form. At every endpoint a web page,
an empty body, or a body that can't be read as a JSON object where the API has one, is the provider's failure (502)."""

_HEADERS_TEXT = """| header | |
|---|---|
| `retry-after`, `retry-after-ms` | as the provider sent it; made from its body where it is only there |
| `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` | for clients of OpenAI's APIs; Anthropic's are translated, \
a time into a duration |
| `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}` | for clients of Messages; OpenAI's are translated, \
a duration into a time |
| `x-should-retry` | the provider's own; `false` where the gateway has tried more than once, so that tries do not \
multiply |
| `x-llm-gateway-error-source` | `upstream` or `gateway` |
| `x-llm-gateway-attempts` | how often a model was called, if more than once |"""

_OWN_TEXT = """In the client's API too. `ModelError` and what is below it blame the provider."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--write", action="store_true", help="write docs/errors.md; without it, say whether it is stale"
    )
    options = parser.parse_args()
    if options.write:
        PAGE.write_text(page())
        return 0
    fresh = PAGE.is_file() and PAGE.read_text() == page()
    print("fresh" if fresh else "stale: python tools/error_table.py --write")
    return 0 if fresh else 1


if __name__ == "__main__":
    sys.exit(main())
