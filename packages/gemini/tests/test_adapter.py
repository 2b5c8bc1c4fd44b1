"""The adapter `gemini`."""

from __future__ import annotations

import json

import pytest
from llm_gateway_gemini import GeminiAdapter

from llm_gateway_sdk import Headers, ModelEntry, WireRequest

ADAPTER = GeminiAdapter()
MODELS = [
    ModelEntry("fast", "gemini", ("gemini-3-flash", "gemini-*"), "Quick", metadata={"contextWindow": 1000}),
    ModelEntry("slow", "anthropic"),
]


def get(path: str, query: str = "", **headers: str) -> WireRequest:
    return WireRequest("GET", path, query, Headers((name.replace("_", "-"), value) for name, value in headers.items()))


def test_routes_lead_to_every_method_in_every_version() -> None:
    routes = {(route.method, route.path): route for route in ADAPTER.routes}

    for version in ("v1beta", "v1"):
        for method in ("generateContent", "streamGenerateContent", "countTokens", "embedContent"):
            route = routes["POST", f"/{version}/models/{{model}}:{method}"]
            assert route.upstream == f"/models/{{model}}:{method}"
    assert routes["POST", "/v1beta/models/{model}:countTokens"].operation == "count_tokens"
    assert routes["GET", "/v1beta/models"].operation == "models"


@pytest.mark.parametrize(
    ("wire", "claimed"),
    [
        (get("/v1beta/models"), True),
        (get("/v1/models", x_goog_api_key="k"), True),
        (get("/v1/models", x_goog_api_client="genai"), True),
        (get("/v1/models", "key=k"), True),
        (get("/v1/models", authorization="Bearer k"), False),
    ],
)
def test_googles_clients_are_known_where_a_path_is_everybodys(wire: WireRequest, claimed: bool) -> None:
    assert ADAPTER.claims(wire) is claimed


def test_models_are_listed_with_their_aliases_and_limits() -> None:
    body = json.loads(ADAPTER.list_models(MODELS, get("/v1beta/models")).body)

    assert [model["name"] for model in body["models"]] == ["models/fast", "models/gemini-3-flash", "models/slow"]
    assert body["models"][0]["inputTokenLimit"] == 1000
    assert "generateContent" in body["models"][0]["supportedGenerationMethods"]


def test_one_model_is_shown_or_not_found() -> None:
    found = ADAPTER.list_models(MODELS, get("/v1beta/models/gemini-3-flash"))
    missing = ADAPTER.list_models(MODELS, get("/v1beta/models/nope"))

    assert json.loads(found.body)["name"] == "models/gemini-3-flash"
    assert (missing.status, json.loads(missing.body)["error"]["status"]) == (404, "NOT_FOUND")


def test_an_estimate_has_the_shape_of_a_count() -> None:
    assert json.loads(ADAPTER.estimate_reply(12).body) == {"totalTokens": 12}
