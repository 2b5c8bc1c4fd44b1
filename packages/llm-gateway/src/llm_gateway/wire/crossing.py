"""Which headers and query parameters cross the gateway, in which direction: those on a list, and no others.

The set of names that proxies, browsers and servers put on a message is open; the set that a vendor's API knows is
published. So both directions go by lists of what crosses. An unknown name stays at the gateway: a front proxy's tokens
and addresses never reach a provider, and a provider's directives to servers and browsers never reach a client. An
operator adds names by `upstream.forwardHeaders` and `upstream.forwardQuery`.

Sources of the names: the references of the vendors' APIs and the headers that their SDKs send and read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import unquote_plus

from llm_gateway_sdk.secrets import CREDENTIAL_HEADERS, is_secret_header, is_secret_name

__all__ = ["FORWARD_PATTERN", "Crossing", "never_forwarded", "upstream_to_client"]

FORWARD_PATTERN = r"^[!#$%&'+.^_`|~0-9A-Za-z-]+\*?$"
"""A name, or the beginning of names followed by `*`."""

_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "expect", "host", "content-length", "content-encoding", "accept-encoding",
        "http2-settings", "alt-svc", "via",
    }
)  # fmt: skip
_OWN_PREFIX = "x-llm-gateway-"

_TO_PROVIDER = frozenset(
    {
        # What every HTTP API takes.
        "accept", "accept-language", "content-type", "user-agent", "idempotency-key", "x-idempotency-key", "prefer",
        "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range",
        # W3C trace context: the client's trace goes on at the provider.
        "traceparent", "tracestate",
        # Of single vendors and their clients.
        "x-client-request-id", "x-app", "originator", "session_id", "conversation_id",
        "http-referer", "x-title", "x-server-timeout", "x-goog-api-client", "x-goog-request-params",
        "x-goog-request-reason", "x-session-affinity", "x-ms-client-request-id", "x-ms-useragent",
        "extra-parameters", "azureml-model-deployment", "x-claude-code-session-id",
        "x-amzn-bedrock-accept", "x-amzn-bedrock-trace",
    }
)  # fmt: skip
_TO_PROVIDER_PREFIXES = (
    "anthropic-", "openai-", "x-openai-", "x-stainless-", "x-codex-", "x-openrouter-", "x-grok-", "x-xai-", "x-groq-",
    "groq-", "x-fireworks-", "x-together-", "x-dashscope-", "x-mistral-", "mistral-", "x-cohere-", "x-deepseek-",
    "x-goog-upload-", "x-goog-ext-", "x-ms-oai-", "x-amzn-bedrock-", "x-vertex-ai-",
)  # fmt: skip

_TO_CLIENT = frozenset(
    {
        "request-id", "retry-after", "retry-after-ms", "x-should-retry", "ratelimit", "processing-ms",
        "x-processing-ms", "x-client-request-id", "x-trace-id", "x-correlation-id", "warning", "deprecation", "sunset",
        # Of what is downloaded and listed.
        "content-disposition", "content-language", "content-range", "accept-ranges", "etag", "last-modified",
        "cache-control",
        # Of single vendors.
        "apim-request-id", "x-ms-request-id", "x-ms-client-request-id", "x-ms-region", "x-ms-rai-invoked",
        "x-ms-deployment-name", "azureml-model-session", "azureml-model-group", "x-amzn-requestid",
        "x-amzn-errortype", "x-ds-trace-id", "mistral-correlation-id", "x-inference-id", "x-compute-time",
        "x-compute-type", "x-time-per-token", "x-total-time", "x-total-tokens", "x-queue-time", "x-prompt-tokens",
        "x-generated-tokens", "x-generation-id", "x-gemini-service-tier", "x-tracking-id",
    }
)  # fmt: skip
_RATE_LIMIT_PREFIXES = ("x-ratelimit", "x-rate-limit-", "ratelimit-", "anthropic-ratelimit-")
_TO_CLIENT_PREFIXES = (
    *_RATE_LIMIT_PREFIXES, "anthropic-", "openai-", "x-stainless-", "x-openrouter-", "x-grok-", "x-xai-", "x-groq-",
    "x-fireworks-", "fireworks-", "x-together-", "x-dashscope-", "x-cohere-", "x-amzn-bedrock-",
)  # fmt: skip
_ACCOUNT = frozenset(
    {
        "openai-organization", "openai-project", "anthropic-organization-id", "anthropic-workspace-id",
        "anthropic-account-id", "openai-account-id",
    }
)  # fmt: skip
"""Whose account asks and answers: the gateway's, unless the client's own credential goes along. Of a key that has
several a provider would take the one that is named."""
_WITH_CREDENTIALS = CREDENTIAL_HEADERS | _ACCOUNT

_QUERY = frozenset(
    {
        "api-version", "beta", "alt", "$alt", "fields", "$fields", "prettyprint", "stream", "include", "include[]",
        "include_obfuscation", "starting_after", "ending_before", "limit", "order", "order_by", "orderby", "sort",
        "sort_by", "after", "before", "after_id", "before_id", "page", "page_size", "pagesize", "pagetoken",
        "page_token", "offset", "cursor", "next_page", "filter", "status", "type", "purpose", "model", "name",
        "updatemask", "update_mask", "uploadtype", "upload_protocol", "upload_id", "view", "verbose", "format",
        "created_after", "created_before", "start_time", "end_time", "start", "end", "group_by", "group_by[]",
        "bucket_width", "modality", "language", "voice", "query", "q", "category", "scope_id", "force", "intent",
    }
)  # fmt: skip
_QUERY_PREFIXES = ("metadata[", "filter[", "filters[")


def never_forwarded(name: str) -> bool:
    """Whether a request header of this name may not be forwarded even where the configuration names it."""
    lower = name.lower()
    return lower in _HOP_BY_HOP or lower in CREDENTIAL_HEADERS or lower.startswith(_OWN_PREFIX) or lower == "cookie"


class Crossing:
    """What crosses towards providers: the lists of this module, and what the configuration adds.

    `headers` and `query` are names, or beginnings followed by `*`; the case of headers is ignored.
    """

    def __init__(self, headers: Sequence[str] = (), query: Sequence[str] = ()) -> None:
        further = _matcher([name.lower() for name in headers])
        parameters = _matcher(query)
        self._headers = _Remembered(
            lambda name: not never_forwarded(name) and (_header_goes_upstream(name) or further(name))
        )
        self._query = _Remembered(lambda name: _parameter_goes_upstream(name) or parameters(name))

    def headers(self, headers: Iterable[tuple[str, str]], *, credentials: bool = False) -> list[tuple[str, str]]:
        """What of a client's headers goes to a provider of the same dialect. Names are lower-case.

        `credentials`: the client's own credential goes along, with the account that the client names for it.
        """
        goes = self._headers
        crossing = [item for item in headers if goes[item[0]] or (credentials and item[0] in _WITH_CREDENTIALS)]
        crossing = _without_named(crossing, headers)
        for name, value in crossing:
            if name == "tracestate" or (name == "traceparent" and not _TRACEPARENT.fullmatch(value)):
                return _with_valid_trace(crossing)
        return crossing

    def query(self, query: str, *, credentials: bool = False) -> str:
        """What of a client's query string goes along, as it was written; with `credentials` its `key` too."""
        if not query:
            return query
        goes = self._query
        names = [(pair, unquote_plus(pair.partition("=")[0])) for pair in query.split("&")]
        return "&".join(pair for pair, name in names if goes[name] or (credentials and name == "key"))


