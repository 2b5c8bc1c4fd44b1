"""What a plugin does not take part in costs it nothing. Calls are counted in `tests/performance_guard`, and
`python -m benchmarks.plugins` prints times."""

from llm_gateway_sdk import HookChain, MountedPlugin, Plugin, RequestContext, plugin_metadata


def test_a_plugin_without_after_chunk_is_not_in_the_chunk_loop():
    cls = plugin_metadata(name="idle")(type("Idle", (Plugin,), {"before_model": lambda self, ctx: None}))
    chain = HookChain([MountedPlugin("idle", cls())]).select(RequestContext(request_id="r1"))

    assert (chain.chunk, chain.after, chain.detached) == ([], [], [])
