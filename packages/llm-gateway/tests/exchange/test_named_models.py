"""The models that a request names which is handed on: in a JSON object, a form, the query and the path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from llm_gateway.exchange.named_models import named_models
from llm_gateway.exchange.request import ClientRequest
from llm_gateway_sdk import Headers, RequestRejected, WireRequest

FIELDS, FORM = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
PART = '--b\r\ncontent-disposition: form-data; name="{}"\r\n\r\n{}\r\n'


async def work(task: Callable[..., Any], *args: Any) -> Any:
    return task(*args)


def named(body: bytes = b"", kind: str = "application/json", path: str = "/v1/videos", query: str = "") -> list[str]:
    wire = WireRequest("POST", path, query, Headers.of([("content-type", kind)]), body)
    return asyncio.run(named_models(cast(ClientRequest, SimpleNamespace(wire=wire, work=work))))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, []),
        ({"body": b" \n "}, []),
        ({"body": b'{"prompt": "x"}'}, []),
        ({"body": b' {"model": "a"}'}, ["a"]),
        ({"body": b"model=a&Model=b", "kind": FIELDS}, ["a", "b"]),
        ({"body": (PART.format("model", "a") + "--b--").encode(), "kind": FORM}, ["a"]),
        ({"query": "model=a", "body": b'{"model": "b"}'}, ["a", "b"]),
        ({"path": "/v1/models/a%2Fb:run"}, ["a/b"]),
    ],
)
def test_models_are_found_wherever_a_provider_reads_them(given: dict[str, Any], names: list[str]) -> None:
    assert named(**given) == names


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[]", "application/json"),
        (b'{"model": "a"', "application/json"),
        (b'{"model": ["a"]}', "application/json"),
        (b'{"model": "a", "MODEL": "b"}', "application/json"),
        (b"a text", "text/plain"),
        (PART.format("model", "a").encode(), FORM),
    ],
)
def test_a_body_in_which_none_can_be_looked_for_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(RequestRejected) as refused:
        named(body, kind)

    assert refused.value.status == 403
