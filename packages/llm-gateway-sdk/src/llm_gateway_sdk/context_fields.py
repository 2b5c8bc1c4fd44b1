"""The meaning of each field of a RequestContext, for `help()`: a class with slots
shows the text of its slots.

Editors read the same sentences in `RequestContext.__init__`; a test keeps the two equal.
"""

from __future__ import annotations

__all__ = ["FIELDS"]

FIELDS: dict[str, str] = {
    "adapter": "Name of the adapter: which API the client speaks, such as `openai`.",
    "attempt_data": "What a plugin keeps for the current attempt; emptied for each.",
    "attempts": "One entry per call of a provider, in order; the last is the current one.",
    "available_models": "Names of the project's models.",
    "batch": (
        "What a batch that is submitted may use, by model; for the request that settles it too. Empty for all else."
    ),
    "base_request_payload": ("The client's request as it came, decoded on first use; `base_request` is a copy of it."),
    "caller": "The name of who is asking, as authentication found; never the key.",
    "chunk": "Streams: what just came. For reading.",
    "client_dialect": "The wire format of the client, such as `openai_chat` or `anthropic`.",
    "client_ip": (
        "Address of the client; with `trustProxy` the one that the trusted proxies report. None where there is none."
    ),
    "error": "The last failure, as `on_model_error` sees it; None after a success.",
    "fallback_kinds": (
        "With `has_fallback`: the classes of errors that lead on to the other model; None means all. For "
        "other errors the failing model is tried again as if no other were left."
    ),
    "final_chunk": "Streams: the chunk is the last one. It may be empty.",
    "has_fallback": (
        "Set by a router in `before_model`: another model is left, so a failing one need not be tried again."
    ),
    "http_request": "The client's HTTP request as it arrived: method, path, headers, body.",
    "losses": "What translation left out or changed, of the request of the last attempt and of its reply.",
    "metadata": ("For the whole request and for all plugins; what is in it is traced. Values that JSON can hold."),
    "metrics": "Times and token counts of the request so far; see RequestMetrics for the units.",
    "operation": (
        "What is asked for: `generate`, `embed`, `realtime` or another of `Operation`; `stored` is about "
        "responses and conversations that are kept, `native` is passed on without being understood."
    ),
    "plugin_data": "For the whole request: what a plugin keeps for itself, under its own name.",
    "project": "Name of the project whose path the client called.",
    "reply_headers": "Headers for the client's reply. A stream's leave with its first content.",
    "reply_truncated": "The reply that was kept is only its beginning: it was longer than what is kept.",
    "request_id": (
        "The client's `x-request-id` where it sent a usable one, else one of the gateway's; in every log, "
        "trace and reply."
    ),
    "requested_model": "The model that the client asked for, read without decoding the request.",
    "retry_count": "Attempts after a failure so far.",
    "session": (
        "The id of the realtime session that this request is one response of; None for all else, the session itself "
        "included."
    ),
    "stream": "Streams: what has left for the client so far.",
    "streaming": "The client asked for a stream.",
    "target_model": ("The configured model that is to answer; None leaves it to the requested name or the default."),
    "target_model_provider": (
        "Type of the provider that the current attempt goes to, such as `openai`; None before the first."
    ),
    "timings": "Seconds by `plugin.phase` and by stage.",
    "turn_count": "Follow-ups so far.",
    "upstream_request": "What was last sent to a provider, without credentials.",
    "upstream_response": "What a provider last answered, where it was kept.",
}
