"""The gateway's own lines in its log."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from llm_gateway.loading import load_text
from llm_gateway.server.announcements import Ending, log_listening

MODEL = "models: [{name: m, isDefault: true, provider: {type: echo}}]\n"


def lines(caplog: pytest.LogCaptureFixture, text: str, *addresses: tuple[str, int], pages: dict[str, str]) -> list[str]:
    control = SimpleNamespace(home=lambda: {"pages": pages})
    with caplog.at_level(logging.INFO, "llm_gateway.server"):
        log_listening(load_text(MODEL + text, environ={}).config, cast("Any", control), addresses)
    return [record.getMessage() for record in caplog.records]


def test_addresses_can_be_opened_as_they_are_written(caplog: pytest.LogCaptureFixture) -> None:
    assert lines(caplog, "", ("127.0.0.1", 3000), ("::1", 3000), pages={}) == [
        "listening on http://127.0.0.1:3000 and http://[::1]:3000"
    ]


def test_pages_and_administration_are_listed(caplog: pytest.LogCaptureFixture) -> None:
    admin = "admin: {enabled: true, apiKey: '0123456789abcdef0123456789abcdef'}"

    assert lines(caplog, admin, ("127.0.0.1", 1), pages={"Health": "/health"})[1:] == [
        "pages: health /health, administration /admin"
    ]


def test_an_administration_with_its_port_is_named_by_address(caplog: pytest.LogCaptureFixture) -> None:
    admin = "admin: {enabled: true, port: 9000, apiKey: '0123456789abcdef0123456789abcdef'}"

    assert lines(caplog, admin, ("127.0.0.1", 1), pages={})[1:] == ["pages: administration http://127.0.0.1:9000/admin"]


def end_lines(caplog: pytest.LogCaptureFixture, *, running: int, cut: int, alone: bool = True) -> list[str]:
    config = load_text(MODEL, environ={}).config
    generation = SimpleNamespace(exchanges=running, gateway=SimpleNamespace(config=config))
    ending = Ending(cast("Any", SimpleNamespace(generation=generation)), alone=alone)
    with caplog.at_level(logging.INFO, "llm_gateway.server"):
        ending.begin()
        ending.end(cut)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("running", "cut", "lines"),
    [
        (0, 0, ["stopping: 0 requests in flight have up to 30 s", "stopped after 0.0 s: 0 requests finished"]),
        (1, 0, ["stopping: 1 request in flight has up to 30 s", "stopped after 0.0 s: 1 request finished"]),
        (
            3,
            1,
            [
                "stopping: 3 requests in flight have up to 30 s",
                "stopped after 0.0 s: 2 requests finished, 1 request cut off",
            ],
        ),
        (1, 1, ["stopping: 1 request in flight has up to 30 s", "stopped after 0.0 s: 1 request cut off"]),
    ],
)
def test_the_end_names_what_was_under_way_and_what_became_of_it(
    caplog: pytest.LogCaptureFixture, running: int, cut: int, lines: list[str]
) -> None:
    assert end_lines(caplog, running=running, cut=cut) == lines


def test_one_of_several_workers_is_silent_where_it_had_nothing_to_finish(caplog: pytest.LogCaptureFixture) -> None:
    assert end_lines(caplog, running=0, cut=0, alone=False) == []
    assert len(end_lines(caplog, running=2, cut=0, alone=False)) == 2


def test_a_gateway_that_no_signal_ended_writes_no_end(caplog: pytest.LogCaptureFixture) -> None:
    ending = Ending(cast("Any", None), alone=True)
    with caplog.at_level(logging.INFO, "llm_gateway.server"):
        ending.end(0)

    assert caplog.records == []
