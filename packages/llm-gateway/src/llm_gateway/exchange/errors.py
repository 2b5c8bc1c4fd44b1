"""What a provider's failure means, and what of it a client may see."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence

from llm_gateway_sdk import (
    Dialect,
    GatewayError,
    LLMResponse,
    ModelError,
    ModelHTTPError,
    ModelProtocolError,
    NotFound,
    RequestRejected,
    WireReply,
)
from llm_gateway_sdk.chunk_loop import reported_error
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.dialects.tool_names import restore_text
from llm_gateway_sdk.errors import TRANSIENT_KINDS, ErrorInfo, kind_of_status
from llm_gateway_sdk.heavy import run_by_size
from llm_gateway_sdk.secrets import mask_text
from llm_gateway_sdk.text_exclusions import CANONICAL
from llm_gateway_sdk.waiting import bounded_seconds, retry_after

__all__ = [
    "http_error",
    "internal_error",
    "nameless_model",
    "read_http_error",
    "refuse_failure",
    "refuse_web_page",
    "retry_after_header",
    "retry_after_of",
    "scrub",
    "scrub_error",
    "scrub_info",
    "store_away",
    "unsendable",
    "verbatim",
    "without_quotations",
]

log = logging.getLogger("llm_gateway.exchange")

_SAME: Mapping[str, str] = {}
_LONGEST_MESSAGE = 64 * 1024
"""Characters of a provider's message in logs, traces and errors of another API; its own body goes on as it is."""
_LASTING = frozenset({405, 407, 426, 501, 505})
"""Statuses that the same call meets again: another model may do, another try does not."""


async def read_http_error(
    dialect: Dialect,
    status: int,
    headers: list[tuple[str, str]],
    body: bytes,
    *,
    sent: Sequence[str],
    names: Mapping[str, str] = _SAME,
) -> ModelError:
    """`http_error`, in the thread for heavy bodies where the body is long: some servers quote the whole request."""
    return await run_by_size(len(body), http_error, dialect, status, headers, body, sent=sent, names=names)


def http_error(
    dialect: Dialect,
    status: int,
    headers: list[tuple[str, str]],
    body: bytes,
    *,
    sent: Sequence[str],
    names: Mapping[str, str] = _SAME,
) -> ModelError:
    """The error of a reply whose status is not 2xx. `sent` are the gateway's credentials, which may not be quoted,
    `names` the client's names of tools by those that were sent.

    A redirect, or a status that HTTP does not define, is never handed on: a client that followed a redirect would send
    its key and its whole request to wherever the provider, or whatever answers in its place, directs it.
    """
    if 300 <= status < 400:
        return ModelProtocolError(
            f"The provider answered with a redirect ({status}), which the gateway does not follow.", retryable=False
        )
    if not 400 <= status < 600:
        return ModelProtocolError(f"The provider answered with the status {status}, which has no meaning in its API.")
    body = scrub(body, sent)
    headers = [(name, scrub(value.encode("latin-1"), sent).decode("latin-1")) for name, value in headers]
    info = dialect.decode_error(WireReply(status, Headers.of(headers), body))
    if info.kind == "bad_request":
        # A vendor's word that blames the request, under a status that does not: the status is the finer one.
        info.kind = kind_of_status(status) if status < 500 else info.kind
    if len(info.message) > _LONGEST_MESSAGE:
        more = len(info.message) - _LONGEST_MESSAGE
        info.message = f"{info.message[:_LONGEST_MESSAGE]} … ({more} more characters)"
    if names:
        info.message = restore_text(info.message, names)
    info.retry_after = bounded_seconds(info.retry_after if info.retry_after is not None else retry_after_of(headers))
    retryable = (info.kind in TRANSIENT_KINDS or status == 408) and status not in _LASTING
    for name, value in headers:
        if name == "x-should-retry":
            retryable = value.strip().lower() == "true" and info.kind != "quota"
    return ModelHTTPError(
        info.message,
        status=status,
        code=info.code,
        kind=info.kind,
        param=info.param,
        retry_after=info.retry_after,
        retryable=retryable,
        headers=headers,
        body=body,
        dialect=dialect.name,
        info=info,
    )


def refuse_web_page(content_type: str) -> None:
    """Raises ModelProtocolError for a success that is a web page: a proxy, or a network's log-in page, has answered."""
    if content_type.lstrip().lower().startswith(("text/html", "application/xhtml")):
        raise ModelProtocolError("The provider answered with a web page in place of its API's reply.")


def store_away() -> GatewayError:
    """For what rests on the store, while it can't be asked."""
    return RequestRejected(
        "The gateway's store can't be reached at the moment. Try again shortly.",
        status=503, code="store_unavailable", retry_after=2.0,
    )  # fmt: skip


def internal_error() -> GatewayError:
    return GatewayError("The gateway failed; its log has the cause.", code="internal_error")


def refuse_failure(response: LLMResponse) -> None:
    """Raises ModelError where a whole reply reports an error."""
    if response.error is not None:
        raise reported_error(response.error)


