"""Two gateways on one store, which are asked to change the same thing at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from loopback import Call, Gateway, Reply, chat_whole, config, gateway, model, run, upstream
from test_store_troubles import Redis, SQLite, needs_server

pytestmark = pytest.mark.timeout(90)


def settings(kept: Any, url: str) -> dict[str, Any]:
    return config(model(url, api="chat"), store={"url": kept.url})


async def post(served: Gateway, path: str, body: Any) -> Reply:
    return await served.ask(body, path=f"/openai/v1{path}")


async def get(served: Gateway, path: str) -> Reply:
    return await served.ask(path=f"/openai/v1{path}", method="GET")


async def both_change(kept: Any) -> None:
    async def answer(call: Call) -> None:
        await call.send(200, chat_whole("reply"))

    async with (
        upstream(answer) as up,
        gateway(settings(kept, up.url)) as one,
        gateway(settings(kept, up.url)) as other,
    ):
        id_ = (await post(one, "/conversations", {})).json["id"]
        await turns_of_both_are_kept(one, other, id_)
        await what_is_deleted_stays_so(one, other, id_)
        await a_response_is_deleted_once(one, other)


async def turns_of_both_are_kept(one: Gateway, other: Gateway, id_: str) -> None:
    """Requests in one conversation, and items whose ids clients have chosen."""
    item = {"id": "msg_same", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "same"}]}
    body = {"model": "m", "conversation": id_}
    asked = [post(each, "/responses", {**body, "input": f"{number}"}) for number in range(4) for each in (one, other)]
    asked += [post(each, f"/conversations/{id_}/items", {"items": [item]}) for each in (one, other)]
    assert {reply.status for reply in await asyncio.gather(*asked)} == {200}
    items = (await get(other, f"/conversations/{id_}/items?limit=100")).json["data"]
    texts = Counter(part["text"] for item in items for part in item["content"])
    assert texts == {"reply": 8, "same": texts["same"], **{f"{number}": 2 for number in range(4)}}
    ids = [item["id"] for item in items if item["id"] != "msg_same"]
    assert len(set(ids)) == len(ids) == 16


async def what_is_deleted_stays_so(one: Gateway, other: Gateway, id_: str) -> None:
    changes = [post(one, f"/conversations/{id_}", {"metadata": {"n": f"{number}"}}) for number in range(4)]
    deletion = other.ask(path=f"/openai/v1/conversations/{id_}", method="DELETE")
    *changed, deleted = await asyncio.gather(*changes, deletion)
    assert deleted.status == 200
    assert {reply.status for reply in changed} <= {200, 404}
    assert (await get(one, f"/conversations/{id_}")).status == 404


async def a_response_is_deleted_once(one: Gateway, other: Gateway) -> None:
    made = (await post(one, "/responses", {"model": "m", "input": "first"})).json["id"]
    continued = post(one, "/responses", {"model": "m", "input": "second", "previous_response_id": made})
    deletions = [each.ask(path=f"/openai/v1/responses/{made}", method="DELETE") for each in (one, other)]
    later, *deleted = await asyncio.gather(continued, *deletions)
    assert later.status in (200, 400, 404)
    assert {reply.status for reply in deleted} <= {200, 404}
    assert 200 in {reply.status for reply in deleted}
    for each in (one, other):
        assert (await get(each, f"/responses/{made}")).status == 404


@needs_server
def test_on_redis(tmp_path: Path) -> None:
    kept = Redis(tmp_path)
    try:
        run(both_change(kept))
    finally:
        kept.close()


def test_on_a_file(tmp_path: Path) -> None:
    run(both_change(SQLite(tmp_path)))
