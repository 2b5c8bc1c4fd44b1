import asyncio
import logging
import random
from typing import Any

import jsonschema
import pytest
from llm_gateway_regex_hider import RegexHider

from llm_gateway_sdk import (
    Accumulator,
    Choice,
    Citation,
    ErrorInfo,
    HookChain,
    LLMRequest,
    LLMResponse,
    MediaPart,
    Message,
    ModelHTTPError,
    MountedPlugin,
    OpaquePart,
    Part,
    Payload,
    RefusalPart,
    RequestContext,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    Usage,
    Verdict,
)
from llm_gateway_sdk.context import Engine

SSN = r"\b\d{3}-\d{2}-\d{4}\b"
EMAIL = r"[a-zA-Z0-9_.+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z0-9.]+"
FOUNDING: dict[str, Any] = {
    "patterns": [
        {"pattern": SSN, "replacement": "[REDACTED|SSN]"},
        {"pattern": r"\b(?:\d{4}[- ]?){3}\d{4}\b", "replacement": "[REDACTED|CREDIT_CARD]"},
        {"pattern": EMAIL, "replacement": "[REDACTED|EMAIL]", "applyTo": "response"},
    ]
}
SECRET: dict[str, Any] = {"patterns": [{"pattern": "secret-\\d+", "replacement": "[X]"}]}


class Gateway:
    """One plugin in a real hook chain, and what became of what passed through it."""

    def __init__(self, config: dict[str, Any]) -> None:
        jsonschema.validate(config, RegexHider.metadata.configuration_schema)
        plugin = RegexHider()
        assert asyncio.run(plugin.validate_config(config)) is True
        asyncio.run(plugin.configure(config))
        self.chain = HookChain([MountedPlugin("hider", plugin)])

    def context(self, request: LLMRequest | None = None) -> RequestContext:
        return RequestContext(request_id="r1", request=Payload(None, request or LLMRequest()))

    def ask(self, *messages: Message, **fields: Any) -> tuple[LLMRequest, Verdict | None]:
        ctx = self.context(LLMRequest(messages=list(messages), **fields))
        request = ctx.request
        verdict = asyncio.run(self.chain.select(ctx).before_model(ctx))
        return request, verdict

    def answer(self, *parts: Part, **fields: Any) -> tuple[LLMResponse, Verdict | None, RequestContext]:
        ctx = self.context()
        ctx.response = LLMResponse(choices=[Choice(0, Message("assistant", list(parts)), **fields)])
        verdict = asyncio.run(self.chain.select(ctx).after_model(ctx))
        assert ctx.response is not None
        return ctx.response, verdict, ctx

    def stream(self, *chunks: LLMResponse) -> tuple[list[LLMResponse], Verdict | None, RequestContext]:
        ctx = self.context()

        async def run() -> tuple[list[LLMResponse], Verdict | None]:
            chunk_run = self.chain.select(ctx).chunk_run(ctx)
            out = []
            for chunk in chunks:
                emitted = await chunk_run.push(chunk)
                if emitted is not None:
                    out.append(emitted)
                if chunk_run.verdict is not None:
                    break
            return out, chunk_run.verdict

        out, verdict = asyncio.run(run())
        return out, verdict, ctx


def chunk(*parts: Part, choice: int = 0, finish: str | None = None, final: bool = False, **fields: Any) -> LLMResponse:
    return LLMResponse(
        choices=[Choice(choice, Message("assistant", list(parts)), finish_reason=finish, **fields)], final=final
    )


def end(**fields: Any) -> LLMResponse:
    return LLMResponse(choices=[Choice(0, Message(""), finish_reason="stop")], final=True, **fields)


def total(chunks: list[LLMResponse]) -> LLMResponse:
    accumulator = Accumulator()
    for one in chunks:
        accumulator.add(one)
    return accumulator.value()


def texts(response: LLMResponse | LLMRequest) -> str:
    return "\n".join(place.text for place in response.texts())


