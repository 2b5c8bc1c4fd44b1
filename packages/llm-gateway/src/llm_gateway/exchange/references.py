"""Ids in a request's body of things that a provider keeps: files, stores of files, caches, conversations, skills.

A provider keeps them for the gateway's key, and gives them to all who name them with that key. Where the gateway
knows its callers apart, each may name what is its own: a file that it has uploaded through the gateway. What is another
caller's, or is kept by no endpoint of the gateway, is answered like something that does not exist.

Not checked is what needs no ownership: with the caller's own credentials the provider looks itself, and where
`nativePaths` lists the endpoint of a thing the operator hands all of them on.

Bytes are looked at first: nearly every body names nothing, and is not read for this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import unquote

from llm_gateway_sdk import HTTPProvider, InvalidRequest, NotFound
from llm_gateway_sdk.principal import owner_of
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.pieces import found, has_any

from ..wire.native_paths import is_listed
from .long_names import LONGEST_NAME
from .request import ClientRequest

__all__ = ["check_references", "keeps_for_all", "may_hide", "may_name", "may_refer", "references_in"]

_SIGNS = (
    b"file_id", b"fileUri", b"file_uri", b"vector_store", b"cachedContent", b"cached_content", b'"conversation"',
    b"previous_response_id", b"item_reference", b'"container"', b"container_reference", b"fileSearchStore",
    b"file_search_store", b"ragCorp", b"rag_corp", b"skill_id",
)  # fmt: skip
_ESCAPED = re.compile(rb"\\u00(?:5[fF]|[46][0-9a-fA-F]|[57][0-9aA])")
"""A letter or an underscore of ASCII, written as an escape: no encoder does that, and it would hide a sign."""

_MAY_REFER = re.compile(rb'"(?:file|vector_|cached|previous_|item_ref|con(?:tainer|versation")|rag|skill_)')
"""The beginnings of `_SIGNS`, each of which is the first word of a key or of a value. One search for a quotation mark
takes a quarter of the time of seven searches."""
_LONGEST_BEGINNING = len(b'"conversation"')
_BARE = re.compile(rb'\{\s*"id"\s*:\s*"[^"\\]*"\s*\}|"type"\s*:\s*null')
"""An item of an id alone, or one whose type may be left out. Where the project's memory looks at items it finds them
itself, so that other bodies are not searched for these."""
_LONGEST_ID = 16 * 1024
_BACKSLASH = 0x5C
_FILE, _STORE, _CACHE, _CONVERSATION = "file", "vector_store", "cached_content", "conversation"
_RESPONSE, _ITEM, _CONTAINER = "previous_response", "item", "container"
_SEARCHED, _CORPUS, _SKILL = "file_search_store", "rag_corpus", "skill"
_KINDS = {
    "file_id": _FILE, "file_ids": _FILE, "fileUri": _FILE, "file_uri": _FILE,
    "vector_store_ids": _STORE, "vector_store_id": _STORE,
    "cachedContent": _CACHE, "cached_content": _CACHE,
    "fileSearchStoreNames": _SEARCHED, "file_search_store_names": _SEARCHED,
    "ragCorpus": _CORPUS, "rag_corpus": _CORPUS, "ragCorpora": _CORPUS, "rag_corpora": _CORPUS,
}  # fmt: skip
_PATHS = {
    _FILE: "/v1/files",
    _STORE: "/v1/vector_stores",
    _CACHE: "/v1/cachedContents",
    _CONVERSATION: "/v1/conversations",
    _RESPONSE: "/v1/responses",
    _ITEM: "/v1/responses",
    _CONTAINER: "/v1/containers",
    _SEARCHED: "/v1/fileSearchStores",
    _CORPUS: "/v1/ragCorpora",
    _SKILL: "/v1/skills",
}
_UNNAMED = frozenset({
    "input", "args", "arguments", "response", "json",
    "parameters", "parametersJsonSchema", "input_schema", "inputSchema", "schema", "responseSchema",
    "responseJsonSchema", "metadata", "annotations", "citations", "results",
})  # fmt: skip
"""Objects and lists of a client's or a model's own making, and what replies say of files that they have used: what they
call `file_id` gives no access to anything. (`input` as a list is a conversation.)"""
_OUTPUTS = re.compile(r".*code_execution_output")
_ADDRESS = re.compile(r"(?:([a-z][a-z0-9+.-]*):)?(?://([^/?#]*))?")


def _is_kept_file(uri: str) -> bool:
    """Whether a URI names a file that Google's API keeps, however it is spelled; other addresses are of the public web,
    or of a bucket with its own rights."""
    text = unquote(uri).strip().lower().replace("\\", "/")
    address = _ADDRESS.match(text)
    assert address is not None  # all of it is optional
    scheme, host = address.groups()
    if scheme not in (None, "http", "https"):
        return False
    if host is not None and "generativelanguage" not in host and "aiplatform" not in host:
        return False
    return "files/" in text[address.end() :]


def may_name(body: bytes, *, bare: bool = False) -> bool:
    """Whether a body may name something that a provider keeps. False is certain; of items without a type with `bare`
    alone."""
    # One search for what nearly no body has spares the searches for each sign.
    if found(_MAY_REFER, body, _LONGEST_BEGINNING) is not None and has_any(body, *_SIGNS):
        return True
    return may_hide(body) or (bare and found(_BARE, body, _LONGEST_ID) is not None)


def may_refer(request: ClientRequest) -> bool:
    """The same for a request, at less cost: with less certainty where its body is short, and True where it is long."""
    body = request.wire.body
    if request.is_large or _MAY_REFER.search(body) is not None or (_BACKSLASH in body and b"\\u00" in body):
        return True
    if request.project.memory is not None and request.ctx.operation not in _BATCHED:
        return False
    return _BARE.search(body) is not None


def may_hide(body: bytes) -> bool:
    """Whether letters of a body are written as escapes, so that a name in it is not found by a look at its bytes."""
    return _BACKSLASH in body and has_any(body, b"\\u00") and found(_ESCAPED, body, 6) is not None


def references_in(body: Any) -> Iterator[tuple[str, str]]:
    """The kinds and ids of all that is named, at any depth of a decoded body."""
    waiting = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            yield from _named_by(value, is_body=value is body)
            is_output = _OUTPUTS.fullmatch(str(value.get("type"))) is not None
            for key, inner in value.items():
                if is_output and key == "file_id":
                    continue
                kind = _KINDS.get(key)
                if kind is None or isinstance(inner, dict):
                    if key not in _UNNAMED or (key == "input" and isinstance(inner, list)):
                        waiting.append(inner)
                    continue
                for name in inner if isinstance(inner, list) else [inner]:
                    if isinstance(name, str) and name and (not key.lower().endswith("uri") or _is_kept_file(name)):
                        yield kind, name


def _named_by(value: dict[str, Any], *, is_body: bool) -> Iterator[tuple[str, str]]:
    """What an object names as a whole: what a request continues, an item, a skill of the account's own, or the
    container in which a tool is to run (by its id, or in an object with it; an object without is the description of a
    new one). Requests may be lines of a batch."""
    kind, container = value.get("type"), value.get("container")
    if is_body or "input" in value:
        conversation = value.get("conversation")
        if isinstance(conversation, dict):
            conversation = conversation.get("id")
        if isinstance(conversation, str):
            yield _CONVERSATION, conversation
    if isinstance(previous := value.get("previous_response_id"), str) and previous:
        yield _RESPONSE, previous
    if kind == "custom" and isinstance(value.get("skill_id"), str):
        yield _SKILL, value["skill_id"]
    items = value.get("input")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and isinstance(item.get("id"), str) and _is_reference(item):
            yield _ITEM, item["id"]
    if kind == "container_reference" and isinstance(value.get("container_id"), str):
        yield _CONTAINER, value["container_id"]
    if isinstance(container, dict):
        container = container.get("id")
    if isinstance(container, str) and container:
        yield _CONTAINER, container


def _is_reference(item: dict[str, Any]) -> bool:
    kind = item.get("type")
    return kind == "item_reference" or (kind is None and "role" not in item)


def _named_in(body: bytes, *, bare: bool) -> list[tuple[str, str]]:
    return list(dict.fromkeys(references_in(json.loads(body)))) if may_name(body, bare=bare) else []


def keeps_for_all(request: ClientRequest) -> bool:
    """Whether the operator hands on what a provider keeps of responses, of any caller."""
    return is_listed(_PATHS[_RESPONSE], request.project.native_paths)


async def check_references(request: ClientRequest, http: HTTPProvider) -> None:
    """Raises NotFound for what is not the caller's, for a conversation InvalidRequest as where none is known.

    Responses and their items are looked at by the project's memory, which knows whose they are; where it keeps nothing,
    none is known.
    """
    if http.settings.credentials == "client":
        return
    try:
        bare = request.project.memory is None or request.ctx.operation in _BATCHED
        named = await request.work(partial(_named_in, request.wire.body, bare=bare))
    except ValueError:
        return  # reported when it is read
    project = request.project
    for kind, name in named:
        if is_listed(_PATHS[kind], project.native_paths):
            continue
        belongings = project.belongings
        known = None
        if kind == _FILE and belongings is not None and len(name) <= LONGEST_NAME:  # no longer one was ever given
            known = await belongings.find(owner_of(request.ctx), f"{request.adapter.name}.file", name)
        if kind in (_RESPONSE, _ITEM):
            if project.memory is None:
                raise _unkept(kind, name, _KEEPS_NONE)
            if request.ctx.operation not in _CONTINUED:
                raise _unkept(kind, name, "only a request by itself can continue what is kept")
            continue
        if kind == _CONVERSATION:
            raise InvalidRequest(f"Conversation with id '{name}' not found.", param="conversation")
        if known is None or not _is_at(request, known.model, http):
            raise NotFound(f"No such {kind.replace('_', ' ')}: '{name}'.")


_BATCHED = ("batch", "file")
_CONTINUED = ("generate", "count_tokens")
_KEEPS_NONE = "this project keeps no responses, and a provider's own are reachable only where `nativePaths` lists them"


def _unkept(kind: str, name: str, why: str) -> InvalidRequest:
    if kind == _RESPONSE:
        code, param = "previous_response_not_found", "previous_response_id"
        return InvalidRequest(f"Previous response with id '{name}' not found: {why}.", code=code, param=param)
    return InvalidRequest(f"Item with id '{name}' not found: {why}.", code="item_not_found", param="input")


def _is_at(request: ClientRequest, model: str, http: HTTPProvider) -> bool:
    """Whether the provider of the model that has it is the one that is called."""
    target = request.project.registry.find(model)
    their = None if target is None else target.http
    return their is not None and (their.base_url, their.settings.api_key) == (http.base_url, http.settings.api_key)
