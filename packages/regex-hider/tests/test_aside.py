import asyncio
import threading

from llm_gateway_regex_hider import RegexHider
from llm_gateway_regex_hider.aside import LARGE_BYTES, Aside
from llm_gateway_regex_hider.settings import load_settings

from llm_gateway_sdk.testing import PluginHarness

CONFIG = {"patterns": [{"pattern": r"[a-z]+@[a-z]+\.example", "replacement": "(mail)"}]}


def test_each_thread_has_its_own_rules_and_keeps_them():
    async def main():
        aside = Aside(lambda: load_settings(CONFIG))
        barrier = threading.Barrier(2, timeout=10)

        def work(settings):
            barrier.wait()
            return id(settings), threading.get_ident()

        first = await asyncio.gather(aside.run(work), aside.run(work))
        second = await asyncio.gather(aside.run(work), aside.run(work))
        aside.close()
        return first, second

    first, second = asyncio.run(main())
    assert len(set(first)) == 2
    assert set(first) == set(second)
    assert threading.get_ident() not in {thread for _, thread in first}


def test_the_event_loop_goes_on_while_a_large_text_is_searched():
    async def main():
        aside = Aside(lambda: load_settings(CONFIG))
        from llm_gateway_regex_hider.redaction.whole_texts import redact

        text = "someone@company.example, " * 20_000
        ticks = 0
        search = asyncio.ensure_future(aside.run(lambda settings: redact(text, settings.request, on_limit="mask")))
        while not search.done():
            await asyncio.sleep(0)
            ticks += 1
        aside.close()
        return ticks, await search

    ticks, found = asyncio.run(main())
    assert "company" not in found
    assert ticks > 10


def test_large_bodies_are_redacted_like_small_ones():
    harness = PluginHarness(RegexHider, CONFIG)
    text = "words " * (LARGE_BYTES // 5) + "someone@company.example"

    reply = harness.ask(text, reply="ok")

    assert reply.requests[-1].messages[-1].text.endswith("words (mail)")
