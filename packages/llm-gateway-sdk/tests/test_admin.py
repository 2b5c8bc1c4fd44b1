"""What a plugin adds to the administration API."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_gateway_sdk.admin import AdminCall, AdminError, AdminParameter, AdminReply, AdminRoute


async def echo(call: AdminCall) -> AdminReply:
    if call.body is None:
        raise AdminError(400, "A body is needed.", title="No body")
    return AdminReply({"by": call.by, "id": call.path["id"], **call.body}, version=call.version)


ROUTE = AdminRoute(method="PUT", path="/things/{id}", name="write", summary="Writes.", role="admin", handler=echo)


def called(**fields: Any) -> AdminReply:
    values: dict[str, Any] = {"by": "ann", "address": "127.0.0.1", "path": {"id": "7"}, "query": {}, **fields}

    async def main() -> AdminReply:
        return await ROUTE.handler(AdminCall(**values))

    return asyncio.run(main())


def test_a_handler_is_tested_without_a_server() -> None:
    reply = called(body={"name": "n"}, version=3)

    assert (reply.status, reply.body, reply.version) == (200, {"by": "ann", "id": "7", "name": "n"}, 3)


def test_an_error_has_its_status_and_reason() -> None:
    with pytest.raises(AdminError, match="A body is needed") as caught:
        called()

    assert (caught.value.status, caught.value.detail, caught.value.title) == (400, "A body is needed.", "No body")


def test_a_query_parameter_is_a_text_unless_described() -> None:
    one, other = AdminParameter("a", "A."), AdminParameter("b", "B.")

    assert one.schema == {"type": "string"}
    assert one.schema is not other.schema


def test_a_route_is_read_only_and_takes_no_version_by_default() -> None:
    assert (ROUTE.versioned, ROUTE.takes, ROUTE.gives, ROUTE.status) == (False, None, None, 200)
    with pytest.raises(AttributeError):
        ROUTE.role = "viewer"  # type: ignore[misc]
