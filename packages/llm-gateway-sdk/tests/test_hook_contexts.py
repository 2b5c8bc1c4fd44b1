from llm_gateway_sdk import ChunkContext, Plugin, RequestContext, ResponseContext, plugin_metadata
from llm_gateway_sdk.testing import PluginHarness


@plugin_metadata(name="shout")
class Shout(Plugin):
    def after_model(self, ctx: ResponseContext) -> None:
        ctx.response.map_text(str.upper)

    def after_chunk(self, ctx: ChunkContext) -> None:
        ctx.buffered_chunk.map_text(str.upper)


def test_they_are_the_request_context_at_run_time():
    assert ResponseContext is RequestContext
    assert ChunkContext is RequestContext


def test_hooks_may_be_annotated_with_them():
    harness = PluginHarness(Shout)

    assert harness.ask(reply="hello").text == "HELLO"
    assert harness.stream(["hel", "lo"]).text == "HELLO"