def test_the_founding_example_hides_in_requests_and_replies_as_configured() -> None:
    gateway = Gateway(FOUNDING)

    request, verdict = gateway.ask(Message("user", [TextPart("123-45-6789, 4111 1111 1111 1111, jane@example.com")]))
    reply, _, _ = gateway.answer(TextPart("mail jane@example.com"))

    assert verdict is None
    assert request.messages[0].text == "[REDACTED|SSN], [REDACTED|CREDIT_CARD], jane@example.com"
    assert reply.text == "mail [REDACTED|EMAIL]"


def test_text_is_found_everywhere_in_a_request() -> None:
    request, _ = Gateway(SECRET).ask(
        Message("system", [TextPart("system secret-1")]),
        Message("user", [TextPart("user secret-2"), MediaPart("document", text="doc secret-3", name="secret-4.txt")]),
        Message(
            "assistant",
            [
                ThinkingPart("hm secret-5"),
                TextPart("ok secret-6", [Citation(cited_text="cited secret-7", title="title secret-8")]),
                ToolCallPart("c1", "f", '{"a": "secret\\u002d9", "n": 1}'),
                ToolCallPart("c2", "g", "free secret-10", kind="custom"),
            ],
        ),
        Message("tool", [ToolResultPart("c1", [TextPart('{"r": "secret\\u002d11"}')])]),
        Message("tool", [ToolResultPart("c2", [TextPart("plain secret-12")])]),
        Message("opaque", [OpaquePart("openai_responses", {"type": "x", "id": "secret-0", "query": "q secret-13"})]),
        tools=[Tool("f", "tool secret-14", {"properties": {"a": {"description": "field secret-15"}}})],
        provider_metadata={"openai_chat": {"prediction": {"content": "secret-16"}}},
    )

    assert "secret-" not in str(request).replace("secret-0", "")
    assert request.messages[2].tool_calls[0].arguments == '{"a": "[X]", "n": 1}'
    assert texts(request).count("[X]") == 16
    assert str(request).count("[X]") == 16


def test_signed_thinking_that_would_change_is_withheld_whole_and_listed() -> None:
    gateway = Gateway(SECRET)
    parts: list[Part] = [
        ThinkingPart("a secret-1", signature="sig"),
        ThinkingPart("fine", signature="sig2"),
        TextPart("answer"),
    ]

    reply, _, ctx = gateway.answer(*parts)

    assert [type(part) for part in reply.message.content] == [ThinkingPart, TextPart]
    assert reply.thinking == "fine"
    assert [loss.path for loss in ctx.losses] == ["choices[*].message.content[*]"]


def test_a_message_that_held_nothing_but_withheld_thinking_goes_with_it() -> None:
    request, _ = Gateway(SECRET).ask(
        Message("user", [TextPart("hi")]), Message("assistant", [ThinkingPart("secret-1", signature="s")])
    )

    assert [message.role for message in request.messages] == ["user"]


def test_log_probabilities_do_not_spell_out_what_was_hidden() -> None:
    gateway = Gateway(SECRET)
    logprobs = {"content": [{"token": "secret-1"}]}

    assert gateway.answer(TextPart("secret-1"), logprobs=logprobs)[0].choices[0].logprobs is None
    assert gateway.answer(TextPart("nothing"), logprobs=logprobs)[0].choices[0].logprobs is None
    harmless = {"content": [{"token": "nothing", "top_logprobs": []}]}
    assert gateway.answer(TextPart("nothing"), logprobs=harmless)[0].choices[0].logprobs == harmless


def test_tokens_that_were_not_chosen_are_left_out_for_they_may_spell_anything() -> None:
    logprobs = {"content": [{"token": "a", "top_logprobs": [{"token": "secret-1"}]}], "refusal": None}

    reply, _, ctx = Gateway(SECRET).answer(TextPart("a"), logprobs=logprobs)

    assert reply.choices[0].logprobs == {"content": [{"token": "a", "top_logprobs": []}], "refusal": None}
    assert [loss.path for loss in ctx.losses] == ["choices[*].logprobs.top_logprobs"]


def test_an_unchanged_request_is_left_alone() -> None:
    request = LLMRequest(messages=[Message("user", [TextPart("hello")])])

    assert Gateway(SECRET).ask(*request.messages)[0] == request


