"""The gateway of one process, put together."""

from __future__ import annotations

import asyncio
from pathlib import Path

from llm_gateway.loading import load
from llm_gateway.server.assembly import assemble

ECHO = "models: [{name: m, isDefault: true, provider: {type: echo}}]\nlogging: {level: error}\n"


def test_what_is_put_together_is_reloaded_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(ECHO)

    async def main() -> None:
        app, control, observers = await assemble(load(file))
        assert observers
        await control.startup()
        file.write_text(ECHO.replace("name: m", "name: n"))
        assert (await control.reload_here())["changed"]
        assert app.generation.gateway is control.gateway
        assert [target.name for target in control.gateway.projects["default"].scope.registry.targets] == ["n"]
        await control.shutdown()

    asyncio.run(main())
