"""The gateway's own lines in its log."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from llm_gateway.loading import load_text
from llm_gateway.server.announcements import log_listening, log_stopping

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


def test_the_end_names_what_is_still_under_way(caplog: pytest.LogCaptureFixture) -> None:
    config = load_text(MODEL, environ={}).config
    generation = SimpleNamespace(exchanges=3, gateway=SimpleNamespace(config=config))
    with caplog.at_level(logging.INFO, "llm_gateway.server"):
        log_stopping(cast("Any", SimpleNamespace(generation=generation)))

    assert caplog.records[0].getMessage() == "stopping: 3 requests in flight have up to 30 s"
