"""One configuration being served, until its last exchange is over."""

from __future__ import annotations

import asyncio

from llm_gateway.gateway import Gateway
from llm_gateway.loading import load_text
from llm_gateway.server.generation import Generation

CONFIGURATION = """
models: [{name: m, isDefault: true, provider: {type: echo}}]
projects:
  - {name: open}
  - name: guarded
    plugins: [{name: keys, type: basic-apikey-auth, config: {apikeys: [k]}}]
"""


def served() -> Generation:
    async def main() -> Generation:
        loaded = load_text(CONFIGURATION, environ={})
        gateway = Gateway(loaded)
        await gateway.start()
        try:
            return Generation(gateway)
        finally:
            await gateway.close()

    return asyncio.run(main())


def test_projects_that_answer_without_a_credential_are_known() -> None:
    generation = served()

    assert generation.open_projects == {"default", "open"}
    assert set(generation.head_authentication) == {"guarded"}


def test_it_is_idle_when_the_last_exchange_is_over() -> None:
    generation = served()

    async def main() -> list[bool]:
        idle = [await generation.wait_idle(0.01)]
        generation.exchanges = 2
        idle.append(await generation.wait_idle(0.01))
        waiting = asyncio.create_task(generation.wait_idle(5))
        await asyncio.sleep(0)
        generation.leave()
        await asyncio.sleep(0)
        assert not waiting.done()
        generation.leave()
        idle.append(await waiting)
        return idle

    assert asyncio.run(main()) == [True, False, True]
