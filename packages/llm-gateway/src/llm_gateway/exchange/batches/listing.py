"""Lists of files and batches: what belongs to the caller, as it was last shown."""

from __future__ import annotations

from urllib.parse import parse_qs

from llm_gateway_sdk import WireReply
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.principal import owner_of
from llm_gateway_sdk.wire import json

from ..request import ClientRequest
from .ownership import belongings_of, form_of, kind_of

__all__ = ["list_belongings"]


async def list_belongings(request: ClientRequest) -> WireReply:
    """A page of what belongs to the caller, as the provider last showed it."""
    form = form_of(request)
    things = [
        thing
        for thing in await belongings_of(request).all(owner_of(request.ctx), kind_of(request, form.operation))
        if thing.object
    ]
    asked = form.asked_page({key: values[-1] for key, values in parse_qs(request.wire.query).items()})
    if form.operation == "file" and asked.purpose:
        things = [thing for thing in things if thing.object.get("purpose") == asked.purpose]
    if asked.oldest_first:
        things.reverse()
    ids = [thing.id for thing in things]
    if asked.before in ids:
        things = things[: ids.index(asked.before)]
        page = things[-asked.size :]
    else:
        things = things[ids.index(asked.after) + 1 :] if asked.after in ids else things
        page = things[: asked.size]
    answer = form.show_page(
        [thing.object for thing in page], [thing.id for thing in page], more=len(things) > len(page)
    )
    return WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(answer))
