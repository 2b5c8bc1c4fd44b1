"""What a request for files or batches holds, before limits are asked and plugins see it.

The lines of a batch are there from then on, wherever they were kept, and what they may use is known."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import DialectError, InvalidRequest
from llm_gateway_sdk.batch_share import BatchShare
from llm_gateway_sdk.heavy import run_aside
from llm_gateway_sdk.operations.owned import OwnedForm
from llm_gateway_sdk.principal import owner_of
from llm_gateway_sdk.wire import json

from ..request import ClientRequest
from .lines import shares_of
from .ownership import belongings_of, mine
from .uploads import take_upload

__all__ = ["read_body", "take_owned"]


async def take_owned(request: ClientRequest) -> None:
    """Raises GatewayError."""
    form = request.route.form
    if not isinstance(form, OwnedForm) or form.role != "create":
        return
    if form.operation == "batch":
        await _take_shares(request, form)
    elif form.keeps:
        await take_upload(request)


async def _take_shares(request: ClientRequest, form: OwnedForm) -> None:
    """Finds out what a batch that is handed in may use, before limits are asked. Raises GatewayError."""
    try:
        request.wire.body = form.completed(request.wire)
        asked = await request.work(read_body, request.wire.body) if request.wire.body else {}
        if not isinstance(asked, dict):
            raise InvalidRequest("The body is not a JSON object.")
        given = form.rests_on(asked)
        if given is not None and form.keeps:
            file = await mine(request, "file", given)
            content = await belongings_of(request).whole_content(owner_of(request.ctx), file)
            await request.replace_body(await run_aside(form.with_lines, asked, content))
            asked, given = await request.work(read_body, request.wire.body), None
        lines = await request.work(form.lines, asked)
    except DialectError as error:
        raise InvalidRequest(str(error), param=error.path) from None
    if given is not None:
        file = await mine(request, "file", given)
        request.ctx.batch = [BatchShare.of_json(each) for each in file.shares]
    else:
        request.ctx.batch = await request.work(shares_of, request, lines)


def read_body(body: bytes) -> Any:
    """What a client sent. Raises InvalidRequest."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}") from None
