"""A cache of replies holds and hands out nothing that a redaction hides, on whichever side of it the cache is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from under_attack import PATHS, Attacked, Provider, answering, asking, model

SECRET = "123-45-6789"
CACHE = {"name": "cache", "type": "response-cache", "config": {}}
HIDER = {"name": "hide", "type": "regex-hider", "config": {"patterns": [{"pattern": r"\d{3}-\d\d-\d{4}"}]}}
PLUGIN = Path(__file__).resolve().parents[2] / "examples" / "plugins" / "response_cache.py"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("plugins", [[CACHE, HIDER], [HIDER, CACHE]], ids=["cache first", "hider first"])
def test_a_cached_reply_is_a_redacted_one(
    plugins: list[dict[str, object]], stream: bool, attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    provider = provide(answering(f"yours is {SECRET}"))
    gateway = attack(
        {
            "availablePlugins": [{"path": str(PLUGIN)}],
            "models": [model("chat", provider.url)],
            "projects": [{"name": "hiding", "plugins": plugins}],
        }
    )
    ask = asking("chat", f"mine is {SECRET}", stream=stream)

    def is_hit() -> bool:
        reply = gateway.http.post(f"/hiding{PATHS['chat']}", json=ask)
        assert reply.status_code == 200
        assert SECRET not in reply.text
        assert "yours is" in reply.text
        return reply.headers.get("x-cache") == "hit"

    assert gateway.wait_for(is_hit)
    assert SECRET not in provider.texts()
