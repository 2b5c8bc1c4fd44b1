"""Replies of operations as plugins see them: which are looked at, and that nothing but the edited texts changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from llm_gateway.exchange.reply_texts import look_at_reply, wants_to_look
from llm_gateway_sdk import (
    GatewayError,
    InvalidRequest,
    LLMResponse,
    ModelProtocolError,
    RequestContext,
    TextPart,
    Verdict,
)
from llm_gateway_sdk.dialect import Headers, WireReply

Edit = Callable[[LLMResponse], Verdict | None]


class Chain:
    """The chain of one plugin that edits replies, or only reads them."""

    def __init__(self, edit: Edit, *, edits_reply: bool) -> None:
        self._edit, self.edits_reply, self.after = edit, edits_reply, (edit,)

    async def after_model(self, ctx: RequestContext) -> Verdict | None:
        assert ctx.response is not None
        return self._edit(ctx.response)


def looked(
    body: bytes, kind: str = "application/json", edit: Edit = lambda response: None, *, edits_reply: bool = True
) -> tuple[Verdict | None, WireReply]:
    request: Any = SimpleNamespace(ctx=RequestContext(request_id="r"), chain=Chain(edit, edits_reply=edits_reply))
    form: Any = SimpleNamespace(reply_texts=frozenset({"text"}))
    wire = WireReply(200, Headers.of([("content-type", kind), ("content-length", "9"), ("x-id", "1")]), body)
    return asyncio.run(look_at_reply(request, form, wire))


def hide(response: LLMResponse) -> None:
    for choice in response.choices:
        for part in choice.message.content:
            if isinstance(part, TextPart):
                part.text = part.text.replace("secret", "[HIDDEN]")


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b'{"text":"a secret","n":1.0,"x":[1e3]}', "application/json", b'{"text":"a [HIDDEN]","n":1.0,"x":[1e3]}'),
        (b'{"other":{"deep":["secret"]}}', "application/json; charset=utf-8", b'{"other":{"deep":["[HIDDEN]"]}}'),
        (b'{"data":"YSBzZWNyZXQ="}', "application/json", b'{"data":"YSBbSElEREVOXQ=="}'),
        (b"1\n00:00 --> 00:01\na secret\n", "text/vtt", b"1\n00:00 --> 00:01\na [HIDDEN]\n"),
        (b'{"a":"s\\u0065cret"}\n{"b":1}\n', "text/plain", b'{"a":"[HIDDEN]"}\n{"b":1}\n'),
        (b"{a secret}", "text/plain", b"{a [HIDDEN]}"),
        (b'{"text":"secret"}\n\n{"text":"b"}\n', "application/x-jsonl", b'{"text":"[HIDDEN]"}\n{"text":"b"}\n'),
    ],
    ids=["json", "deep", "base64", "captions", "lines called text", "text", "lines"],
)
def test_an_edited_text_is_put_back_in_its_place(body: bytes, kind: str, expected: bytes) -> None:
    verdict, reply = looked(body, kind, hide)

    assert verdict is None
    assert reply.body == expected
    assert reply.headers.get("x-id") == "1"
    assert reply.headers.get("content-length") is None, "the length is another now"


def test_without_a_change_the_very_bytes_go_on() -> None:
    _, reply = looked(b'{"text" : "fine"}', edit=hide)

    assert reply.body == b'{"text" : "fine"}'
    assert reply.headers.get("content-length") == "9"


def test_an_embedding_in_base64_is_not_a_text() -> None:
    body = b'{"data":[{"embedding":"' + b"secret" * 8 + b'"}],"embedding":"a secret"}'
    _, reply = looked(body, edit=hide)

    assert reply.body == body.replace(b"a secret", b"a [HIDDEN]")


@pytest.mark.parametrize("kind", ["audio/mpeg", "image/png", "text/event-stream"])
def test_what_is_not_text_passes_a_plugin_that_only_reads(kind: str) -> None:
    _, reply = looked(b"\x00secret", kind, hide, edits_reply=False)

    assert reply.body == b"\x00secret"


@pytest.mark.parametrize(
    ("body", "kind", "error", "status"),
    [
        (b"data: {}\n\n", "text/event-stream", InvalidRequest, 403),
        (b"not json", "application/json", ModelProtocolError, 502),
        (b"\xff\xfe", "text/plain", ModelProtocolError, 502),
        (b"\x00", "application/octet-stream", InvalidRequest, 403),
        (b"[" * 100_000, "application/json", ModelProtocolError, 502),
    ],
    ids=["stream", "json", "bytes", "file", "deep"],
)
def test_what_a_plugin_has_to_see_and_can_not_is_refused(
    body: bytes, kind: str, error: type[GatewayError], status: int
) -> None:
    with pytest.raises(error) as refused:
        looked(body, kind, hide)
    assert refused.value.status == status

    if kind != "text/event-stream":
        _, reply = looked(body, kind, hide, edits_reply=False)
        assert reply.body == body


def test_a_verdict_of_the_plugin_counts_and_the_reply_stays() -> None:
    refusal = Verdict("refuse", "guard")
    verdict, reply = looked(b'{"text": "secret"}', edit=lambda response: refusal)

    assert verdict is refusal
    assert reply.body == b'{"text": "secret"}'


def test_a_text_more_or_less_can_not_be_expressed() -> None:
    def add(response: LLMResponse) -> None:
        response.choices[0].message.content.append(TextPart("more"))

    with pytest.raises(GatewayError, match="added or removed texts"):
        looked(b'{"text": "a"}', edit=add)


@pytest.mark.parametrize(
    ("edits", "after", "retains", "texts", "kind", "wanted"),
    [
        (True, (), False, frozenset(), "application/json", True),
        (True, (), False, frozenset(), "text/vtt", True),
        (True, (), False, frozenset(), "audio/mpeg", False),
        (False, ("p",), False, frozenset({"text"}), "audio/mpeg", True),
        (False, (), True, frozenset({"text"}), "application/json", True),
        (False, ("p",), True, frozenset(), "application/json", False),
        (False, (), False, frozenset({"text"}), "application/json", False),
    ],
)
def test_replies_are_looked_at_only_where_someone_does(
    edits: bool, after: tuple[str, ...], retains: bool, texts: frozenset[str], kind: str, wanted: bool
) -> None:
    request: Any = SimpleNamespace(chain=SimpleNamespace(edits_reply=edits, after=after), retains=retains)
    form: Any = SimpleNamespace(reply_texts=texts)

    assert wants_to_look(request, form, kind) is wanted


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_text_in_which_no_plugin_finds_a_word_is_refused(coding: str) -> None:
    with pytest.raises((InvalidRequest, ModelProtocolError)):
        looked("a secret".encode(coding), "text/plain; charset=utf-16", hide)