def nameless_model() -> GatewayError:
    """For a model whose name is a text, which no plugin sees and which therefore may not go on."""
    return NotFound(
        "The model that was asked for does not exist here: its name has characters that no model's name has.",
        code="model_not_found", param="model",
    )  # fmt: skip


def without_quotations(error: Exception) -> Exception:
    """The error as it is recorded where a plugin hides texts: an error of the gateway quotes what a client has written
    as an id or a word of the API, and what it quotes may be a text."""
    if not isinstance(error, GatewayError) or isinstance(error, ModelError):
        return error
    found = _QUOTED.search(error.message)
    rest = "" if found is None else error.message[found.end() :]
    if found is None or (found[1] is not None and _is_id(found[1]) and not _QUOTE.search(rest)):
        return error
    shown: GatewayError = error.__class__.__new__(error.__class__)
    shown.__dict__.update(error.__dict__)
    shown.args = (f"{error.message[: found.start()]}'…'{'' if _QUOTE.search(rest) else rest}",)
    return shown


_QUOTED = re.compile(r"""(?<!\w)['"](?:(.*)['"](?!\w)|.*\Z)""", re.DOTALL)
"""From the first quotation mark to the last, for what is quoted may have some itself; to the end of a message that was
cut."""
_QUOTE = re.compile(r"""(?<!\w)['"]""")
_is_id = CANONICAL["LLMRequest.model"]


def verbatim(error: ModelError, client: Dialect) -> bool:
    """Whether the provider's own body goes to the client: it speaks the client's dialect."""
    return error.dialect == client.name and bool(error.body)


def retry_after_header(seconds: float | None) -> bytes | None:
    """The value of `retry-after`, whole seconds and at least 1."""
    bounded = bounded_seconds(seconds)
    return None if bounded is None else b"%d" % max(1, math.ceil(bounded))


def retry_after_of(headers: Iterable[tuple[str, str]]) -> float | None:
    """Seconds, from `retry-after-ms` or `retry-after`: a number, or a date by the gateway's clock."""
    return retry_after(dict(headers), now=time.time())


def unsendable(error: ValueError, request_id: str) -> ModelError:
    """The error of a call that can't be written as HTTP: the provider's settings are wrong, not the client's request.

    Another model may do; the reason, which may quote a setting, is for the log.
    """
    log.error("request %s: the call can't be sent as the provider is configured: %s", request_id, mask_text(str(error)))
    return ModelError(
        "The gateway can't call the model's provider as it is configured; its log has the cause.",
        status=502,
        code="provider_misconfigured",
        retryable=False,
    )


def scrub(body: bytes, secrets: Iterable[str]) -> bytes:
    """Removes the gateway's credentials: whole, by their ends, and in the masked form in which providers quote keys."""
    for secret in secrets:
        if len(secret) < 8:
            continue
        body = body.replace(secret.encode(), b"[redacted]")
        if len(secret) >= 20:
            half = len(secret) // 2
            for end in (secret[:half], secret[-half:]):
                body = body.replace(end.encode(), b"[redacted]")
        head, tail = secret[:4].encode(), secret[-4:].encode()
        if b"*" in body and tail in body:
            body = _scrub_masked(body, head, tail)
    return body


def _scrubbed(word: str | None, secrets: Sequence[str]) -> str | None:
    # Whatever a provider has written there: numbers stay as they are.
    return scrub_text(word, secrets) if isinstance(word, str) else word


def scrub_info(info: ErrorInfo, secrets: Sequence[str]) -> None:
    """The same for an error that has been read already."""
    if any(secrets):
        info.message = scrub_text(info.message, secrets)
        info.type = _scrubbed(info.type, secrets)
        info.code = _scrubbed(info.code, secrets)
        info.param = _scrubbed(info.param, secrets)
        metadata = repr(info.provider_metadata).encode("utf-8", "replace")
        if scrub(metadata, secrets) != metadata:
            info.provider_metadata = {}


def scrub_error(error: ModelError, secrets: Sequence[str]) -> None:
    """The same for any failure of a provider, whatever it was read from; its body is what was scrubbed when it came."""
    if any(secrets):
        error.message = scrub_text(error.message, secrets)
        error.code = scrub_text(error.code, secrets) if isinstance(error.code, str) else error.code
        scrub_info(error.info(), secrets)


def scrub_text(text: str, secrets: Iterable[str]) -> str:
    return scrub(text.encode("utf-8", "surrogatepass"), secrets).decode("utf-8", "surrogatepass")


def _scrub_masked(body: bytes, head: bytes, tail: bytes) -> bytes:
    """`sk-ab****wxyz` and the like."""
    pattern = re.escape(head) + rb"[^\s\"']{0,24}\*{2,}[^\s\"']{0,8}" + re.escape(tail) + rb"|\*{3,}" + re.escape(tail)
    return re.sub(pattern, b"[redacted]", body)