@pytest.mark.parametrize(("apply_to", "phases"), [("request", ["before"]), ("response", ["after", "chunk", "error"])])
def test_only_the_direction_that_has_patterns_is_opened(apply_to: str, phases: list[str]) -> None:
    gateway = Gateway({"patterns": [{"pattern": "x", "applyTo": apply_to}]})

    active = gateway.chain.select(gateway.context())

    assert [name for name in ("before", "after", "chunk", "error") if getattr(active, name)] == phases


def test_operations_without_a_request_pass() -> None:
    gateway = Gateway(SECRET)
    ctx = RequestContext(request_id="r", operation="models")

    assert asyncio.run(gateway.chain.select(ctx).before_model(ctx)) is None


def test_a_pattern_that_blocks_refuses_with_400_and_does_not_quote_the_text() -> None:
    gateway = Gateway({"patterns": [{"pattern": "y"}, {"pattern": "secret-\\d+", "description": "code word"}],
                       "blockOnMatch": True})  # fmt: skip

    _, verdict = gateway.ask(Message("user", [TextPart("a secret-7")]))

    assert verdict is not None
    assert verdict.error is not None
    assert verdict.error.status == 400
    assert verdict.error.message == "The request was refused: it matches patterns[1] (code word)."


def test_a_pattern_may_differ_from_what_is_set_for_all() -> None:
    gateway = Gateway(
        {
            "patterns": [
                {"pattern": "abc", "blockOnMatch": False, "caseSensitive": True},
                {"pattern": "def", "blockOnMatch": False, "replacement": "<def>"},
                {"pattern": "ghi"},
            ],
            "blockOnMatch": True,
            "replacement": "<>",
        }
    )

    assert gateway.ask(Message("user", [TextPart("abc ABC DEF")]))[0].messages[0].text == "<> ABC <def>"
    assert gateway.ask(Message("user", [TextPart("GHI")]))[1] is not None


def test_a_stream_hides_what_is_split_and_holds_nothing_else() -> None:
    out, _, _ = Gateway(FOUNDING).stream(
        LLMResponse("id1", "m", choices=[Choice(0, Message("assistant"))]),
        chunk(TextPart("my ssn is 123-4", index=0)),
        chunk(TextPart("5-6789", index=0)),
        chunk(TextPart(" ok. ", index=0)),
        end(usage=Usage(1, 2)),
    )

    assert [one.text for one in out] == ["", "my ssn is", " [REDACTED|SSN] ok. ", ""]
    assert total(out).usage == Usage(1, 2)


def test_words_reach_the_client_as_the_provider_sends_them_one_late() -> None:
    out, _, _ = Gateway(FOUNDING).stream(*[chunk(TextPart(f" tok{number}", index=0)) for number in range(3)], end())

    assert [one.text for one in out] == [" tok0", " tok1", " tok2"]


def test_an_unchanged_chunk_is_the_same_chunk() -> None:
    chunks = [chunk(TextPart("Hello, world. ", index=0)), chunk(ToolCallPart("c", "f", '{"a": "b"}', index=1)), end()]

    out, _, _ = Gateway(FOUNDING).stream(*chunks)

    assert all(one is two for one, two in zip(out, chunks, strict=True))


def test_the_tail_of_a_text_goes_out_before_the_tool_call_that_follows_it() -> None:
    out, _, _ = Gateway(SECRET).stream(
        chunk(TextPart("the secret-1", index=0)),
        chunk(ToolCallPart("c1", "f", "", index=1)),
        chunk(ToolCallPart(arguments='{"a": "secret-', index=1)),
        chunk(ToolCallPart(arguments='2", "b": "sec', index=1)),
        chunk(ToolCallPart(arguments='ond"}', index=1)),
        end(),
    )

    reply = total(out)
    assert [type(part) for part in out[1].message.content] == [TextPart, ToolCallPart]
    assert reply.text == "the [X]"
    assert reply.tool_calls[0].arguments == '{"a": "[X]", "b": "second"}'


