"""Embeddings by `:predict`, unit by unit and through a whole gateway."""

import json

import pytest
from llm_gateway_vertex.embeddings import VertexEmbeddings
from llm_gateway_vertex.provider import VertexProvider

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import DialectError, Target, WireReply
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingRequest
from llm_gateway_sdk.testing import ProviderHarness

FORM = VertexEmbeddings()


def target(model):
    return Target(model, "vertex", None, False)


def reply(body):
    return WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(body).encode())


def prediction(values, tokens=None):
    statistics = {} if tokens is None else {"statistics": {"token_count": tokens, "truncated": False}}
    return {"embeddings": {"values": values, **statistics}}


def test_a_request_as_vertex_takes_it():
    losses = Losses("request")
    request = EmbeddingRequest(
        "m", ["one", "two"], dimensions=64, purpose="document", titles=["T", None], truncate=False, user="u"
    )

    wire = FORM.encode_request(request, target("text-embedding-005"), losses)

    assert wire.path == "/models/text-embedding-005:predict"
    assert json.loads(wire.body) == {
        "instances": [
            {"content": "one", "task_type": "RETRIEVAL_DOCUMENT", "title": "T"},
            {"content": "two", "task_type": "RETRIEVAL_DOCUMENT"},
        ],
        "parameters": {"outputDimensionality": 64, "autoTruncate": False},
    }
    assert [loss.path for loss in losses] == ["user"]


def test_a_reply_has_its_vectors_in_order_and_the_sum_of_tokens():
    request = EmbeddingRequest("m", ["a", "b"])

    found = FORM.decode_reply(reply({"predictions": [prediction([1, 2], 3), prediction([3, 4], 4)]}), request)

    assert [list(vector) for vector in found.vectors] == [[1, 2], [3, 4]]
    assert found.usage.input_tokens == 7
    assert FORM.decode_reply(reply({"predictions": [prediction([1]), prediction([2])]}), request).usage is None


@pytest.mark.parametrize(
    "body",
    [{}, {"predictions": []}, {"predictions": [1, 2]}, {"predictions": [prediction(["x"]), prediction([1])]}],
    ids=["empty", "too few", "no objects", "no numbers"],
)
def test_a_reply_that_is_something_else_is_an_error(body):
    with pytest.raises(DialectError):
        FORM.decode_reply(reply(body), EmbeddingRequest("m", ["a", "b"]))


def test_what_can_not_be_asked_for_is_refused():
    for request in (EmbeddingRequest("m", [[1, 2]]), EmbeddingRequest("m", ["a"], element="int8")):
        with pytest.raises(DialectError):
            FORM.encode_request(request, target("text-embedding-005"), Losses("request"))


def test_a_call_takes_as_many_texts_as_the_model_does():
    assert FORM.most_inputs(target("text-embedding-005")) == 250
    assert FORM.most_inputs(target("gemini-embedding-001")) == 1


def test_only_models_of_google_have_them():
    provider = ProviderHarness(VertexProvider, {"project": "p", "model": "text-embedding-005"}).provider

    assert provider.form_for("embed", "openai", "text-embedding-005") is not None
    assert provider.form_for("embed", "openai", "claude-sonnet-4-5") is None
    assert provider.form_for("embed", "openai", "meta/llama-4") is None


def test_openais_client_embeds_on_vertex_one_text_at_a_time_where_the_model_takes_one(cloud, tmp_path):
    config = {
        "baseUrl": f"{cloud.url}/v1", "location": "europe-west4", "model": "gemini-embedding-001",
        "credentialsFile": str(cloud.service_account(tmp_path)),
    }  # fmt: skip
    with GatewayClient(json.dumps({"models": [{"name": "e", "provider": {"type": "vertex", "config": config}}]})) as g:
        answer = g.post("/v1/embeddings", {"model": "e", "input": ["a", "bb"], "dimensions": 2})

    assert answer.status == 200, answer.text
    assert [each["embedding"] for each in answer.json()["data"]] == [[1.0, 2.0], [2.0, 2.0]]
    assert answer.json()["usage"]["prompt_tokens"] == 3
    place = "/v1/projects/of-the-key/locations/europe-west4/publishers/google/models/gemini-embedding-001:predict"
    assert [path for path, _, _ in cloud.calls] == [place] * 2
