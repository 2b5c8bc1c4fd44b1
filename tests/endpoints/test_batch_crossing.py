"""Batches across providers: OpenAI's client with Anthropic's batches, Anthropic's client with OpenAI's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from batch_vendor import USED, BatchVendor
from served_gateway import ServedGateway

NAMES = ["plain-1", "with a space", "x" * 100, "ünï/çødé"]
WINDOW: Any = "24h"


@pytest.fixture(scope="module")
def vendor() -> Iterator[BatchVendor]:
    server = BatchVendor()
    yield server
    server.close()


@pytest.fixture(scope="module")
def gateway(vendor: BatchVendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    folder: Path = tmp_path_factory.mktemp("crossing")

    def model(name: str, kind: str, base: str) -> dict[str, Any]:
        config = {"baseUrl": vendor.url + base, "apiKey": "sk-1", "model": f"{name}-model", "retryAttempts": 1}
        return {"name": name, "provider": {"type": kind, "config": config}}

    hiding = {"patterns": [{"pattern": r"\d{3}-\d{4}", "replacement": "[hidden]"}]}
    served = ServedGateway(
        {
            "models": [{**model("gpt", "openai", "/v1"), "isDefault": True}, model("claude", "anthropic", "")],
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
    )
    yield served
    served.stop()


def lines(names: list[str], words: str = "hello", **more: Any) -> bytes:
    written = [
        {
            "custom_id": name, "method": "POST", "url": "/v1/chat/completions",
            "body": {"model": "claude", "messages": [{"role": "user", "content": f"{words} {name}"}], **more},
        }
        for name in names
    ]  # fmt: skip
    return b"".join(json.dumps(each).encode() + b"\n" for each in written)


def submit(client: openai.OpenAI, content: bytes) -> tuple[str, str]:
    file = client.files.create(file=("a.jsonl", content), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window=WINDOW, metadata={"k": "v"}
    )
    return file.id, batch.id


def results(client: openai.OpenAI, file: str | None) -> dict[str, Any]:
    assert file is not None
    read = [json.loads(line) for line in client.files.content(file).text.splitlines()]
    return {line["custom_id"]: line for line in read}


def test_openais_client_at_anthropics_batches(gateway: ServedGateway, vendor: BatchVendor) -> None:
    client, bob = gateway.openai(api_key="key-of-ann"), gateway.openai(api_key="key-of-bob")
    vendor.failing = {"plain-2"}
    file, id_ = submit(client, lines([*NAMES, "plain-2"], max_completion_tokens=9))
    vendor.failing = set()

    upstream = list(vendor.batches.values())[-1]
    assert upstream.id.startswith("msgbatch_")
    assert {params["model"] for _, params in upstream.lines} == {"claude-model"}
    assert {params["max_tokens"] for _, params in upstream.lines} == {9}
    going = client.batches.retrieve(id_)
    assert (going.status, going.output_file_id, going.input_file_id) == ("in_progress", None, file)
    assert going.metadata == {"k": "v"}
    assert client.files.content(file).text.count("\n") == 5

    vendor.end(upstream.id)
    done = client.batches.retrieve(id_)
    assert done.status == "completed"
    assert done.request_counts is not None
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed) == (5, 4, 1)
    found = results(client, done.output_file_id)
    assert set(found) == set(NAMES), "each under the name that the client gave it"
    for name in NAMES:
        body = openai.types.chat.ChatCompletion.model_validate(found[name]["response"]["body"])
        assert body.choices[0].message.content == f"heard hello {name}"
        assert body.usage is not None
        assert (body.usage.prompt_tokens, body.usage.completion_tokens) == USED
    failed = results(client, done.error_file_id)
    assert failed["plain-2"]["response"]["status_code"] == 400
    assert "max_tokens" in failed["plain-2"]["response"]["body"]["error"]["message"]

    assert id_ in [each.id for each in client.batches.list()]
    assert {file, done.output_file_id, done.error_file_id} <= {each.id for each in client.files.list()}
    for attempt in (
        lambda: bob.batches.retrieve(id_),
        lambda: bob.files.content(str(done.output_file_id)),
        lambda: bob.files.content(file),
    ):
        with pytest.raises(openai.NotFoundError):
            attempt()
    assert client.files.delete(file).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(file)


@pytest.mark.parametrize("asked", [True, False])
def test_hidden_reasoning_is_for_clients_that_asked_for_it(
    gateway: ServedGateway, vendor: BatchVendor, asked: bool
) -> None:
    client = gateway.openai(api_key="key-of-ann")
    more = {"reasoning_effort": "low"} if asked else {}
    _, id_ = submit(client, lines(["a"], "prove", max_completion_tokens=9000, **more))

    vendor.end(list(vendor.batches.values())[-1].id)

    [line] = results(client, client.batches.retrieve(id_).output_file_id).values()
    message = line["response"]["body"]["choices"][0]["message"]
    assert message["content"] == "heard prove a"
    assert ("cHJvb2Y=" in json.dumps(message)) is asked


@pytest.mark.parametrize(("word", "code"), [("cancelled", "batch_cancelled"), ("expired", "batch_expired")])
def test_what_was_not_done_is_in_the_file_of_errors(
    gateway: ServedGateway, vendor: BatchVendor, word: str, code: str
) -> None:
    client = gateway.openai(api_key="key-of-ann")
    _, id_ = submit(client, lines(["a", "b", "c"]))
    upstream = list(vendor.batches)[-1]
    if word == "cancelled":
        assert client.batches.cancel(id_).status == "cancelling"

    vendor.end(upstream, status=word, done=0)
    done = client.batches.retrieve(id_)

    assert done.status == word
    errors = results(client, done.error_file_id)
    assert {line["error"]["code"] for line in errors.values()} == {code}
    assert results(client, done.output_file_id) == {}


def test_anthropics_client_at_openais_batches(gateway: ServedGateway, vendor: BatchVendor) -> None:
    client, bob = gateway.anthropic(api_key="key-of-ann"), gateway.anthropic(api_key="key-of-bob")

    def request(name: str) -> Any:
        words = [{"role": "user", "content": [{"type": "text", "text": f"hello {name}"}]}]
        return {"custom_id": name, "params": {"model": "gpt", "max_tokens": 9, "system": "be kind", "messages": words}}

    vendor.failing = {"two"}
    made = client.messages.batches.create(requests=[request(name) for name in ("one", "two", "three")])
    vendor.failing = set()

    assert made.id.startswith("msgbatch_")
    assert (made.processing_status, made.request_counts.processing) == ("in_progress", 3)
    upstream = list(vendor.batches.values())[-1]
    assert (upstream.endpoint, upstream.lines[0][1]["model"]) == ("/v1/chat/completions", "gpt-model")
    assert upstream.lines[0][1]["messages"][0]["content"] == "be kind"
    vendor.end(upstream.id, status="expired", done=2)
    ended = client.messages.batches.retrieve(made.id)
    counts = ended.request_counts
    assert (ended.processing_status, counts.succeeded, counts.errored, counts.expired) == ("ended", 1, 1, 1)
    found = {each.custom_id: each.result for each in client.messages.batches.results(made.id)}
    good, bad, late = found["one"], found["two"], found["three"]
    assert good.type == "succeeded"
    assert good.message.content[0].type == "text"
    assert good.message.content[0].text == "heard hello one"
    assert (good.message.usage.input_tokens, good.message.usage.output_tokens) == USED
    assert bad.type == "errored"
    assert "max_tokens" in bad.error.error.message
    assert late.type == "expired"
    for attempt in (
        lambda: bob.messages.batches.retrieve(made.id),
        lambda: bob.messages.batches.results(made.id),
        lambda: bob.messages.batches.cancel(made.id),
    ):
        with pytest.raises(anthropic.NotFoundError):
            attempt()
    client.messages.batches.delete(made.id)
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(made.id)


def test_results_of_anthropics_own_batches_come_through_the_gateway(
    gateway: ServedGateway, vendor: BatchVendor
) -> None:
    client = gateway.anthropic(api_key="key-of-ann")
    params: Any = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
    made = client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])
    vendor.end(made.id)

    ((only),) = client.messages.batches.results(made.id)

    assert (only.custom_id, only.result.type) == ("a", "succeeded")
    assert "authorization" not in vendor.last("/results").headers
    assert vendor.last("/results").headers["x-api-key"] == "sk-1", "with the gateway's key"


def test_lists_go_both_ways(gateway: ServedGateway) -> None:
    client, other = gateway.openai(api_key="key-of-bob"), gateway.anthropic(api_key="key-of-bob")
    files = [submit(client, lines([name]))[0] for name in ("a", "b", "c")]
    params: Any = {"model": "gpt", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
    made = [other.messages.batches.create(requests=[{"custom_id": "a", "params": params}]).id for _ in range(3)]

    assert [each.id for each in client.files.list(limit=2)] == files[::-1]
    assert [each.id for each in client.files.list(limit=2, order="asc")] == files
    page = other.messages.batches.list(limit=1, before_id=made[0])
    assert ([each.id for each in page.data], page.has_more) == ([made[1]], True)
    assert [each.id for each in other.messages.batches.list(limit=5, before_id=made[0]).data] == [made[2], made[1]]


def test_plugins_see_lines_and_results(gateway: ServedGateway, vendor: BatchVendor) -> None:
    client = gateway.openai("/hidden", api_key="key-of-ann")
    _, id_ = submit(client, lines(["a"], words="call 555-1234"))
    upstream = list(vendor.batches.values())[-1]
    assert "call [hidden] a" in str(upstream.lines)
    assert "555-1234" not in str(upstream.lines)
    upstream.lines[0][1]["messages"][-1]["content"] = "555-9876"
    vendor.end(upstream.id)

    found = results(client, client.batches.retrieve(id_).output_file_id)

    assert found["a"]["response"]["body"]["choices"][0]["message"]["content"] == "heard [hidden]"


def test_a_batch_may_have_many_more_values_than_one_request(gateway: ServedGateway, vendor: BatchVendor) -> None:
    client, count = gateway.openai(api_key="key-of-ann"), 13_000

    submit(client, lines([str(number) for number in range(count)]))

    assert len(list(vendor.batches.values())[-1].lines) == count
    endless = lines(["a"], stop=[0] * 2_000_000)
    with pytest.raises(openai.APIStatusError) as refused:
        submit(client, endless)
    assert refused.value.status_code == 413


def test_a_line_that_can_not_be_expressed_is_named(gateway: ServedGateway, vendor: BatchVendor) -> None:
    client, before = gateway.openai(api_key="key-of-ann"), len(vendor.batches)
    good, bad = lines(["a"]), lines(["b"], temperature="hot")

    with pytest.raises(openai.BadRequestError, match="line 2"):
        submit(client, good + bad)

    embedding = good.replace(b"/v1/chat/completions", b"/v1/embeddings")
    with pytest.raises(openai.BadRequestError, match="conversations"):
        submit(client, embedding)
    assert len(vendor.batches) == before
