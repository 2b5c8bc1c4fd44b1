"""`/responses/{id}` and `/conversations`, answered from what is kept.

Source: OpenAI API reference, `responses.retrieve`, `.delete`, `.cancel`, `.input_items.list`, and `conversations`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from llm_gateway_sdk import Headers, InvalidRequest, NotFound, WireReply
from llm_gateway_sdk.principal import owner_of
from llm_gateway_sdk.store import StoreError
from llm_gateway_sdk.wire import json

from ..exchange.errors import store_away
from ..exchange.operations import refuse_unseen
from ..exchange.request import ClientRequest
from .items import as_items, named, page_of
from .shelf import Conversation, Shelf, TooLarge

__all__ = ["is_own", "serve"]


def is_own(path: str) -> bool:
    return path == "/conversations" or path.startswith(("/responses/", "/conversations/"))


async def serve(request: ClientRequest, shelf: Shelf) -> WireReply | None:
    """None where what the path names is not kept here. Raises GatewayError."""
    try:
        return await _serve(request, shelf)
    except TooLarge as error:
        raise InvalidRequest(f"The conversation is too large to be kept: {error}.", status=413) from None
    except StoreError:
        raise store_away() from None


async def _serve(request: ClientRequest, shelf: Shelf) -> WireReply | None:
    owner, method = owner_of(request.ctx), request.wire.method
    kind, *rest = [unquote(segment) for segment in request.wire.path.strip("/").split("/")]
    if kind == "responses":
        return await _response(request, shelf, owner, method, rest)
    if not rest:
        return await _create(request, shelf, owner)
    conversation = await shelf.conversation(owner, rest[0])
    if conversation is None:
        return None
    act = _CONVERSATION.get((method, len(rest)))
    if act is None or (len(rest) > 1 and rest[1] != "items"):
        raise NotFound(f"{method} {request.route.path}: a conversation does not have this endpoint.")
    return await act(request, shelf, owner, conversation, rest)


# Responses.


async def _response(request: ClientRequest, shelf: Shelf, owner: str, method: str, rest: list[str]) -> WireReply | None:
    kept = await shelf.response(owner, rest[0])
    if kept is None:
        return None
    query = _query(request)
    match method, *rest[1:]:
        case ["GET"]:
            if query.get("stream") == "true":
                raise InvalidRequest("Only a response that was created in the background can be streamed again.")
            return _json(kept.response)
        case ["DELETE"]:
            await shelf.forget_response(owner, kept)
            return _json({"id": kept.id, "object": "response", "deleted": True})
        case ["GET", "input_items"]:
            return _json(_page(kept.input, query))
        case ["POST", "cancel"]:
            raise InvalidRequest("Only a response that was created in the background can be cancelled.")
    raise NotFound(f"{method} {request.route.path}: a response does not have this endpoint.")


# Conversations.


async def _create(request: ClientRequest, shelf: Shelf, owner: str) -> WireReply:
    body, mint = await request.work(_body, request), request.services.mint
    items = _items(request, body.get("items"))
    conversation = Conversation(mint.id("conv_"), int(time.time()), _metadata(request, body), items)
    await shelf.keep_conversation(owner, conversation, aside=request.is_heavy)
    return _json(conversation.shown())


async def _show(
    request: ClientRequest, shelf: Shelf, owner: str, conversation: Conversation, rest: list[str]
) -> WireReply:
    return _json(conversation.shown())


async def _update(
    request: ClientRequest, shelf: Shelf, owner: str, conversation: Conversation, rest: list[str]
) -> WireReply:
    metadata = _metadata(request, await request.work(_body, request))

    def change(present: Conversation) -> None:
        present.metadata = metadata

    changed = await shelf.change_conversation(owner, conversation.id, change, aside=request.is_heavy)
    return _json((changed or conversation).shown())


async def _delete(
    request: ClientRequest, shelf: Shelf, owner: str, conversation: Conversation, rest: list[str]
) -> WireReply:
    await shelf.forget_conversation(owner, conversation.id)
    return _json({"id": conversation.id, "object": "conversation.deleted", "deleted": True})


async def _list_items(
    request: ClientRequest, shelf: Shelf, owner: str, conversation: Conversation, rest: list[str]
) -> WireReply:
    return _json(_page(conversation.items, _query(request)))


async def _add_items(
    request: ClientRequest, shelf: Shelf, owner: str, conversation: Conversation, rest: list[str]
) -> WireReply:
    items = _items(request, (await request.work(_body, request)).get("items"))
    await shelf.add_items(owner, conversation.id, items, aside=request.is_heavy)
    return _json(page_of(items, {"order": "asc", "limit": "100"}))


async def _show_item(
    request: ClientRequest, shelf: Shelf, owner: str, conversation: Conversation, rest: list[str]
) -> WireReply:
    for item in conversation.items:
        if item.get("id") == rest[2]:
            return _json(item)
    raise NotFound(f"Item with id '{rest[2]}' not found in this conversation.")


async def _delete_item(
    request: ClientRequest, shelf: Shelf, owner: str, conversation: Conversation, rest: list[str]
) -> WireReply:
    def change(present: Conversation) -> None:
        left = [item for item in present.items if item.get("id") != rest[2]]
        if len(left) == len(present.items):
            raise NotFound(f"Item with id '{rest[2]}' not found in this conversation.")
        present.items = left

    changed = await shelf.change_conversation(owner, conversation.id, change)
    return _json((changed or conversation).shown())


_Act = Callable[[ClientRequest, Shelf, str, Conversation, list[str]], Awaitable[WireReply]]
_CONVERSATION: dict[tuple[str, int], _Act] = {
    ("GET", 1): _show,
    ("POST", 1): _update,
    ("DELETE", 1): _delete,
    ("GET", 2): _list_items,
    ("POST", 2): _add_items,
    ("GET", 3): _show_item,
    ("DELETE", 3): _delete_item,
}
"""By method and number of the path's segments."""
_MOST_ITEMS = 20


