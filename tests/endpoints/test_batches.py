"""Files and batches by the vendors' own clients: whose they are, what goes into them, what they cost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from endpoint_models import models_of
from served_gateway import ServedGateway
from vendors import KEPT, Reply, Vendors

LINE = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions"}
ASKED = {"model": "openai", "messages": [{"role": "user", "content": "call 555-1234"}]}


def lines(*bodies: dict[str, Any]) -> bytes:
    written = [{**LINE, "custom_id": f"line-{number}", "body": body} for number, body in enumerate(bodies)]
    return b"".join(json.dumps(each).encode() + b"\n" for each in written)


@pytest.fixture(scope="module")
def served(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    hiding = {"patterns": [{"pattern": r"\d{3}-\d{4}", "replacement": "[hidden]"}]}
    plugins = [
        {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": ["key-of-ann", "key-of-bob"]}},
        {"name": "hider", "type": "regex-hider", "config": hiding},
    ]
    folder = tmp_path_factory.mktemp("batches")
    config = {
        "models": models_of(vendors.url),
        "plugins": plugins,
        "store": {"url": f"sqlite:{folder}/state.db"},
        "projects": [
            {"name": "raw", "nativePaths": ["/v1/files"], "allowUnseenNative": True},
            {"name": "seen", "plugins": [{"name": "hider", "type": "regex-hider", "enabled": False}]},
        ],
    }
    gateway = ServedGateway(config, folder)
    yield gateway
    gateway.stop()


def quiet(vendors: Vendors) -> None:
    """Waits until the batches that have ended are settled, so that nothing goes out by itself."""
    number = -1
    while number != len(vendors.seen):
        number = len(vendors.seen)
        time.sleep(0.3)


@pytest.fixture
def ann(served: ServedGateway) -> openai.OpenAI:
    return served.openai(api_key="key-of-ann")


@pytest.fixture
def bob(served: ServedGateway) -> openai.OpenAI:
    return served.openai(api_key="key-of-bob")


def test_a_batch_of_openais_client(ann: openai.OpenAI, vendors: Vendors) -> None:
    file = ann.files.create(file=("a.jsonl", lines(ASKED, ASKED)), purpose="batch")

    sent = KEPT[file.id]
    assert b"[hidden]" in sent
    assert b"555-1234" not in sent
    assert sent.count(b'"openai-model"') == 2, "each line asks for the provider's name of the model"
    batch = ann.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert batch.status == "validating"
    done = ann.batches.retrieve(batch.id)
    assert (done.status, done.output_file_id) == ("completed", "file-out")
    content = ann.files.content("file-out").text
    assert json.loads(content)["response"]["body"]["choices"][0]["message"]["content"] == "call [hidden]"
    assert [each.id for each in ann.batches.list()] == [batch.id]
    assert file.id in [each.id for each in ann.files.list()]
    assert ann.batches.cancel(batch.id).status == "cancelling"


def test_what_belongs_to_one_caller_is_hidden_from_others(
    ann: openai.OpenAI, bob: openai.OpenAI, vendors: Vendors
) -> None:
    file = ann.files.create(file=("a.jsonl", lines(ASKED)), purpose="batch")
    batch = ann.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    ann.batches.retrieve(batch.id)
    quiet(vendors)
    before = len(vendors.seen)

    for attempt in (
        lambda: bob.files.retrieve(file.id),
        lambda: bob.files.content("file-out"),
        lambda: bob.files.delete(file.id),
        lambda: bob.batches.retrieve(batch.id),
        lambda: bob.batches.cancel(batch.id),
        lambda: bob.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"),
    ):
        with pytest.raises(openai.NotFoundError):
            attempt()
    assert list(bob.files.list()) == []
    assert list(bob.batches.list()) == []
    assert len(vendors.seen) == before, "nothing went out"
    assert ann.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        ann.files.retrieve(file.id)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "no lines"),
        (b"{", "line 1"),
        (b'{"custom_id": "a"}\n', "line 1"),
        (lines(ASKED).replace(b"POST", b"GET"), "line 1"),
        (lines(ASKED).replace(b"chat/completions", b"admin"), "line 1"),
        (lines(ASKED) * 2, "twice"),
        (lines({**ASKED, "stream": True}), "stream"),
        (lines(ASKED, {**ASKED, "model": "anthropic"}), "same provider"),
    ],
)
def test_lines_are_checked_when_they_are_handed_in(
    ann: openai.OpenAI, vendors: Vendors, content: bytes, word: str
) -> None:
    before = len(vendors.seen)

    with pytest.raises(openai.BadRequestError, match=word):
        ann.files.create(file=("a.jsonl", content), purpose="batch")

    assert len(vendors.seen) == before


def test_a_file_that_no_plugin_can_see_is_refused(ann: openai.OpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError, match="hider"):
        ann.files.create(file=("a.pdf", b"%PDF"), purpose="user_data")


def test_a_batch_of_anthropics_client(served: ServedGateway, vendors: Vendors) -> None:
    ann, bob = served.anthropic(api_key="key-of-ann"), served.anthropic(api_key="key-of-bob")
    params: Any = {"model": "anthropic", "max_tokens": 5, "messages": [{"role": "user", "content": "call 555-1234"}]}

    batch = ann.messages.batches.create(requests=[{"custom_id": "a", "params": params}])

    sent = vendors.last("/messages/batches").body["requests"][0]["params"]
    assert (sent["model"], sent["messages"][0]["content"]) == ("claude-sonnet-4-5", "call [hidden]")
    assert ann.messages.batches.retrieve(batch.id).processing_status == "ended"
    with served.http() as http:
        path = f"/anthropic/v1/messages/batches/{batch.id}"
        headers = {"x-api-key": "key-of-ann", "anthropic-version": "2023-06-01"}
        results = http.get(f"{path}/results", headers=headers)
        assert json.loads(results.text)["result"]["message"]["content"][0]["text"] == "call [hidden]"
        assert http.get(f"{path}/results", headers={**headers, "x-api-key": "key-of-bob"}).status_code == 404
    assert [each.id for each in ann.messages.batches.list()] == [batch.id]
    assert list(bob.messages.batches.list()) == []


def test_files_of_anthropics_client_belong_to_who_uploaded_them(
    vendors: Vendors, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("files")
    keys = {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": ["key-of-ann", "key-of-bob"]}}
    gateway = ServedGateway(
        {"models": models_of(vendors.url), "plugins": [keys], "store": {"url": f"sqlite:{folder}/state.db"}}, folder
    )
    try:
        ann, bob = gateway.anthropic(api_key="key-of-ann"), gateway.anthropic(api_key="key-of-bob")
        file = ann.beta.files.upload(file=("a.pdf", b"%PDF of ann", "application/pdf"))

        seen = vendors.last("/v1/files")
        assert seen.headers["x-api-key"] == "sk-anthropic"
        assert b"%PDF of ann" in KEPT[file.id]
        assert ann.beta.files.retrieve_metadata(file.id).id == file.id
        assert [each.id for each in ann.beta.files.list()] == [file.id]
        assert b"555-1234" in ann.beta.files.download(file.id).read()
        before = len(vendors.seen)
        assert list(bob.beta.files.list()) == []
        for attempt in (
            lambda: bob.beta.files.retrieve_metadata(file.id),
            lambda: bob.beta.files.download(file.id),
            lambda: bob.beta.files.delete(file.id),
        ):
            with pytest.raises(anthropic.NotFoundError):
                attempt()
        with pytest.raises(openai.NotFoundError):
            gateway.openai(api_key="key-of-ann").files.retrieve(file.id)  # each vendor's API has its own files
        assert len(vendors.seen) == before, "nothing went out"
        assert ann.beta.files.delete(file.id).id == file.id
        assert list(ann.beta.files.list()) == []
    finally:
        gateway.stop()


def test_where_the_operator_lists_the_path_it_is_handed_on(served: ServedGateway, vendors: Vendors) -> None:
    with served.http() as http:
        headers = {"authorization": "Bearer key-of-ann"}
        reply = http.get("/raw/openai/v1/files/anything", headers=headers)

    assert reply.json()["id"] == "anything"


PURPOSE = ("purpose", (None, "batch"))
LINES = ("file", ("a.jsonl", lines(ASKED)))
UNSEEN: dict[str, list[tuple[str, Any]]] = {
    "two purposes": [PURPOSE, PURPOSE, LINES],
    "another purpose first": [("purpose", (None, "assistants")), PURPOSE, LINES],
    "another purpose after the file": [PURPOSE, LINES, ("purpose", (None, "assistants"))],
    "two files": [PURPOSE, LINES, LINES],
    "another file first": [PURPOSE, ("first", ("b.jsonl", lines(ASKED))), LINES],
    "a file of another name": [PURPOSE, ("files", ("a.jsonl", lines(ASKED)))],
    "no file": [PURPOSE, ("file", (None, lines(ASKED).decode()))],
}


@pytest.mark.parametrize("form", UNSEEN.values(), ids=UNSEEN)
def test_a_form_of_which_another_reader_may_read_other_lines_is_refused(
    served: ServedGateway, vendors: Vendors, form: list[tuple[str, Any]]
) -> None:
    before = len(vendors.seen)
    headers = {"authorization": "Bearer key-of-ann"}

    reply = httpx.post(f"{served.url}/seen/v1/files", files=form, headers=headers, trust_env=False, timeout=20)

    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"] in ("purpose", "file")
    assert len(vendors.seen) == before


def test_no_batch_is_made_of_a_file_whose_lines_were_not_seen(served: ServedGateway, vendors: Vendors) -> None:
    client = served.openai("/seen", api_key="key-of-ann")
    file = client.files.create(file=("a.jsonl", lines(ASKED)), purpose="user_data")
    before = len(vendors.seen)

    with pytest.raises(openai.BadRequestError) as refused:
        client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")

    assert refused.value.param == "input_file_id"
    assert len(vendors.seen) == before


def test_a_file_in_a_message_is_its_owners_alone(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("named")
    keys = {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": ["key-of-ann", "key-of-bob"]}}
    config = {"models": models_of(vendors.url), "plugins": [keys], "store": {"url": f"sqlite:{folder}/state.db"}}
    config["projects"] = [{"name": "open", "nativePaths": ["/v1/files"]}]
    vendors.routes.insert(0, (r"POST /v1/(?:messages|responses)", lambda seen: Reply({"error": {}}, 418)))
    gateway = ServedGateway(config, folder)
    try:
        ann, bob = gateway.anthropic(api_key="key-of-ann"), gateway.anthropic(api_key="key-of-bob")
        file = ann.beta.files.upload(file=("a.pdf", b"%PDF of ann", "application/pdf"))
        before = len(vendors.seen)

        def ask(client: anthropic.Anthropic, id_: str) -> int:
            source: Any = {"type": "document", "source": {"type": "file", "file_id": id_}}
            messages: Any = [{"role": "user", "content": [source]}]
            with pytest.raises(anthropic.APIStatusError) as failed:
                client.messages.create(model="anthropic", max_tokens=5, messages=messages)
            return failed.value.status_code

        assert ask(bob, file.id) == ask(bob, "file-that-never-was") == 404
        assert len(vendors.seen) == before, "nothing went out"
        assert ask(ann, file.id) == 418, "the provider answers"
        assert ask(gateway.anthropic("/open", api_key="key-of-bob"), "whatever") == 418, "the operator hands them on"
        body = {"model": "openai", "input": "hi", "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}
        with gateway.http() as http:
            reply = http.post("/v1/responses", json=body, headers={"authorization": "Bearer key-of-bob"})
        assert (reply.status_code, "vs_1" in reply.text) == (404, True)
    finally:
        gateway.stop()
        vendors.routes.pop(0)
