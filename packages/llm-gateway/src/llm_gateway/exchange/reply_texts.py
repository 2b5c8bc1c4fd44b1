"""The texts of an operation's reply as plugins see them: a transcript, a prompt that was put in other words.

Each text is a part of one message. What plugins change is put back in its place, and nothing else of the body changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from llm_gateway_sdk import (
    Choice,
    GatewayError,
    InvalidRequest,
    LLMResponse,
    Message,
    ModelProtocolError,
    Part,
    Payload,
    Verdict,
)
from llm_gateway_sdk.dialect import Headers, WireReply
from llm_gateway_sdk.heavy import is_heavy, run_aside
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.texts import TextPlace, walk_json
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.lines import each_line
from llm_gateway_sdk.wire.pieces import joined

from .json_texts import json_part, put_back, texts_of
from .patch import merge_edit
from .request import ClientRequest

__all__ = ["look_at_reply", "wants_to_look"]

P = ParamSpec("P")
T = TypeVar("T")


def wants_to_look(request: ClientRequest, form: OperationForm[Any, Any], kind: str = "application/json") -> bool:
    """Whether a plugin looks at replies, on their way or afterwards, and this operation's have text. A plugin that
    edits replies sees whatever can be read. `kind` is the content type."""
    if request.chain.edits_reply and ("json" in kind or kind.startswith(_PLAIN)):
        return True
    return bool(form.reply_texts and (request.chain.after or request.retains))


async def look_at_reply(
    request: ClientRequest, form: OperationForm[Any, Any], wire: WireReply
) -> tuple[Verdict | None, WireReply]:
    """Runs the hooks on a whole reply: what they decided, and the reply as they left it. Raises InvalidRequest for a
    stream where a plugin has to see all of it."""
    ctx, kind = request.ctx, wire.headers.get("content-type") or ""
    is_lines = "jsonl" in kind or "octet-stream" in kind
    is_json = "json" in kind and not is_lines
    if is_lines:
        return await _look_at_lines(request, form, wire)
    if request.chain.edits_reply and kind.startswith(_PLAIN):
        if b"\0" in wire.body:  # UTF-16, in which no plugin finds a word
            raise InvalidRequest(_UNREADABLE, status=403)
        if wire.body.lstrip()[:1] == b"{" and await _has_lines(wire.body):
            return await _look_at_lines(request, form, wire)
    if not is_json and not kind.startswith(_PLAIN):
        if kind.startswith("text/event-stream") and request.chain.edits_reply:
            raise InvalidRequest(
                "A plugin has to see the reply before it is sent, and can't see the stream of this endpoint; ask "
                "without `stream`.",
                status=403,
            )
        return None, wire
    names = form.reply_texts if is_json else frozenset({"text"})
    every = is_json and request.chain.edits_reply
    heavy = is_heavy(wire.body)
    try:
        body, places, before, parts = await _work(heavy, _read, wire.body, names, is_json=is_json, every=every)
    except (ValueError, RecursionError):
        if request.chain.edits_reply:
            raise ModelProtocolError("The provider's reply is not what its API promises: it can't be read.") from None
        return None, wire
    response = LLMResponse(model=ctx.requested_model or "", choices=[Choice(message=Message("assistant", parts))])
    ctx.upstream_response = wire
    ctx.response_payload = Payload(None, response)
    verdict = await request.chain.after_model(ctx)
    if verdict is not None and verdict.action != "reply":
        return verdict, wire
    texts = await _work(heavy, _texts_of, ctx.response or response)
    if len(texts) != len(places):
        raise GatewayError("A plugin added or removed texts of a reply, which can't be expressed.", code="plugin_error")
    if texts == before:
        return None, wire
    await _work(heavy, put_back, body, places, before, texts)
    if not is_json:
        return None, WireReply(wire.status, _same_headers(wire), body["text"].encode(errors="replace"))
    edited = await _work(heavy, _edited, wire.body, body)
    return None, WireReply(wire.status, _same_headers(wire), edited)


async def _look_at_lines(
    request: ClientRequest, form: OperationForm[Any, Any], wire: WireReply
) -> tuple[Verdict | None, WireReply]:
    """A file of JSON values, one on each line. Any other file is handed on as it is, or where a plugin has to see
    all of it refused."""
    try:
        values = await _work(is_heavy(wire.body), _one_of_lines, wire.body)
    except (ValueError, RecursionError):
        if request.chain.edits_reply:
            raise InvalidRequest(_UNREADABLE, status=403) from None
        return None, wire
    whole = WireReply(wire.status, Headers.of([("content-type", "application/json")]), values)
    verdict, seen = await look_at_reply(request, form, whole)
    if verdict is not None or seen is whole:
        return verdict, wire
    edited = await _work(is_heavy(seen.body), _lines_of_one, seen.body)
    return None, WireReply(wire.status, _same_headers(wire), edited)


async def _has_lines(body: bytes) -> bool:
    """Whether what is called a text is a file of JSON, whose strings may have escapes and base64."""
    try:
        await _work(is_heavy(body), _one_of_lines, body)
    except (ValueError, RecursionError):
        return False
    return True


def _one_of_lines(body: bytes) -> bytes:
    """One value with all lines. Raises ValueError, RecursionError."""
    return json.dumps({"lines": [json.loads(text) for _, text in each_line(body)]})


def _lines_of_one(body: bytes) -> bytes:
    return joined(json.dumps(line) + b"\n" for line in json.loads(body)["lines"])


_UNREADABLE = "A plugin has to see this file, and can't read it."
_PLAIN = ("text/plain", "text/vtt", "application/x-subrip", "text/srt")


def _same_headers(wire: WireReply) -> Headers:
    return Headers.of([item for item in wire.headers.items if item[0] != "content-length"])


async def _work(heavy: bool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` returns or raises, done aside for a heavy body."""
    return await run_aside(work, *args, **kwargs) if heavy else work(*args, **kwargs)


def _read(
    body: bytes, names: frozenset[str], *, is_json: bool, every: bool
) -> tuple[Any, list[TextPlace], list[str], list[Part]]:
    """The reply as a value, and the places of its texts: those under `names`, or of every string that may carry words;
    these texts, and the parts that plugins see of them."""
    value: Any = json.loads(body) if is_json else {"text": body.decode("utf-8")}
    if every:
        places = [place for place in walk_json(value, "") if not _is_vector(place)]
    else:
        places = [TextPlace("assistant", "", holder, key) for holder, key in _places(value, names)]
    texts = [place.text for place in places]
    parts = [json_part(place, text, number) for number, (place, text) in enumerate(zip(places, texts, strict=True))]
    return value, places, texts, parts


def _texts_of(response: LLMResponse) -> list[str]:
    return [text for choice in response.choices for text in texts_of(choice.message.content)]


def _is_vector(place: TextPlace) -> bool:
    """An embedding in base64."""
    return place.key == "embedding" and _VECTOR(place.text) is not None


_VECTOR = re.compile(r"[A-Za-z0-9+/]{32,}={0,2}").fullmatch


def _edited(body: bytes, value: Any) -> bytes:
    return merge_edit(body, json.dumps(json.loads(body)), json.dumps(value))


def _places(value: Any, names: frozenset[str]) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in names and isinstance(inner, str):
                yield value, name
            elif isinstance(inner, list | dict):
                yield from _places(inner, names)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, list | dict):
                yield from _places(inner, names)