def test_interleaved_tool_calls_keep_their_own_tails() -> None:
    out, _, _ = Gateway(SECRET).stream(
        chunk(ToolCallPart("c1", "f", '{"a": "sec', index=0)),
        chunk(ToolCallPart("c2", "g", '{"b": "secret-', index=1)),
        chunk(ToolCallPart(arguments='ret-1"}', index=0)),
        chunk(ToolCallPart(arguments='22"}', index=1)),
        end(),
    )

    assert [call.arguments for call in total(out).tool_calls] == ['{"a": "[X]"}', '{"b": "[X]"}']


def test_each_choice_has_its_own_tail() -> None:
    out, _, _ = Gateway(SECRET).stream(
        chunk(TextPart("secret-", index=0)),
        chunk(TextPart("sec", index=0), choice=1),
        chunk(TextPart("1", index=0)),
        chunk(TextPart("ond", index=0), choice=1, finish="stop"),
        end(),
    )

    assert [choice.message.text for choice in total(out).choices] == ["[X]", "second"]


def test_tails_are_drained_when_the_stream_ends_without_a_finish() -> None:
    out, _, _ = Gateway(SECRET).stream(chunk(TextPart("secr", index=0)), LLMResponse(final=True))

    assert total(out).text == "secr"


def test_an_error_in_the_stream_drains_the_tails_and_is_redacted() -> None:
    out, _, _ = Gateway(SECRET).stream(
        chunk(TextPart("secret-1", index=0)), LLMResponse(error=ErrorInfo("no secret-2 here"), final=True)
    )

    assert total(out).text == "[X]"
    assert out[-1].error is not None
    assert out[-1].error.message == "no [X] here"


def test_changed_thinking_loses_its_signature_on_a_stream_and_unchanged_keeps_it() -> None:
    out, _, ctx = Gateway(SECRET).stream(
        chunk(ThinkingPart("a secret-", index=0)),
        chunk(ThinkingPart("1 b", index=0)),
        chunk(ThinkingPart(signature="sig", index=0)),
        chunk(ThinkingPart("fine sec", index=1)),
        chunk(ThinkingPart(signature="sig2", index=1)),
        chunk(TextPart("answer", index=2)),
        end(),
    )

    thoughts = [part for part in total(out).message.content if isinstance(part, ThinkingPart)]
    assert [(part.text, part.signature) for part in thoughts] == [("a [X] b", None), ("fine sec", "sig2")]
    assert len(ctx.losses) == 1


