"""The lines of a batch: one provider for all, no model that the caller may not use, and what they may use at most."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from llm_gateway.exchange.batches.lines import check_lines, read_lines, shares_of, target_of_line
from llm_gateway.gateway import Gateway
from llm_gateway.loading import load_text
from llm_gateway.operations.batches.forms import OpenAIFiles
from llm_gateway_sdk import InvalidRequest, PayloadTooLarge, Principal, RequestRejected
from llm_gateway_sdk.operations.owned import BatchLine


def model(name: str, type_: str, key: str, upstream: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "provider": {"type": type_, "config": {"model": upstream, "apiKey": key}}, **more}


MODELS = [
    model("small", "openai", "sk-1", "gpt-small", isDefault=True),
    model("large", "openai", "sk-1", "gpt-large"),
    model("other account", "openai", "sk-2", "gpt-small"),
    model("claude", "anthropic", "sk-3", "claude-x"),
]


@pytest.fixture(scope="module")
def registry() -> Any:
    async def made() -> Any:
        gateway = Gateway(load_text(yaml.safe_dump({"models": MODELS, "strictModels": True})))
        await gateway.start()
        try:
            return next(iter(gateway.projects.values())).scope.registry
        finally:
            await gateway.close()

    return asyncio.run(made())


@pytest.fixture
def request_of(registry: Any) -> Any:
    def make(principal: Principal | None = None) -> Any:
        return SimpleNamespace(ctx=SimpleNamespace(principal=principal), project=SimpleNamespace(registry=registry))

    return make


def line(number: int, **body: Any) -> BatchLine:
    return BatchLine(f"id-{number}", body, f"line {number}")


def test_models_of_one_account_can_be_in_one_batch(request_of: Any) -> None:
    assert check_lines(request_of(), [line(1, model="large"), line(2, model="small")]).name == "large"
    assert check_lines(request_of(), [line(1), line(2, model="large")]).name == "small"


@pytest.mark.parametrize("model", ["other account", "claude"])
def test_another_account_or_vendor_is_refused_with_the_place(request_of: Any, model: str) -> None:
    with pytest.raises(InvalidRequest, match="line 2: the models of one batch have to be the same provider's"):
        check_lines(request_of(), [line(1, model="small"), line(2, model=model)])


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (BatchLine("id-1", {"model": "small"}, "line 2"), "line 2: the custom_id 'id-1' is given twice"),
        (line(2, model="unknown"), "line 2: .*unknown"),
        (line(2, model="small", stream=True), "line 2: a request of a batch can't be a stream"),
    ],
)
def test_what_is_wrong_with_a_line_is_reported_with_its_place(request_of: Any, second: BatchLine, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        check_lines(request_of(), [line(1, model="small"), second])


def test_a_line_asks_for_no_model_that_its_caller_may_not_use(request_of: Any) -> None:
    caller = Principal("p", "p", models=("small",))
    assert target_of_line(request_of(caller), line(1, model="small")).name == "small"
    assert target_of_line(request_of(caller), line(1)).name == "small"

    with pytest.raises(RequestRejected, match="line 7: the model 'large' is not open to this caller") as refused:
        check_lines(request_of(caller), [line(1, model="small"), line(7, model="large")])
    assert refused.value.status == 403


def test_shares_add_up_by_model(request_of: Any) -> None:
    text = [{"role": "user", "content": "word " * 400}]
    lines = [
        line(1, model="small", messages=text, max_tokens=100),
        line(2, model="small", messages=text, max_tokens=50),
        line(3, model="large", messages=text),
        BatchLine("id-4", {"model": "large", "input": "words"}, "line 4", writes=False),
    ]

    small, large = shares_of(request_of(), lines)
    assert (small.model, small.lines, small.output_tokens, small.unbounded) == ("small", 2, 150, 0)
    assert (large.model, large.lines, large.output_tokens, large.unbounded) == ("large", 2, 0, 1)
    assert small.input_tokens > large.input_tokens > 200
    assert (small.names, large.names) == (("small",), ("large",))


def test_a_file_is_read_only_where_its_values_are_not_too_many() -> None:
    line, form = (
        b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}}\n',
        OpenAIFiles("create"),
    )

    assert read_lines(form, b'{"purpose": "batch"}', line * 9, 100).count(b"custom_id") == 9
    with pytest.raises(PayloadTooLarge, match="100 values"):
        read_lines(form, b'{"purpose": "batch"}', line * 12, 100)
    for end in (b"\n", b"\r"):
        with pytest.raises(PayloadTooLarge, match="100 lines"):
            read_lines(form, b'{"purpose": "batch"}', line + end * 1000 + line, 100)
