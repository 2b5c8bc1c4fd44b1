"""`serve` chooses between this process and several under a supervisor."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from llm_gateway.loading import load_text
from llm_gateway.server import serving, supervisor, worker


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []

    def alone(result: Any, **options: Any) -> int:
        for each in options["sockets"]:
            each.close()
        found.append(("alone", options))
        return 3

    def workers(result: Any, **options: Any) -> int:
        assert gc.isenabled()
        found.append(("workers", options))
        return 4

    monkeypatch.setattr(serving, "serve_alone", alone)
    monkeypatch.setattr(supervisor, "serve_with_workers", workers)
    return found


LOADED = load_text("models: [{name: m, isDefault: true, provider: {type: echo}}]", environ={})


def test_one_worker_is_this_process_with_its_listeners_open(called: list[tuple[str, dict[str, Any]]]) -> None:
    assert serving.serve(LOADED, host="127.0.0.1", port=0, reload=True) == 3

    ((way, options),) = called
    assert (way, options["reload"], len(options["sockets"])) == ("alone", True, 1)


def test_several_are_under_a_supervisor_that_opens_them(called: list[tuple[str, dict[str, Any]]]) -> None:
    assert serving.serve(LOADED, host="127.0.0.1", port=0, workers=2, log_level="debug") == 4

    ((way, options),) = called
    assert way == "workers"
    assert (options["workers"], options["log_level"], options["port"]) == (2, "debug", 0)


@pytest.fixture
def collector_off() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.disable()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


@pytest.mark.usefixtures("collector_off")
def test_the_collector_that_a_start_does_without_is_on_while_requests_are_served() -> None:
    worker.spare_the_collector()

    assert gc.isenabled()


@pytest.mark.usefixtures("called", "collector_off")
def test_a_supervisor_has_its_collector_too() -> None:
    assert serving.serve(LOADED, host="127.0.0.1", port=0, workers=2) == 4
