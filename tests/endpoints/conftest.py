"""One server of all vendors and one gateway before it, for the tests of endpoints next to generation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cohere
import httpx
import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

TESTS = Path(__file__).resolve().parent.parent
sys.path += [str(TESTS / "endpoints"), str(TESTS / "end_to_end"), str(TESTS / "reliability")]

from endpoint_models import models_of  # noqa: E402
from served_gateway import ServedGateway  # noqa: E402
from vendors import Vendors  # noqa: E402


@pytest.fixture(scope="session")
def vendors() -> Iterator[Vendors]:
    server = Vendors()
    yield server
    server.close()


@pytest.fixture(scope="session")
def gateway(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    served = ServedGateway({"models": models_of(vendors.url)}, tmp_path_factory.mktemp("endpoints"))
    yield served
    served.stop()


@pytest.fixture(scope="session")
def cohere_client(gateway: ServedGateway) -> Iterator[cohere.ClientV2]:
    with httpx.Client(trust_env=False) as http:
        yield cohere.ClientV2("k", base_url=f"{gateway.url}/cohere", httpx_client=http)


@pytest.fixture(scope="session")
def gemini_client(gateway: ServedGateway) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=f"{gateway.url}/gemini", client_args={"trust_env": False})
    client = genai.Client(api_key="k", vertexai=False, http_options=options)
    yield client
    client.close()


@pytest.fixture(scope="session")
def vertex_client(gateway: ServedGateway) -> Iterator[genai.Client]:
    """Google's client as it asks Vertex AI."""
    options = types.HttpOptions(base_url=f"{gateway.url}/gemini", client_args={"trust_env": False})
    login = Credentials("k")  # type: ignore[no-untyped-call]
    client = genai.Client(vertexai=True, project="p", location="global", credentials=login, http_options=options)
    yield client
    client.close()
