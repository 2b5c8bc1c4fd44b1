import re

import pytest

from llm_gateway_sdk import (
    Choice,
    LLMResponse,
    Message,
    Plugin,
    PluginResult,
    TextPart,
    ThinkingPart,
    merge,
    plugin_metadata,
)
from llm_gateway_sdk.testing import assert_stream_invariant, assert_survives_every_part, tool_call


def plugin(**members):
    return plugin_metadata(name="made")(type("Made", (Plugin,), members))


def hide(text):
    return text.replace("secret", "***")


def hides_per_chunk(self, ctx):
    ctx.buffered_chunk.map_text(hide)


def hides_the_whole(self, ctx):
    if not ctx.final_chunk:
        return PluginResult(emit_chunk=False)
    ctx.buffered_chunk.map_text(hide, kinds=None)
    return None


TEXT = "the secret is a secret"


def test_a_plugin_that_holds_enough_keeps_the_invariant():
    parts = [ThinkingPart("a secret thought"), TextPart(TEXT), tool_call("tell", {"what": "secret"})]

    assert_stream_invariant(plugin(after_chunk=hides_the_whole), texts=[TEXT, parts], forbidden="secret")


def test_a_secret_that_falls_on_a_cut_is_found():
    with pytest.raises(
        AssertionError, match=r"the client saw 'secret' in .* when cut into \['the s', 'ecret is a secret'\]"
    ):
        assert_stream_invariant(plugin(after_chunk=hides_per_chunk), texts=TEXT, forbidden="secret")


def test_a_whole_that_depends_on_the_cut_is_found():
    with pytest.raises(AssertionError, match="when cut into"):
        assert_stream_invariant(plugin(after_chunk=hides_per_chunk), texts=TEXT)


def test_patterns_may_be_forbidden():
    with pytest.raises(AssertionError, match="secret is"):
        assert_stream_invariant(plugin(after_chunk=lambda self, ctx: None), texts=TEXT, forbidden=re.compile("sec?ret"))


def test_state_kept_on_the_plugin_is_found():
    def after_chunk(self, ctx):
        self.seen = getattr(self, "seen", 0) + len(ctx.chunk.text)
        if ctx.final_chunk:
            count = LLMResponse(choices=[Choice(0, Message("", [TextPart(str(self.seen), index=99)]))], final=True)
            ctx.buffered_chunk = merge(ctx.buffered_chunk, count)
            self.seen = 0

    with pytest.raises(AssertionError, match="does the plugin keep a request's state on itself"):
        assert_stream_invariant(plugin(after_chunk=after_chunk), texts="abcdef")


def test_state_left_behind_by_a_failed_attempt_is_found():
    def after_chunk(self, ctx):
        new = sum(len(choice.message.text) for choice in ctx.chunk.choices)
        seen = ctx.plugin_data["seen"] = ctx.plugin_data.get("seen", 0) + new  # attempt_data would be right
        if not ctx.final_chunk:
            return PluginResult(emit_chunk=False)
        count = LLMResponse(choices=[Choice(0, Message("", [TextPart(str(seen), index=99)]))], final=True)
        ctx.buffered_chunk = merge(ctx.buffered_chunk, count)
        return None

    with pytest.raises(AssertionError, match="after a first attempt that ended early, after"):
        assert_stream_invariant(plugin(after_chunk=after_chunk), texts="abcdef", every_kind=False)


def test_a_stream_that_is_not_what_the_whole_reply_is_is_found():
    def after_model(self, ctx):
        ctx.response.map_text(str.upper)

    shouts_whole = plugin(after_model=after_model, after_chunk=lambda self, ctx: None)

    with pytest.raises(AssertionError, match="as a whole reply, and streamed in one piece"):
        assert_stream_invariant(shouts_whole, texts="abc")
    assert_stream_invariant(shouts_whole, texts="abc", like_whole=False)


def test_refusals_must_come_for_every_cut():
    def after_chunk(self, ctx):
        if "secret" in ctx.chunk.text:
            return PluginResult(success=False, status=400, error="No secrets.")
        return None

    with pytest.raises(AssertionError, match=r"the client got the error 'No secrets\.', but a reply"):
        assert_stream_invariant(plugin(after_chunk=after_chunk), texts=TEXT)


def test_a_hook_that_breaks_on_a_kind_of_content_is_found():
    def after_model(self, ctx):
        ctx.response.message.content[0].text.upper()

    with pytest.raises(AssertionError, match=r"failed in after_model\. What it met was a reply with ToolCallPart"):
        assert_survives_every_part(plugin(after_model=after_model, on_stream="skip"))


def test_a_hook_that_needs_a_request_where_there_is_none_is_found():
    with pytest.raises(AssertionError, match="operation models, which has no request"):
        assert_survives_every_part(plugin(before_model=lambda self, ctx: ctx.request.model and None))


def test_a_detached_hook_that_breaks_is_found():
    def detached_after_response(self, ctx):
        len(ctx.response.text)

    with pytest.raises(AssertionError, match="failed in detached_after_response after a failing model"):
        assert_survives_every_part(plugin(detached_after_response=detached_after_response))


def test_a_guard_that_looks_at_the_first_choice_alone_is_found():
    def after_chunk(self, ctx):
        if not ctx.final_chunk:
            return PluginResult(emit_chunk=False)
        for part in ctx.buffered_chunk.message.content:
            if isinstance(part, TextPart):
                part.text = hide(part.text)
        return None

    with pytest.raises(AssertionError, match="the fragments of two choices came in turn"):
        assert_stream_invariant(plugin(after_chunk=after_chunk), texts=TEXT, forbidden="secret")
