"""Google's client with batches, at providers of all APIs that have them; the others' clients at Gemini's."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from batch_vendor import USED, BatchVendor
from google import genai
from google.genai import errors, types
from served_gateway import ServedGateway

MODELS = ["flash", "gpt", "claude"]
GoogleClient = Callable[..., genai.Client]


@pytest.fixture(scope="module")
def vendor() -> Iterator[BatchVendor]:
    server = BatchVendor()
    yield server
    server.close()


@pytest.fixture(scope="module")
def gateway(vendor: BatchVendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    folder: Path = tmp_path_factory.mktemp("gemini-batches")

    def model(name: str, kind: str, base: str) -> dict[str, Any]:
        config = {"baseUrl": vendor.url + base, "apiKey": "sk-1", "model": f"{name}-model", "retryAttempts": 1}
        return {"name": name, "provider": {"type": kind, "config": config}}

    hiding = {"patterns": [{"pattern": r"\d{3}-\d{4}", "replacement": "[hidden]"}]}
    served = ServedGateway(
        {
            "models": [
                {**model("gpt", "openai", "/v1"), "isDefault": True}, model("claude", "anthropic", ""),
                model("flash", "gemini", "/v1beta"), model("vectors", "gemini", "/v1beta"),
            ],
            "plugins": [
                {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": ["key-of-ann", "key-of-bob"]}},
            ],
            "projects": [
                {"name": "hidden", "plugins": [{"name": "hider", "type": "regex-hider", "config": hiding}]},
            ],
            "batches": {"pollInterval": "1h"},
            "store": {"url": f"sqlite:{folder}/state.db"},
        },
        folder,
    )  # fmt: skip
    yield served
    served.stop()


@pytest.fixture(scope="module")
def google(gateway: ServedGateway) -> GoogleClient:
    known: dict[tuple[str, str], genai.Client] = {}

    def client(project: str = "", api_key: str = "key-of-ann") -> genai.Client:
        if (project, api_key) not in known:
            options = types.HttpOptions(
                base_url=f"{gateway.url}{project}/gemini", client_args={"trust_env": False}, timeout=60_000
            )
            made = genai.Client(api_key=api_key, vertexai=False, http_options=options)
            known[project, api_key] = gateway.closes(made)
        return known[project, api_key]

    return client


def inline(*texts: str) -> list[Any]:
    return [
        {"contents": [{"role": "user", "parts": [{"text": text}]}], "metadata": {"mark": text}} for text in texts
    ]  # fmt: skip


def lines(*texts: str) -> bytes:
    written = [
        {
            "key": f"key {text}",
            "request": {
                "contents": [{"role": "user", "parts": [{"text": text}]}],
                "generationConfig": {"maxOutputTokens": 9},
            },
        }
        for text in texts
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in written)


def upload(client: genai.Client, content: bytes, kind: str = "jsonl") -> types.File:
    config = types.UploadFileConfig(mime_type=kind, display_name="my lines")
    return client.files.upload(file=io.BytesIO(content), config=config)


@pytest.mark.parametrize("model", MODELS)
def test_requests_in_the_batch(google: GoogleClient, vendor: BatchVendor, model: str) -> None:
    client, bob = google(), google(api_key="key-of-bob")
    before = len(vendor.batches)
    config = types.CreateBatchJobConfig(display_name="mine")
    made = client.batches.create(model=model, src=inline("one", "two", "three"), config=config)
    assert made.name is not None
    assert (made.state, made.display_name, made.model) == (
        types.JobState.JOB_STATE_RUNNING, "mine", f"models/{model}",
    )  # fmt: skip
    assert len(vendor.batches) == before + 1
    upstream = list(vendor.batches.values())[-1]
    assert {params["model"] for _, params in upstream.lines} == {f"{model}-model"}
    upstream.failing.add(upstream.lines[1][0])

    vendor.end(upstream.id)
    done = client.batches.get(name=made.name)

    assert done.state == types.JobState.JOB_STATE_SUCCEEDED
    assert done.dest is not None
    assert done.dest.inlined_responses is not None
    first, second, third = done.dest.inlined_responses
    assert first.response is not None
    assert third.response is not None
    assert [first.response.text, third.response.text] == ["heard one", "heard three"], "in the order of the requests"
    assert first.response.usage_metadata is not None
    used = first.response.usage_metadata
    assert (used.prompt_token_count, used.candidates_token_count) == USED
    assert second.error is not None
    assert "max_tokens" in str(second.error.message)
    assert [each.metadata for each in (first, second, third)] == [{"mark": word} for word in ("one", "two", "three")]
    assert made.name in [job.name for job in client.batches.list()]
    assert made.name not in [job.name for job in bob.batches.list()]
    for attempt in (bob.batches.get, bob.batches.cancel, bob.batches.delete):
        with pytest.raises(errors.ClientError) as refused:
            attempt(name=made.name)
        assert refused.value.code == 404
    client.batches.delete(name=made.name)
    with pytest.raises(errors.ClientError):
        client.batches.get(name=made.name)
    if model != "gpt":
        assert upstream.id not in vendor.batches, "deleted at the provider too"


@pytest.mark.parametrize("model", MODELS)
def test_requests_in_a_file(google: GoogleClient, vendor: BatchVendor, model: str) -> None:
    client, bob = google(), google(api_key="key-of-bob")
    file = upload(client, lines("a", "b"))
    assert file.name is not None
    assert (file.display_name, file.mime_type) == ("my lines", "jsonl")
    assert client.files.get(name=file.name).name == file.name
    assert file.name in [each.name for each in client.files.list()]
    with pytest.raises(errors.ClientError, match="404"):
        bob.files.get(name=file.name)
    with pytest.raises(errors.ClientError, match="404"):
        bob.batches.create(model=model, src=file.name)
    made = client.batches.create(model=model, src=file.name)
    assert made.name is not None

    upstream = list(vendor.batches)[-1]
    vendor.end(upstream)
    done = client.batches.get(name=made.name)

    assert done.dest is not None
    assert done.dest.file_name is not None
    written = client.files.download(file=done.dest.file_name).splitlines()
    found = {line["key"]: line["response"] for line in map(json.loads, written)}
    assert set(found) == {"key a", "key b"}, "each under the key that the client gave it"
    replies = {key: types.GenerateContentResponse.model_validate(body).text for key, body in found.items()}
    assert replies == {"key a": "heard a", "key b": "heard b"}
    with pytest.raises(errors.ClientError, match="404"):
        bob.files.download(file=done.dest.file_name)
    client.files.delete(name=file.name)
    with pytest.raises(errors.ClientError, match="404"):
        client.files.get(name=file.name)


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_that_is_cancelled(google: GoogleClient, vendor: BatchVendor, model: str) -> None:
    client = google()
    made = client.batches.create(model=model, src=inline("a", "b"))
    assert made.name is not None
    client.batches.cancel(name=made.name)
    upstream = list(vendor.batches)[-1]
    vendor.end(upstream, status="cancelled", done=1)

    done = client.batches.get(name=made.name)

    assert done.state == types.JobState.JOB_STATE_CANCELLED
    assert done.dest is not None
    assert done.dest.inlined_responses is not None
    good, undone = done.dest.inlined_responses
    assert good.response is not None
    assert undone.error is not None


@pytest.mark.filterwarnings("ignore::google.genai._common.ExperimentalWarning")
def test_embeddings(google: GoogleClient, vendor: BatchVendor) -> None:
    client = google()
    source = types.EmbeddingsBatchJobSource(
        inlined_requests=types.EmbedContentBatch(contents=[{"parts": [{"text": "a"}]}, {"parts": [{"text": "b"}]}])  # type: ignore[arg-type]
    )
    made = client.batches.create_embeddings(model="vectors", src=source)
    assert made.name is not None
    upstream = list(vendor.batches.values())[-1]
    assert (upstream.endpoint, len(upstream.lines)) == ("asyncBatchEmbedContent", 2)

    vendor.end(upstream.id)
    done = client.batches.get(name=made.name)

    assert done.dest is not None
    assert done.dest.inlined_embed_content_responses is not None
    vectors = [each.response for each in done.dest.inlined_embed_content_responses]
    assert [vector.embedding.values for vector in vectors if vector and vector.embedding] == [[0.25, 0.5]] * 2
    with pytest.raises(errors.ClientError, match="conversations"):
        client.batches.create_embeddings(model="gpt", src=source)


def test_plugins_see_the_requests_and_the_results(google: GoogleClient, vendor: BatchVendor) -> None:
    client = google("/hidden")
    file = upload(client, lines("call 555-1234"))
    assert file.name is not None
    assert b"555-1234" not in client.files.download(file=file.name), "what is kept is what plugins have left"
    made = client.batches.create(model="flash", src=inline("call 555-1234"))
    upstream = list(vendor.batches.values())[-1]
    assert "call [hidden]" in str(upstream.lines)
    upstream.lines[0][1]["contents"][0]["parts"][0]["text"] = "555-9876"
    vendor.end(upstream.id)

    done = client.batches.get(name=str(made.name))

    assert done.dest is not None
    assert done.dest.inlined_responses is not None
    (only,) = done.dest.inlined_responses
    assert only.response is not None
    assert only.response.text == "heard [hidden]"


def test_a_large_file_comes_in_parts(google: GoogleClient, vendor: BatchVendor) -> None:
    client, count = google(), 1200
    file = upload(client, lines(*(f"{number} {'x' * 8000}" for number in range(count))))
    assert file.size_bytes is not None
    assert file.size_bytes > 8 << 20

    client.batches.create(model="flash", src=str(file.name))

    assert len(list(vendor.batches.values())[-1].lines) == count


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"key": "a", "request": {"contents": []}}\n{"key"\n', "line 2"),
        (b'{"key": "a"}\n', "line 1"),
        (b"\n\n", "no lines"),
    ],
    ids=["not-json", "no-request", "empty"],
)
def test_a_file_that_holds_no_requests(google: GoogleClient, content: bytes, reason: str) -> None:
    with pytest.raises(errors.ClientError, match=reason):
        upload(google(), content)


def test_a_file_with_a_byte_order_mark_and_long_line_ends(google: GoogleClient) -> None:
    content = b"\xef\xbb\xbf" + lines("a", "b").replace(b"\n", b"\r\n")
    assert google().batches.create(model="flash", src=str(upload(google(), content).name)).name


def test_other_files_are_refused_with_the_reason(google: GoogleClient) -> None:
    with pytest.raises(errors.ClientError, match="inlineData"):
        upload(google(), b"%PDF-1.7", "application/pdf")


def test_an_upload_is_its_owners(gateway: ServedGateway) -> None:
    with gateway.http() as http:
        start = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
        path, about = "/gemini/upload/v1beta/files", {"file": {"mimeType": "application/jsonl"}}
        assert http.post(path, json=about, headers=start).status_code == 401
        begun = http.post(path, json=about, headers={**start, "x-goog-api-key": "key-of-ann"})
        address = begun.headers["x-goog-upload-url"].removeprefix(gateway.url)
        send = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}

        assert (
            http.post(address, content=lines("a"), headers={**send, "x-goog-api-key": "key-of-bob"}).status_code == 404
        )
        assert http.post(address, content=lines("a"), headers={**send, "x-goog-api-key": "wrong"}).status_code == 401
        wrong = http.post(f"{path}?upload_id=guessed", content=lines("a"), headers=send)
        assert wrong.status_code == 404
        late = http.post(address, content=lines("a"), headers={**send, "x-goog-upload-offset": "5"})
        assert (late.status_code, "continues at byte 0" in late.text) == (400, True)
        asked = http.post(address, headers={"x-goog-upload-command": "query"})
        assert asked.headers["x-goog-upload-size-received"] == "0"
        done = http.post(address, content=lines("a"), headers=send)
        assert (done.status_code, done.headers["x-goog-upload-status"]) == (200, "final")
        assert http.post(address, content=lines("a"), headers=send).status_code == 404, "it is over"
        name = done.json()["file"]["name"]
        shown = http.get(f"/gemini/v1beta/{name}", headers={"x-goog-api-key": "key-of-ann"})
        assert shown.json()["name"] == name


def test_openais_client_at_geminis_batches(gateway: ServedGateway, vendor: BatchVendor) -> None:
    client = gateway.openai(api_key="key-of-ann")
    asked = [
        {
            "custom_id": name, "method": "POST", "url": "/v1/chat/completions",
            "body": {"model": "flash", "messages": [{"role": "user", "content": f"hello {name}"}]},
        }
        for name in ("a", "b")
    ]  # fmt: skip
    content = b"".join(json.dumps(line).encode() + b"\n" for line in asked)
    file = client.files.create(file=("a.jsonl", content), purpose="batch")
    made = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )  # fmt: skip
    upstream = list(vendor.batches.values())[-1]
    assert (upstream.endpoint, upstream.lines[0][1]["model"]) == ("batchGenerateContent", "flash-model")
    upstream.failing.add("b")
    vendor.end(upstream.id)

    done = client.batches.retrieve(made.id)

    assert done.status == "completed"
    (good,) = [json.loads(line) for line in client.files.content(str(done.output_file_id)).text.splitlines()]
    body = openai.types.chat.ChatCompletion.model_validate(good["response"]["body"])
    assert (good["custom_id"], body.choices[0].message.content) == ("a", "heard hello a")
    (bad,) = [json.loads(line) for line in client.files.content(str(done.error_file_id)).text.splitlines()]
    assert (bad["custom_id"], bad["response"]["status_code"]) == ("b", 400)
    client.files.delete(str(done.error_file_id))
    assert upstream.id in vendor.batches
    client.files.delete(str(done.output_file_id))
    assert upstream.id not in vendor.batches, "with the last file of results the batch is deleted at the provider"


def test_anthropics_client_at_geminis_batches(gateway: ServedGateway, vendor: BatchVendor) -> None:
    client = gateway.anthropic(api_key="key-of-ann")

    def request(name: str) -> Any:
        return {
            "custom_id": name,
            "params": {"model": "flash", "max_tokens": 9, "messages": [{"role": "user", "content": f"hello {name}"}]},
        }

    made = client.messages.batches.create(requests=[request("one"), request("two")])
    upstream = list(vendor.batches.values())[-1]
    with pytest.raises(anthropic.BadRequestError, match="cancel it first"):
        client.messages.batches.delete(made.id)
    upstream.failing.add("two")
    vendor.end(upstream.id)
    assert client.messages.batches.retrieve(made.id).processing_status == "ended"

    found = {each.custom_id: each.result for each in client.messages.batches.results(made.id)}

    good = found["one"]
    assert good.type == "succeeded"
    assert good.message.content[0].type == "text"
    assert good.message.content[0].text == "heard hello one"
    assert (good.message.usage.input_tokens, good.message.usage.output_tokens) == USED
    assert found["two"].type == "errored"
    client.messages.batches.delete(made.id)
    assert upstream.id not in vendor.batches
