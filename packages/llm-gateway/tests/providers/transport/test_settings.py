from __future__ import annotations

import pytest

from llm_gateway.providers.transport import TransportSettings


@pytest.mark.parametrize("proxy", ["https://a:1", "socks5://a:1", "http://"])
def test_proxies_that_are_not_spoken_are_refused(proxy: str) -> None:
    with pytest.raises(ValueError, match="proxy"):
        TransportSettings(proxy=proxy)


def test_bound_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="max_connections"):
        TransportSettings(max_connections=0)