def upstream_to_client(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What of a provider's headers goes to a client of the same dialect. Names are lower-case."""
    goes = _to_client
    return _without_named([item for item in headers if goes[item[0]]], headers)


class _Remembered(dict[str, bool]):
    """A predicate of names, asked once per name. Names come from strangers, so that few are kept."""

    def __init__(self, predicate: Callable[[str], bool]) -> None:
        super().__init__()
        self._predicate = predicate

    def __missing__(self, name: str) -> bool:
        answer = self._predicate(name)
        if len(self) < _MAX_REMEMBERED and len(name) <= _MAX_REMEMBERED_NAME:
            self[name] = answer
        return answer


_MAX_REMEMBERED = 1024
_MAX_REMEMBERED_NAME = 64


def _header_goes_upstream(name: str) -> bool:
    if name in _TO_PROVIDER:
        return True
    return name.startswith(_TO_PROVIDER_PREFIXES) and name not in _ACCOUNT and not is_secret_header(name)


def _header_goes_to_client(name: str) -> bool:
    if name in _TO_CLIENT or name.startswith(_RATE_LIMIT_PREFIXES):
        return True
    return name.startswith(_TO_CLIENT_PREFIXES) and name not in _ACCOUNT and not is_secret_header(name)


_to_client = _Remembered(_header_goes_to_client)


def _parameter_goes_upstream(name: str) -> bool:
    lower = name.lower()
    if lower in _QUERY:
        return True
    return lower.startswith(_QUERY_PREFIXES) and not is_secret_name(lower)


def _matcher(names: Sequence[str]) -> Callable[[str], bool]:
    exact = frozenset(name for name in names if not name.endswith("*"))
    beginnings = tuple(name[:-1] for name in names if name.endswith("*"))
    return lambda name: name in exact or name.startswith(beginnings)


_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.ASCII
)


def _with_valid_trace(crossing: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """W3C Trace Context §3.2, §3.3: `tracestate` belongs to a valid `traceparent`, and is nothing without one."""
    parents = [value for name, value in crossing if name == "traceparent"]
    if len(parents) == 1 and _TRACEPARENT.fullmatch(parents[0]):
        return crossing
    return [item for item in crossing if item[0] not in ("traceparent", "tracestate")]


def _without_named(crossing: list[tuple[str, str]], headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """RFC 9110 §7.6.1: what `Connection` names is for this hop alone."""
    named: set[str] = set()
    for name, value in headers:
        if name == "connection" and value.lower() not in ("keep-alive", "close"):
            named.update(token.strip().lower() for token in value.split(","))
    return [item for item in crossing if item[0] not in named] if named else crossing
