"""google-genai as it asks Vertex AI (`vertexai=True`), with the gateway's address as its base URL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google import genai
from google.genai import types
from served_gateway import ServedGateway
from vendors import Vendors, vector


@pytest.fixture(scope="module")
def served(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    google = {"baseUrl": f"{vendors.url}/v1beta", "apiKey": "k", "model": "gemini-embedding-001"}
    openai = {"baseUrl": f"{vendors.url}/v1", "apiKey": "k", "model": "text-embedding-3-small"}
    keys = {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": ["a-key"]}}
    served = ServedGateway(
        {
            "models": [
                {"name": "google", "provider": {"type": "gemini", "config": google}},
                {"name": "openai", "provider": {"type": "openai", "config": openai}},
            ],
            "plugins": [keys],
        },
        tmp_path_factory.mktemp("vertex-client"),
    )
    yield served
    served.stop()


@pytest.fixture
def express(served: ServedGateway) -> Iterator[genai.Client]:
    """With a key and without a project."""
    options = types.HttpOptions(base_url=f"{served.url}/gemini", client_args={"trust_env": False})
    client = genai.Client(vertexai=True, api_key="a-key", http_options=options)
    yield client
    client.close()


def test_it_is_answered_by_models_of_google(express: genai.Client) -> None:
    reply = express.models.generate_content(model="google", contents="Hi")

    assert reply.usage_metadata is not None
    assert reply.usage_metadata.prompt_token_count == 5


@pytest.mark.parametrize("model", ["google", "openai"])
def test_it_embeds_with_any_model(served: ServedGateway, model: str) -> None:
    place = f"/v1beta1/projects/p/locations/eu/publishers/google/models/{model}:embedContent"
    body, headers = {"content": {"parts": [{"text": "one"}]}}, {"authorization": "Bearer a-key"}
    with served.http() as http:
        reply = http.post(place, json=body, headers=headers)

    assert reply.json()["embedding"]["values"] == vector("one"), reply.text


def test_a_model_is_described(express: genai.Client) -> None:
    assert express.models.get(model="google").name == "models/google"


def test_a_stranger_is_refused(served: ServedGateway) -> None:
    with served.http() as http:
        reply = http.post("/v1beta1/publishers/google/models/google:generateContent", json={"contents": []})

    assert (reply.status_code, reply.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
