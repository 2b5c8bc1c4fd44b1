"""Every operation of the official SDKs on every model of the gateway: it works where the provider has the endpoint, as
it is or translated, and is refused with the reason where not. What is expected of each pair is read from the providers,
as the table of docs/endpoints.md is, so that a new provider or form is in this table by itself.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

import anthropic
import cohere
import openai
import pytest
from batch_vendor import BatchVendor
from cohere.core.api_error import ApiError as CohereError
from endpoint_models import models_of
from google import genai
from google.genai import errors as google_errors
from google.genai import types
from served_gateway import ServedGateway
from vendors import PIXEL

from llm_gateway_sdk import HTTPProvider
from llm_gateway_sdk.context import Operation

MODELS = {model["name"]: model["provider"] for model in models_of("http://127.0.0.1")}
PICTURE = ("a.png", b64decode(PIXEL))


@dataclass(frozen=True)
class Clients:
    """The official clients, each with nothing changed but its address."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    google: genai.Client
    vertex: genai.Client
    cohere: cohere.ClientV2


@pytest.fixture(scope="module")
def clients(
    gateway: ServedGateway, gemini_client: genai.Client, vertex_client: genai.Client, cohere_client: cohere.ClientV2
) -> Clients:
    return Clients(gateway.openai(), gateway.anthropic(), gemini_client, vertex_client, cohere_client)


@dataclass(frozen=True)
class Call:
    """One operation: how a client writes it, and what the SDK gives back that shows that it was done."""

    operation: Operation
    form: str
    ask: Callable[[Clients, str], Any]


CALLS: dict[str, Call] = {
    "openai embeddings": Call(
        "embed", "openai", lambda c, m: c.openai.embeddings.create(model=m, input=["a", "b"]).data[1].embedding
    ),
    "openai embeddings in base64": Call(
        "embed",
        "openai",
        lambda c, m: c.openai.embeddings.create(model=m, input="a", encoding_format="base64").data[0].embedding,
    ),
    "openai moderations": Call(
        "moderate", "openai", lambda c, m: c.openai.moderations.create(model=m, input="kill").results[0].flagged
    ),
    "openai images": Call("image", "openai", lambda c, m: c.openai.images.generate(model=m, prompt="a cat").data),
    "openai edits": Call(
        "image", "openai", lambda c, m: c.openai.images.edit(model=m, prompt="a hat", image=PICTURE).data
    ),
    "openai speech": Call(
        "speech",
        "openai",
        lambda c, m: c.openai.audio.speech.create(model=m, input="Hi", voice="alloy", response_format="wav").content,
    ),
    "openai transcriptions": Call(
        "transcribe",
        "openai",
        lambda c, m: c.openai.audio.transcriptions.create(model=m, file=("a.wav", b"RIFF")).text,
    ),
    "google embed": Call(
        "embed", "gemini", lambda c, m: c.google.models.embed_content(model=m, contents=["a", "b"]).embeddings
    ),
    "google images": Call(
        "image",
        "imagen",
        lambda c, m: (
            c.vertex.models.generate_images(
                model=m, prompt="a cat", config=types.GenerateImagesConfig(number_of_images=1)
            ).generated_images
        ),
    ),
    "cohere embed": Call(
        "embed",
        "cohere",
        lambda c, m: (
            c.cohere.embed(model=m, texts=["a"], input_type="search_query", embedding_types=["float"]).embeddings.float_
        ),
    ),
    "cohere rerank": Call(
        "rerank", "cohere", lambda c, m: c.cohere.rerank(model=m, query="a", documents=["a", "b"]).results
    ),
}
REFUSALS: dict[tuple[str, str], str] = {
    ("openai edits", "imagen"): "edits none",
}
"""Where a provider has the operation, and its model can't do this of it."""


def has(call: Call, model: str) -> bool:
    provider = MODELS[model]
    (point,) = entry_points(group="llm_gateway.providers", name=provider["type"])
    cls: type[HTTPProvider] = point.load()
    return cls().form_for(call.operation, call.form, provider["config"]["model"]) is not None


REFUSED = (openai.APIStatusError, google_errors.APIError, CohereError)


_OTHER_MODELS = {
    ("embed", name) for name in ("imagen", "gemini-image", "gemini-tts", "gemini-ears")
} | {("image", name) for name in ("google", "gemini-tts", "gemini-ears")}  # fmt: skip


"""A provider of several models has forms that these of its models do not take: the provider itself answers."""
PAIRS = [
    (name, model) for name, call in CALLS.items() for model in MODELS if (call.operation, model) not in _OTHER_MODELS
]


@pytest.mark.filterwarnings("ignore:The generate_images method is deprecated")
@pytest.mark.parametrize(("name", "model"), PAIRS)
def test_an_operation_works_or_is_refused_with_the_reason(clients: Clients, name: str, model: str) -> None:
    call = CALLS[name]
    if (name, model) not in REFUSALS and has(call, model):
        assert call.ask(clients, model)
        return

    with pytest.raises(REFUSED) as failed:
        call.ask(clients, model)
    status = getattr(failed.value, "status_code", None) or getattr(failed.value, "code", None)
    reason = REFUSALS.get((name, model), "does not have this endpoint")
    assert status == (400 if (name, model) in REFUSALS else 404)
    assert reason in str(failed.value)


def lines(model: str) -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line).encode() + b"\n"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    folder, vendor = tmp_path_factory.mktemp("sdk"), BatchVendor()
    models, store = models_of(vendor.url), {"url": f"sqlite:{folder}/state.db"}
    served = ServedGateway({"models": models, "store": store, "batches": {"pollInterval": "1h"}}, folder)
    yield served
    served.stop()
    vendor.close()


@pytest.mark.parametrize("model", ["openai", "anthropic", "google"])
def test_openais_files_and_batches(kept: ServedGateway, model: str) -> None:
    client = kept.openai()
    file = client.files.create(file=("a.jsonl", lines(model)), purpose="batch")
    assert client.files.retrieve(file.id).id == file.id
    assert file.id in [each.id for each in client.files.list()]
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )  # fmt: skip
    assert client.batches.retrieve(batch.id).id == batch.id
    assert batch.id in [each.id for each in client.batches.list()]
    assert client.batches.cancel(batch.id).id == batch.id
    assert client.files.delete(file.id).deleted


@pytest.mark.parametrize("model", ["anthropic", "openai", "google"])
def test_anthropics_batches(kept: ServedGateway, model: str) -> None:
    batches = kept.anthropic().messages.batches
    asked: Any = {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    batch = batches.create(requests=[{"custom_id": "a", "params": asked}])
    assert batches.retrieve(batch.id).id == batch.id
    assert batch.id in [each.id for each in batches.list()]
    assert batches.cancel(batch.id).id == batch.id


@pytest.mark.parametrize("model", ["titan", "cohere"])
def test_a_batch_for_a_provider_without_batches_is_refused_with_the_reason(kept: ServedGateway, model: str) -> None:
    asked: Any = {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}

    with pytest.raises(anthropic.NotFoundError, match="has no batches in this form"):
        kept.anthropic().messages.batches.create(requests=[{"custom_id": "a", "params": asked}])


def test_every_client_lists_the_models(clients: Clients) -> None:
    for found in (
        {model.id for model in clients.openai.models.list()},
        {model.id for model in clients.anthropic.models.list()},
        {(model.name or "").removeprefix("models/") for model in clients.google.models.list()},
    ):
        assert MODELS.keys() <= found
