"""What a long reply has used is counted aside, word for word, where its provider does not say it or it broke off."""

from __future__ import annotations

import threading
from collections.abc import Awaitable

import pytest

from llm_gateway.exchange import attempts
from llm_gateway.exchange.attempt import LiveAttempt
from llm_gateway.exchange.request import ClientRequest
from llm_gateway.testing import GatewayClient

CONFIG = """
models: [{name: echo, isDefault: true, provider: {type: echo}}]
plugins: [{name: count, type: limits, config: {limits: [{name: all, per: [project], tokens: 1000000000, window: 1m}]}}]
"""


@pytest.mark.parametrize(("words", "thread"), [(10, "MainThread"), (300_000, "heavy")])
@pytest.mark.parametrize("is_settled", [True, False])
def test_the_words_of_a_long_reply(
    monkeypatch: pytest.MonkeyPatch, *, words: int, thread: str, is_settled: bool
) -> None:
    threads: list[str] = []

    def watched(request: ClientRequest, attempt: LiveAttempt, *, bills_all: bool = False) -> None:
        threads.append(threading.current_thread().name.partition("_")[0])

    ended = attempts._end

    def end(request: ClientRequest, client: attempts.ClientReply, attempt: LiveAttempt) -> Awaitable[None] | None:
        attempt.settled = is_settled
        return ended(request, client, attempt)

    monkeypatch.setattr(attempts, "count_broken_off", watched)
    monkeypatch.setattr(attempts, "count_unreported", watched)
    monkeypatch.setattr(attempts, "_end", end)
    with GatewayClient(CONFIG) as client:
        body = {"model": "echo", "messages": [{"role": "user", "content": "word " * words}], "stream": True}
        assert client.post("/v1/chat/completions", body).status == 200

    assert threads
    assert set(threads) == {thread}
