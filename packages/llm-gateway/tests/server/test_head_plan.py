"""What follows from the head of a request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from llm_gateway.server.head_plan import plan_of
from llm_gateway.server.http1.head import Head
from llm_gateway.server.incoming import EdgeRequest


class _Routes:
    def __init__(self) -> None:
        self.asked = 0

    def find(self, method: str, path: str, wire: Any) -> Any:
        self.asked += 1
        return f"{method} {path}"


def _generation() -> Any:
    return SimpleNamespace(routes=_Routes())


def _request(*headers: tuple[str, str]) -> EdgeRequest:
    head = Head("POST", "/v1/x", "", [("host", "h"), *headers], 0)
    return EdgeRequest(cast("Any", SimpleNamespace(head=head, client_ip=None)))


def test_a_route_is_looked_for_once_per_head_and_generation() -> None:
    first, second, request = _generation(), _generation(), _request()

    assert plan_of(first, request).find(request) == plan_of(first, request).find(request) == "POST /v1/x"
    assert first.routes.asked == 1
    plan_of(second, request).find(request)
    assert second.routes.asked == 1


@pytest.mark.parametrize("given", ["", "x" * 129, "naïve", "a\tb"], ids=["empty", "long", "not ASCII", "a tab"])
def test_an_id_that_can_not_be_logged_is_replaced(given: str) -> None:
    plan = plan_of(_generation(), _request(("x-request-id", given)))

    assert plan.given_id is None


def test_the_clients_id_coding_and_type_are_kept() -> None:
    sent = ("x-request-id", "mine"), ("content-encoding", "gzip"), ("content-type", "application/json")
    plan = plan_of(_generation(), _request(*sent))

    assert (plan.given_id, plan.encoding, plan.content_type) == ("mine", "gzip", "application/json")