def test_refusals_and_fields_of_unknown_blocks_are_redacted_across_chunks() -> None:
    def delta(text: str) -> OpaquePart:
        event = {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": text}}
        return OpaquePart("anthropic", None, [event], index=1)

    out, _, _ = Gateway(SECRET).stream(
        chunk(RefusalPart("no secret", index=0)),
        chunk(RefusalPart("-1", index=0)),
        chunk(OpaquePart("anthropic", {"type": "server_tool_use", "name": "web", "input": {}}, index=1)),
        chunk(delta('{"query": "secret-')),
        chunk(delta("12")),
        chunk(delta('3"}')),
        chunk(TextPart("done", index=2)),
        end(),
    )

    reply = total(out)
    blocks = [part for part in reply.message.content if isinstance(part, OpaquePart)]
    assert reply.message.refusal == "no [X]"
    assert "".join(event["delta"]["partial_json"] for event in blocks[0].deltas) == '{"query": "[X]"}'
    assert reply.text == "done"


def test_the_tail_of_an_unknown_block_goes_out_before_the_event_that_repeats_it_whole() -> None:
    def event(kind: str, **fields: str) -> OpaquePart:
        return OpaquePart(
            "openai_responses", None, [{"type": f"response.mcp_call_arguments.{kind}", **fields}], index=0
        )

    out, _, _ = Gateway(SECRET).stream(
        chunk(event("delta", delta='{"a": "secret')),
        chunk(event("delta", delta="-1")),
        chunk(event("delta", delta='", "b": "secr')),
        chunk(event("done", arguments='{"a": "secret\\u002d1", "b": "secr')),
        end(),
    )

    block = total(out).message.content[0]
    assert isinstance(block, OpaquePart)
    assert "".join(delta["delta"] for delta in block.deltas[:-1]) == '{"a": "[X]", "b": "secr'
    assert block.deltas[-1]["arguments"] == '{"a": "[X]", "b": "secr'


def test_log_probabilities_of_a_stream_go_out_with_their_text_or_not_at_all() -> None:
    def probable(text: str) -> LLMResponse:
        return chunk(TextPart(text, index=0), logprobs={"content": [{"token": text}]})

    gateway = Gateway(SECRET)

    hidden = total(gateway.stream(probable("secret-"), probable("1"), probable(" ok "), end())[0])
    kept = total(gateway.stream(probable("sec"), probable("ond"), probable(" ok "), end())[0])

    assert hidden.choices[0].logprobs is None
    assert kept.choices[0].logprobs == {"content": [{"token": "sec"}, {"token": "ond"}, {"token": " ok "}]}


def test_a_block_on_a_stream_ends_it_before_the_match() -> None:
    gateway = Gateway({**SECRET, "blockOnMatch": True})

    out, verdict, _ = gateway.stream(
        chunk(TextPart("the secret", index=0)), chunk(TextPart("-12", index=0)), chunk(TextPart(" x", index=0))
    )

    assert [one.text for one in out] == ["the"]
    assert verdict is not None
    assert verdict.error is not None
    assert verdict.error.status == 400
    assert "secret" not in verdict.error.message


@pytest.mark.parametrize(("policy", "refused"), [("mask", False), ("refuse", True)])
def test_the_bound_of_what_is_held_has_a_policy(policy: str, refused: bool) -> None:
    config = {"patterns": [{"pattern": "a+b"}], "bufferConfig": {"maxSize": 64}, "onLimit": policy}

    out, verdict, _ = Gateway(config).stream(*[chunk(TextPart("aaaaa", index=0)) for _ in range(100)], end())

    assert (verdict is not None) is refused
    assert total(out).text == ("" if refused else "[REDACTED]")


def test_whole_and_streamed_replies_are_redacted_alike_wherever_the_stream_is_cut() -> None:
    rnd = random.Random(4)
    gateway = Gateway(FOUNDING)
    fragments = ["jane", "@", "x.com", " ", "123-45-6789", "123-45", "4111 ", "ok", ".", '"', "\\u0040", "😀"]
    for _ in range(150):
        parts: list[Part] = []
        for index in range(rnd.randint(1, 4)):
            text = "".join(rnd.choice(fragments) for _ in range(rnd.randint(1, 8)))
            kind = rnd.choice([TextPart, ThinkingPart, RefusalPart, None])
            parts.append(kind(text, index=index) if kind else ToolCallPart("c", "f", f'{{"a": "{text}', index=index))
        chunks = [chunk(piece) for part in parts for piece in _cut(part, rnd)]

        whole, _, _ = gateway.answer(*[_copy(part) for part in parts])
        out, _, _ = gateway.stream(*chunks, end())

        assert texts(total(out)) == texts(whole)


def _cut(part: Part, rnd: random.Random) -> list[Part]:
    field = "arguments" if isinstance(part, ToolCallPart) else "text"
    text, pieces = getattr(part, field), []
    while text:
        step = rnd.randint(1, 6)
        piece = _copy(part)
        setattr(piece, field, text[:step])
        pieces.append(piece)
        text = text[step:]
    return pieces


def _copy(part: Part) -> Part:
    import copy

    return copy.copy(part)


def test_interleaved_streams_do_not_share_anything() -> None:
    gateway = Gateway(SECRET)

    async def run() -> list[str]:
        contexts = [gateway.context(), gateway.context()]
        runs = [gateway.chain.select(ctx).chunk_run(ctx) for ctx in contexts]
        out = ["", ""]
        for pieces in (("secret-", "sec"), ("1", "ond"), (" a", " b")):
            for number, piece in enumerate(pieces):
                emitted = await runs[number].push(chunk(TextPart(piece, index=0)))
                out[number] += emitted.text if emitted else ""
        for number in (0, 1):
            emitted = await runs[number].push(end())
            out[number] += emitted.text if emitted else ""
        return out

    assert asyncio.run(run()) == ["[X] a", "second b"]


def test_a_second_attempt_starts_without_the_text_of_the_first() -> None:
    gateway = Gateway(SECRET)
    ctx = gateway.context()

    async def run() -> str:
        await gateway.chain.select(ctx).chunk_run(ctx).push(chunk(TextPart("secret-", index=0)))
        Engine.begin_attempt(ctx, ctx.request_payload)
        again = gateway.chain.select(ctx).chunk_run(ctx)
        out = [await again.push(chunk(TextPart("1 ok", index=0))), await again.push(end())]
        return "".join(one.text for one in out if one)

    assert asyncio.run(run()) == "1 ok"


def test_the_text_of_a_provider_error_is_redacted() -> None:
    gateway = Gateway(SECRET)
    ctx = gateway.context()
    ctx.error = original = ModelHTTPError(
        "bad secret-1", status=422, body=b'{"error": {"message": "bad secret\\u002d1", "code": 7}}',
        info=ErrorInfo("bad secret-1", 422),
    )  # fmt: skip

    asyncio.run(gateway.chain.select(ctx).on_model_error(ctx))

    assert isinstance(ctx.error, ModelHTTPError)
    assert (str(ctx.error), ctx.error.message, ctx.error.info().message) == ("bad [X]", "bad [X]", "bad [X]")
    assert ctx.error.body == b'{"error": {"message": "bad [X]", "code": 7}}'
    assert ctx.error.status == 422
    assert original.message == "bad secret-1"


def test_an_error_in_which_nothing_matches_is_left_alone() -> None:
    gateway = Gateway(SECRET)
    ctx = gateway.context()
    ctx.error = original = ModelHTTPError("overloaded", status=529, body=b"\xff{}")

    asyncio.run(gateway.chain.select(ctx).on_model_error(ctx))

    assert ctx.error is original


def test_matches_are_counted_in_the_log_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    gateway = Gateway({"patterns": [{"pattern": "secret-\\d+"}, {"pattern": "b", "logMatches": False}],
                       "logMatches": True})  # fmt: skip

    with caplog.at_level(logging.INFO, logger="llm_gateway.plugins.regex_hider"):
        gateway.ask(Message("user", [TextPart("b secret-1 secret-2")]))
        gateway.stream(chunk(TextPart("secret-", index=0)), chunk(TextPart("3 b", index=0)), end())

    assert [record.getMessage() for record in caplog.records] == [
        "r1: hidden in the request: patterns[0] × 2",
        "r1: hidden in the response: patterns[0] × 1",
    ]


@pytest.mark.parametrize(
    "between",
    [[], [ThinkingPart("hm", index=1)], [OpaquePart("anthropic", {"type": "x"}, index=1)], [ThinkingPart("", index=1)]],
)
def test_a_match_that_another_part_interrupts_is_hidden_whole_and_the_order_stays(between: list[Part]) -> None:
    parts = [TextPart("a secret-", index=0), *between, TextPart("12 b", index=2)]

    streamed = total(Gateway(SECRET).stream(*[chunk(_copy(part)) for part in parts], end())[0])
    whole, _, _ = Gateway(SECRET).answer(*[_copy(part) for part in parts])

    for reply in (streamed, whole):
        assert reply.text == "a [X] b"
        assert type(reply.message.content[0]) is TextPart


def test_of_a_match_that_a_tool_call_interrupts_the_rest_is_hidden() -> None:
    parts = [TextPart("a secret-1", index=0), ToolCallPart("c", "f", "{}", index=1), TextPart("23 b", index=2)]

    out, _, _ = Gateway(SECRET).stream(*[chunk(_copy(part)) for part in parts], end())
    whole, _, _ = Gateway(SECRET).answer(*[_copy(part) for part in parts])

    assert total(out).text == whole.text
    assert "23" not in whole.text


def test_what_was_hidden_is_counted_for_traces_without_its_text() -> None:
    config = {"patterns": [{"pattern": "secret-\\d+", "description": "code"}, {"pattern": SSN, "applyTo": "response"}]}
    gateway = Gateway(config)

    _, _, ctx = gateway.answer(TextPart("secret-1 and secret-2, 123-45-6789"))
    assert ctx.metadata["hidden"] == {"response: code": 2, "response: patterns[1]": 1}
    assert "hidden" not in gateway.answer(TextPart("nothing here"))[2].metadata
