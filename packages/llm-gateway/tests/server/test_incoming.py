"""A request at the server's edge."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from llm_gateway.server.incoming import EdgeRequest


def test_a_request_is_what_its_head_has() -> None:
    headers = [("host", "h"), ("x-a", "first"), ("x-a", "last")]
    head = SimpleNamespace(method="POST", path="/v1/x", query="a=1", headers=headers, facts={"memo": 1}, upgrades=False)
    request = EdgeRequest(cast("Any", SimpleNamespace(head=head, client_ip="10.0.0.1")))

    assert (request.wire.method, request.wire.path, request.wire.query) == ("POST", "/v1/x", "a=1")
    assert (request.path, request.peer) == ("/v1/x", "10.0.0.1")
    assert request.index["x-a"] == "last"
    assert [value for name, value in request.wire.headers.items if name == "x-a"] == ["first", "last"]
    assert request.facts is head.facts
    assert request.wire.body == b""
