"""The multipart form that a request's body is: read as far as plugins and limits need it, while it arrives."""

from __future__ import annotations

import asyncio

from llm_gateway_sdk.operations.owned import OwnedForm

from ..exchange.batches.lines import read_lines
from ..exchange.multipart import FormUpload, WholeSource, boundary_of
from .generation import Generation
from .incoming import Incoming
from .routes import Match

__all__ = ["fields_of", "open_form"]


async def open_form(
    match: Match, generation: Generation, incoming: Incoming, body: bytes, kind: str, most: int
) -> FormUpload | None:
    """The form that an endpoint takes, with its fields read; None where a body of this content type is none. `body` is
    what has come already; of those who are not authenticated yet, at most `most` bytes are taken."""
    form = match.route.form
    if form is None or not form.multipart or (boundary := boundary_of(kind)) is None:
        return None
    source = incoming.upload or WholeSource(body)
    # A plugin that edits has to see fields also where they come after the files.
    edits = isinstance(form, OwnedForm) or any(mounted.plugin.edits_request for mounted in match.project.chain.plugins)
    is_known = match.project.name in generation.head_authentication or not any(
        mounted.plugin.authenticates for mounted in match.project.chain.plugins
    )
    # Who is not authenticated yet fills no disk.
    return await FormUpload.open(boundary, source, all_fields=edits, most=None if is_known else most)


async def fields_of(match: Match, form: FormUpload, most: int, max_items: int) -> bytes:
    """The form as plugins see it. Of a file with the lines of a batch at most `most` bytes and `max_items` values are
    read."""
    fields, owned = form.as_json(), match.route.form
    if isinstance(owned, OwnedForm) and owned.reads_files(fields):
        content = await form.only_file("file", most)
        return await asyncio.to_thread(read_lines, owned, fields, content, max_items)
    return fields
