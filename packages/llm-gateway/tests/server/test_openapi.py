"""The OpenAPI document of the administration API."""

from __future__ import annotations

from typing import Any

from llm_gateway.server.openapi import openapi_document
from llm_gateway_sdk.admin import AdminCall, AdminParameter, AdminReply, AdminRoute


async def handler(call: AdminCall) -> AdminReply:
    return AdminReply()


THING = {"title": "Thing", "type": "object", "properties": {"name": {"type": "string"}}}
ROUTES = [
    AdminRoute(
        method="GET", path="/things", name="list_things", summary="Lists.", role="viewer", handler=handler,
        gives={"type": "object", "properties": {"items": {"type": "array", "items": THING}}},
        query=(AdminParameter("limit", "How many.", {"type": "integer"}),),
    ),
    AdminRoute(
        method="PUT", path="/things/{id}", name="write_thing", summary="Writes.", role="admin", handler=handler,
        takes=THING, gives=THING, versioned=True,
    ),
    AdminRoute(
        method="DELETE", path="/things/{id}", name="delete_thing", summary="Deletes.", role="admin", handler=handler,
        status=204,
    ),
]  # fmt: skip


def document() -> dict[str, Any]:
    return openapi_document(ROUTES, root="/admin/v1", version="1.2.3")


def test_every_route_is_an_operation_below_the_root() -> None:
    paths = document()["paths"]

    assert {(method, path) for path, methods in paths.items() for method in methods} == {
        ("get", "/admin/v1/things"), ("put", "/admin/v1/things/{id}"), ("delete", "/admin/v1/things/{id}"),
    }  # fmt: skip
    assert document()["info"]["version"] == "1.2.3"


def test_parameters_of_path_query_and_version_are_listed() -> None:
    paths = document()["paths"]
    put = paths["/admin/v1/things/{id}"]["put"]["parameters"]

    assert [(each["in"], each["name"]) for each in put] == [("path", "id"), ("header", "If-Match")]
    assert [each["name"] for each in paths["/admin/v1/things"]["get"]["parameters"]] == ["limit"]


def test_a_titled_schema_is_written_once_and_referred_to() -> None:
    found = document()

    assert found["components"]["schemas"]["Thing"]["properties"] == {"name": {"type": "string"}}
    assert str(found["paths"]).count("'#/components/schemas/Thing'") == 3
    assert "'title': 'Thing'" not in str(found["paths"])


def test_two_schemas_of_one_title_stay_apart() -> None:
    other = AdminRoute(
        method="POST", path="/others", name="other", summary="", role="admin", handler=handler,
        takes={"title": "Thing", "type": "object", "properties": {"size": {"type": "integer"}}},
    )  # fmt: skip
    found = openapi_document([*ROUTES, other], root="", version="1")

    assert "size" in str(found["paths"]["/others"]["post"]["requestBody"])


def test_every_reference_leads_to_a_schema() -> None:
    found = document()

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [each for child in value.values() for each in references(child)]
        return [each for child in value for each in references(child)] if isinstance(value, list) else []

    names = {each.removeprefix("#/components/schemas/") for each in references(found)}
    assert names
    assert names <= set(found["components"]["schemas"])
