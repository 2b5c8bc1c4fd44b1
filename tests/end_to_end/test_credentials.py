"""Every kind of credential that ends, of every cloud, while its token endpoint is well, silent, or refuses.

One gateway has a model for each of them and one without, and goes through this once for all:

    well ──▶ silent as its token nears its end ──▶ silent after that ──▶ well again ──▶ refusing
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from typing import Any

import httpx
import pytest
from clouds import UNASKED, WAYS, Clouds, Way
from served_gateway import ServedGateway

from llm_gateway_sdk import HTTPProvider
from llm_gateway_sdk.credential_kinds import CredentialKind

Answer = tuple[int, str, float]
"""Status, text of the answer or code of the error, seconds."""


class Story:
    """What was seen of each way, by its name."""

    def __init__(self, served: ServedGateway, clouds: Clouds) -> None:
        self._clouds = clouds
        self.well: dict[str, Answer] = {}
        self.renewing: dict[str, Answer] = {}
        """Their tokens were near their end, and the endpoints silent."""
        http = httpx.Client(base_url=served.url, trust_env=False, timeout=30)
        with http as self._http, ThreadPoolExecutor(4 * len(WAYS)) as threads:
            list(threads.map(self._renew, WAYS))
            self._wait(lambda: time.time() > max(clouds.ends.values()) + 0.5)
            waiting = [threads.submit(self.ask, way.name) for way in WAYS for _ in range(4)]
            self._wait(lambda: self._in_flight() >= len(waiting))
            self.others = [self.ask("free", packed=packed) for packed in (False, True)]
            self.still_waiting = sum(not each.done() for each in waiting)
            clouds.lasts = 3600.0
            clouds.speak(*[way.name for way in WAYS])
            self.after = {way.name: waiting[4 * n].result() for n, way in enumerate(WAYS)}
            clouds.refusing = True
            asked = dict(clouds.asked)
            list(threads.map(self._lose, WAYS))
            self.refused = dict(threads.map(lambda way: (way.name, self.ask(way.name)), WAYS))
            self.asked_again = {name: clouds.asked[name] - asked[name] for name in asked}
            self.fallbacks = dict(threads.map(lambda way: (way.name, self.ask(way.name, "/safe")), WAYS))

    def _renew(self, way: Way) -> None:
        """Leaves the way without a word, and with a token that ends."""
        clouds, name = self._clouds, way.name
        self.ask(name)  # the library is loaded
        for _ in range(5):  # in case this machine is too busy to be in time
            clouds.speak(name)
            self.well[name], asked = self.ask(name), clouds.asked[name]
            clouds.hush(name)
            while time.time() < clouds.ends[name]:
                answer = self.ask(name)
                if not way.early or clouds.asked[name] > asked:
                    self.renewing[name] = answer
                    return
                time.sleep(0.05)

    def _lose(self, way: Way) -> None:
        """The model refuses its token."""
        assert self.ask(way.name)[0] == 502

    def ask(self, model: str, project: str = "", *, packed: bool = False) -> Answer:
        began, headers = time.monotonic(), {"authorization": "Bearer k", "content-type": "application/json"}
        body: Any = {"model": model, "messages": [{"role": "user", "content": "x" * (200_000 if packed else 1)}]}
        data = json.dumps(body).encode()
        if packed:  # which needs one of the event loop's threads
            data, headers["content-encoding"] = gzip.compress(data), "gzip"
        reply = self._http.post(f"{project}/openai/v1/chat/completions", content=data, headers=headers)
        answer = reply.json()
        text = answer["choices"][0]["message"]["content"] if reply.is_success else answer["error"]["code"]
        return reply.status_code, text, time.monotonic() - began

    def _in_flight(self) -> int:
        page = self._http.get("/metrics").text
        found = re.search(r"^llm_gateway_requests_in_flight(?:{[^}]*})? (\S+)", page, re.MULTILINE)
        return int(float(found[1])) if found is not None else 0

    @staticmethod
    def _wait(until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not until():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("clouds")
    clouds = Clouds(folder)
    free = {"name": "free", "isDefault": True, "provider": {"type": "echo", "config": {"reply": "here"}}}
    router = {"name": "router", "type": "model-router", "config": {"fallbacks": ["free"]}}
    served = ServedGateway(
        {
            "models": [free, *map(clouds.model, WAYS)],
            "projects": [{"name": "safe", "plugins": [router]}],
        },
        folder,
        clouds.environ,
    )
    try:
        yield Story(served, clouds)
    finally:
        served.stop()
        clouds.close()


EACH = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)


@EACH
def test_its_token_is_sent_and_renewed_before_its_end_while_requests_go_on(story: Story, way: Way) -> None:
    status, first, _ = story.well[way.name]
    assert (status, first[:-1]) == (200, f"{way.name}-")

    status, then, seconds = story.renewing[way.name]
    assert (status, then) == (200, first), "the endpoint is silent, and the token still good"
    assert seconds < 5.0


@EACH
def test_who_has_no_token_waits_and_gets_the_next_one(story: Story, way: Way) -> None:
    status, text, _ = story.after[way.name]

    assert status == 200
    assert text != story.well[way.name][1], "a new one"


def test_silent_endpoints_hold_up_no_others(story: Story) -> None:
    assert story.still_waiting == 4 * len(WAYS)
    for status, text, seconds in story.others:
        assert (status, text) == (200, "here")
        assert seconds < 5.0


@EACH
def test_a_refusal_is_the_providers_failure_and_a_fallback_answers(story: Story, way: Way) -> None:
    assert story.refused[way.name][:2] == (502, "provider_credential_unavailable")
    assert story.fallbacks[way.name][:2] == (200, "here")
    assert story.asked_again[way.name] > 0


def test_every_way_is_here() -> None:
    expected = {"tokenCommand"}
    for entry in entry_points(group="llm_gateway.credentials"):
        kind: type[CredentialKind] = entry.load()
        ways = kind.configuration_schema["properties"].get("method", {}).get("enum")
        if entry.name == "google":
            from llm_gateway_vertex.google import _TYPES as ways
        expected |= {f"{entry.name} {way}" for way in ways} if ways else {entry.name}
    for entry in entry_points(group="llm_gateway.providers"):
        provider = entry.load()
        if issubclass(provider, HTTPProvider) and provider.finds_credentials:
            expected.add(f"{entry.name} chain")

    assert expected <= {way.covers for way in WAYS} | set(UNASKED)