def _items(request: ClientRequest, written: Any) -> list[Any]:
    if written is None:
        return []
    if not isinstance(written, list) or not all(isinstance(item, dict) for item in written):
        raise InvalidRequest("Expected a list of items.", param="items")
    for place, item in enumerate(written):
        for name in ("id", "role", "status", "type"):
            if not isinstance(item.get(name), str | None):
                raise InvalidRequest("Expected a string.", param=f"items[{place}].{name}")
    if len(written) > _MOST_ITEMS:
        raise InvalidRequest(f"At most {_MOST_ITEMS} items can be added at once.", param="items")
    if written and request.chain.edits_request:
        # Hooks see requests to models; this text would be kept as no plugin has seen it.
        refuse_unseen(request)
    return named(as_items(written), request.services.mint.id)


def _metadata(request: ClientRequest, body: Mapping[str, Any]) -> dict[str, Any]:
    metadata = body.get("metadata")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise InvalidRequest("Expected an object of strings.", param="metadata")
    if metadata and request.chain.edits_request:
        refuse_unseen(request)
    return metadata


def _body(request: ClientRequest) -> dict[str, Any]:
    if not request.wire.body.strip():
        return {}
    try:
        value = json.loads(request.wire.body)
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidRequest("Expected the body to be an object.")
    return value


def _query(request: ClientRequest) -> dict[str, str]:
    return dict(parse_qsl(request.wire.query, keep_blank_values=True))


def _page(items: list[Any], query: Mapping[str, str]) -> dict[str, Any]:
    try:
        return page_of(items, query)
    except ValueError as error:
        raise InvalidRequest(str(error), param=str(error).partition(":")[0]) from None


def _json(body: dict[str, Any]) -> WireReply:
    return WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(body))
