"""The OpenAPI document of the administration API, from its routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk.admin import AdminRoute

__all__ = ["PROBLEM", "openapi_document"]

PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status"],
}


def openapi_document(routes: Sequence[AdminRoute], *, root: str, version: str) -> dict[str, Any]:
    """OpenAPI 3.1 for `routes` below `root`."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {"Problem": PROBLEM}
    for route in routes:
        paths.setdefault(root + route.path, {})[route.method.lower()] = _named(_operation(route), schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "LLM Gateway administration", "version": version},
        "paths": paths,
        "security": [{"bearer": []}],
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas,
        },
    }


def _named(value: Any, schemas: dict[str, Any]) -> Any:
    """The same with its titled object schemas moved to `schemas` and referred to by name, so that generated clients
    have one class for each. A schema whose title another one has already stays where it is."""
    if isinstance(value, list):
        return [_named(each, schemas) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _named(each, schemas) for name, each in value.items()}
    title = found.get("title")
    if not isinstance(title, str) or found.get("type") != "object":
        return found
    if schemas.setdefault(title, found) != found:
        return found
    return {"$ref": f"#/components/schemas/{title}"}


def _operation(route: AdminRoute) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    parameters += [
        {"name": each.name, "in": "query", "description": each.description, "schema": dict(each.schema)}
        for each in route.query
    ]
    if route.versioned and route.method != "GET":
        about = "The ETag of what is changed; another one is refused with 412."
        parameters.append({"name": "If-Match", "in": "header", "description": about, "schema": {"type": "string"}})
    success: dict[str, Any] = {"description": "Success."}
    if route.gives is not None:
        success["content"] = {"application/json": {"schema": dict(route.gives)}}
    if route.versioned:
        success["headers"] = {"ETag": {"schema": {"type": "string"}}}
    problem = {
        "description": "What is wrong.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": f"Needs the role {route.role}.",
        "tags": [route.path.split("/")[1]],
        "parameters": parameters,
        "responses": {str(route.status): success, "default": problem},
    }
    if route.takes is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": dict(route.takes)}}}
    return operation
