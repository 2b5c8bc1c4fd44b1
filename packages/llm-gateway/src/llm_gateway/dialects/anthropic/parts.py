"""Content blocks of the Messages API ↔ canonical parts, for requests and replies alike.

Mapping after docs.anthropic.com/en/api/messages. Keys of `provider_metadata["anthropic"]` that begin with an underscore
remember only how something was written (a string or a list of one), and say nothing that another dialect could lose.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, TypeGuard

from llm_gateway_sdk import (
    CacheHint,
    Citation,
    DialectError,
    Losses,
    MediaPart,
    Message,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    unwrap_signature,
)
from llm_gateway_sdk.dialects.fields import as_list, as_object, mismatch, optional_str, required_str
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.media import split_data_url

__all__ = [
    "CARRIER_AFTER",
    "CARRIER_BEFORE",
    "NAME",
    "RAW_ARGUMENTS",
    "Block",
    "arguments_of",
    "decode_block",
    "decode_cache",
    "decode_citation",
    "decode_citations",
    "decode_content",
    "encode_cache",
    "encode_citation",
    "encode_extras",
    "encode_input",
    "encode_media",
    "encode_own",
    "encode_text",
    "extras",
    "fail",
    "is_bare_text",
    "is_plain_text",
    "own",
    "read_list",
    "read_object",
    "read_optional_string",
    "read_string",
    "with_cache",
]

NAME = "anthropic"

RAW_ARGUMENTS = "_raw_arguments"
"""Arguments of a tool call that are not a JSON object are a string under this one key, and are taken out again."""

CARRIER_BEFORE = "tool:"
CARRIER_AFTER = "after:"
"""A signature that has no home in a Messages client travels in a thinking block without text: `gw1.<dialect>.tool:…`
belongs to the tool call that follows, `gw1.<dialect>.after:…` to the block before it."""

Block = dict[str, Any]


# Reading.


def fail(path: str, expected: str, found: object) -> DialectError:
    """The error of a value that is not as `expected`; the caller raises it."""
    return mismatch(path, expected, found)


read_string = required_str
read_optional_string = optional_str
read_object = as_object
read_list = as_list


def own(metadata: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """What this dialect left in a node's metadata."""
    return metadata.get(NAME) or {}


def extras(source: Mapping[str, Any], known: frozenset[str]) -> dict[str, dict[str, Any]]:
    """The metadata that keeps the fields of `source` which have no place of their own.

    Fields that begin with an underscore are not the vendor's, and would be mistaken for our own marks.
    """
    if known.issuperset(source):
        return {}
    rest = {key: value for key, value in source.items() if key not in known and value is not None and key[:1] != "_"}
    return {NAME: rest} if rest else {}


def decode_content(content: object, path: str, *, from_client: bool) -> tuple[list[Part], bool]:
    """(parts, whether it was written as a string). None and "" are no parts."""
    if content is None:
        return [], False
    if isinstance(content, str):
        return ([TextPart(content)] if content else []), True
    if not isinstance(content, list):
        raise fail(path, "a string or a list of blocks", content)
    parts = [decode_block(block, f"{path}[{at}]", from_client=from_client) for at, block in enumerate(content)]
    return (_unload_carriers(parts) if from_client else parts), False


def decode_block(block: object, path: str, *, from_client: bool) -> Part:
    source = read_object(block, path)
    kind = source.get("type")
    if not isinstance(kind, str):
        raise fail(f"{path}.type", "a string", kind)
    match kind:
        case "text":
            if len(source) == 2 and type(text := source.get("text")) is str:
                return TextPart(text)
            text_part = TextPart(
                read_string(source.get("text", ""), f"{path}.text"),
                decode_citations(source.get("citations"), f"{path}.citations"),
            )
            return _decode_marks(text_part, source, path, _TEXT_KEYS)
        case "thinking":
            signature, issuer = _signature(source.get("signature"), f"{path}.signature", from_client=from_client)
            return ThinkingPart(
                read_string(source.get("thinking", ""), f"{path}.thinking"),
                signature=signature,
                # What a client of this dialect gives back without a signature had none when it came.
                signed_by=issuer,
                provider_metadata=extras(source, _THINKING_KEYS),
            )
        case "redacted_thinking":
            data, signed_by = _signature(source.get("data", ""), f"{path}.data", from_client=from_client)
            return ThinkingPart(
                redacted=data or "", signed_by=signed_by, provider_metadata=extras(source, _REDACTED_KEYS)
            )
        case "tool_use":
            call = ToolCallPart(
                read_string(source.get("id", ""), f"{path}.id"),
                read_string(source.get("name", ""), f"{path}.name"),
                arguments_of(source.get("input")),
            )
            return _decode_marks(call, source, path, _TOOL_USE_KEYS)
        case "tool_result":
            return _decode_tool_result(source, path, from_client=from_client)
        case "image":
            return _decode_image(source, path)
        case "document":
            return _decode_document(source, path)
        case "search_result":
            return _decode_search_result(source, path)
    return OpaquePart(dialect=NAME, data=source)


def _decode_marks(part: Part, source: Block, path: str, known: frozenset[str]) -> Part:
    """What any block may have in addition to its content."""
    if "cache_control" in source:
        part.cache = decode_cache(source["cache_control"], f"{path}.cache_control")
    if not known.issuperset(source):
        part.provider_metadata = extras(source, known)
    return part


def decode_cache(value: object, path: str) -> CacheHint | None:
    if value is None:
        return None
    source = read_object(value, path)
    rest = {key: value for key, value in source.items() if key != "ttl" and (key, value) != ("type", "ephemeral")}
    return CacheHint(read_optional_string(source.get("ttl"), f"{path}.ttl"), {NAME: rest} if rest else {})


def decode_citations(value: object, path: str) -> list[Citation]:
    # On a document, `citations` is a switch; on a text, a list or null.
    if not isinstance(value, list):
        return []
    return [decode_citation(item, f"{path}[{at}]") for at, item in enumerate(value)]


def decode_citation(value: object, path: str) -> Citation:
    source = read_object(value, path)
    kind = source.get("type")
    title = source.get("title") or source.get("document_title")
    url = source.get("source") if kind == "search_result_location" else source.get("url")
    cited, file_id = source.get("cited_text"), source.get("file_id")
    citation = Citation(
        kind=_CITATION_KINDS.get(kind, "document") if isinstance(kind, str) else "document",
        url=url if isinstance(url, str) else None,
        title=title if isinstance(title, str) else None,
        cited_text=cited if isinstance(cited, str) else None,
        file_id=file_id if isinstance(file_id, str) else None,
    )
    # Without its index a web citation is one that was put in this form for the client, and no use to the provider.
    if kind != "web_search_result_location" or source.get("encrypted_index"):
        citation.provider_metadata = {NAME: {key: value for key, value in source.items() if key != "cited_text"}}
    return citation


def arguments_of(value: object) -> str:
    """The JSON text of a call's `input`."""
    if value is None or value == {}:
        return "{}"
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1 and isinstance(raw := value.get(RAW_ARGUMENTS), str):
        return raw
    return json.dumps_text(value)


def _signature(value: object, path: str, *, from_client: bool) -> tuple[str | None, str]:
    signature = read_optional_string(value, path)
    if not signature:
        return None, NAME
    if not from_client:
        return signature, NAME
    signature, issuer = unwrap_signature(signature, NAME)
    return signature or None, issuer


def _unload_carriers(parts: list[Part]) -> list[Part]:
    """Puts signatures that travelled in a thinking block of their own back on the parts that they belong to."""
    for part in parts:
        if type(part) is ThinkingPart and _carried(part) is not None:
            break
    else:
        return parts
    kept: list[Part] = []
    waiting: tuple[str, str | None] | None = None
    for part in parts:
        carried = _carried(part)
        if carried is not None and carried.startswith(CARRIER_BEFORE):
            waiting = carried.removeprefix(CARRIER_BEFORE), part.signed_by
        elif carried is not None:
            if kept:
                kept[-1].signature, kept[-1].signed_by = carried.removeprefix(CARRIER_AFTER), part.signed_by
        else:
            if waiting is not None and isinstance(part, ToolCallPart):
                (part.signature, part.signed_by), waiting = waiting, None
            kept.append(part)
    return kept


def _carried(part: Part) -> str | None:
    if not isinstance(part, ThinkingPart) or part.text or part.signed_by == NAME or part.signature is None:
        return None
    return part.signature if part.signature.startswith((CARRIER_BEFORE, CARRIER_AFTER)) else None


def _decode_tool_result(source: Block, path: str, *, from_client: bool) -> Part:
    content, as_string = decode_content(source.get("content"), f"{path}.content", from_client=from_client)
    call_id = read_string(source.get("tool_use_id", ""), f"{path}.tool_use_id")
    part = _decode_marks(
        ToolResultPart(call_id, content, bool(source.get("is_error"))), source, path, _TOOL_RESULT_KEYS
    )
    if as_string:
        part.provider_metadata = {NAME: {**own(part.provider_metadata), "_string": True}}
    return part


def _decode_image(block: Block, path: str) -> Part:
    part = MediaPart(
        kind="image",
        cache=decode_cache(block.get("cache_control"), f"{path}.cache_control"),
        provider_metadata=extras(block, _IMAGE_KEYS),
    )
    source = read_object(block.get("source"), f"{path}.source")
    return part if _decode_source(part, source, f"{path}.source") else OpaquePart(dialect=NAME, data=block)


def _decode_document(block: Block, path: str) -> Part:
    part = MediaPart(
        kind="document",
        name=read_optional_string(block.get("title"), f"{path}.title"),
        cache=decode_cache(block.get("cache_control"), f"{path}.cache_control"),
        provider_metadata=extras(block, _DOCUMENT_KEYS),
    )
    source = read_object(block.get("source"), f"{path}.source")
    match source.get("type"):
        case "text":
            part.media_type = read_optional_string(source.get("media_type"), f"{path}.source.media_type")
            part.text = read_string(source.get("data", ""), f"{path}.source.data")
            return part
        case "content":
            content = source.get("content")
            if isinstance(content, str):
                part.text = content
                part.provider_metadata = {NAME: {**own(part.provider_metadata), "_string": True}}
                return part
            texts = _only_texts(content)
            if texts is None:
                return OpaquePart(dialect=NAME, data=block)
            part.text = _TEXTS_JOINED.join(texts)
            part.provider_metadata = {NAME: {**own(part.provider_metadata), "_blocks": content}}
            return part
    return part if _decode_source(part, source, f"{path}.source") else OpaquePart(dialect=NAME, data=block)


def _decode_search_result(block: Block, path: str) -> Part:
    """A search result is a document of text, so that other dialects can say it; its source stays in the metadata."""
    content, title = block.get("content"), block.get("title")
    texts = [content] if isinstance(content, str) else _only_texts(content)
    if texts is None:
        return OpaquePart(dialect=NAME, data=block)
    return MediaPart(
        kind="document",
        text=_TEXTS_JOINED.join(texts),
        name=title if isinstance(title, str) else None,
        cache=decode_cache(block.get("cache_control"), f"{path}.cache_control"),
        provider_metadata={
            NAME: {**own(extras(block, _SEARCH_RESULT_KEYS)), "_search_result": True, "_blocks": content}
        },
    )


_TEXTS_JOINED = "\n\n"
"""What is put between the texts of a document where they become one."""


def _only_texts(content: object) -> list[str] | None:
    """The texts of a list of text blocks; None where something else is among them."""
    if not isinstance(content, list):
        return None
    texts = [
        text
        for block in content
        if isinstance(block, dict) and block.get("type") == "text" and isinstance(text := block.get("text"), str)
    ]
    return texts if len(texts) == len(content) else None


def _text_blocks(text: str, blocks: object) -> list[Block]:
    """The text in the blocks that it came in, which citations count; in one block where it has changed so that they
    can't be distinguished any more."""
    if isinstance(blocks, list):
        texts = text.split(_TEXTS_JOINED) if _TEXTS_JOINED.join(_only_texts(blocks) or ()) != text else None
        if texts is None:
            return blocks
        if len(texts) == len(blocks):
            return [{**block, "text": piece} for block, piece in zip(blocks, texts, strict=True)]
    return [{"type": "text", "text": text}]


def _decode_source(part: MediaPart, source: dict[str, Any], path: str) -> bool:
    match source.get("type"):
        case "base64":
            part.media_type = read_optional_string(source.get("media_type"), f"{path}.media_type")
            part.data = read_string(source.get("data", ""), f"{path}.data")
        case "url":
            url = read_string(source.get("url", ""), f"{path}.url")
            inline = split_data_url(url)
            if inline is None:
                part.url = url
            else:
                part.media_type, part.data = inline
        case "file":
            part.file_id = read_string(source.get("file_id", ""), f"{path}.file_id")
        case _:
            return False
    return True


_TEXT_KEYS = frozenset({"type", "text", "citations", "cache_control"})
_THINKING_KEYS = frozenset({"type", "thinking", "signature"})
_REDACTED_KEYS = frozenset({"type", "data"})
_TOOL_USE_KEYS = frozenset({"type", "id", "name", "input", "cache_control"})
_TOOL_RESULT_KEYS = frozenset({"type", "tool_use_id", "content", "is_error", "cache_control"})
_IMAGE_KEYS = frozenset({"type", "source", "cache_control"})
_DOCUMENT_KEYS = frozenset({"type", "source", "title", "cache_control"})
_SEARCH_RESULT_KEYS = frozenset({"type", "content", "title", "cache_control"})
_CITATION_KINDS = {
    "web_search_result_location": "url",
    "char_location": "document",
    "page_location": "document",
    "content_block_location": "document",
    "search_result_location": "search_result",
}


# Writing.


def encode_cache(hint: CacheHint, losses: Losses, path: str) -> Block:
    """`cache_control`. OpenAI's lifetimes become the next longer one that there is."""
    block: Block = {"type": "ephemeral", **own(hint.provider_metadata)}
    if hint.ttl is not None:
        ttl = _TTLS.get(hint.ttl, hint.ttl)
        if ttl != hint.ttl:
            losses.converted(f"{path}.cache.ttl", f"{hint.ttl} became {ttl}")
        block["ttl"] = ttl
    return block


def with_cache(block: Block, cache: CacheHint | None, losses: Losses, path: str) -> Block:
    if cache is not None:
        block["cache_control"] = encode_cache(cache, losses, path)
    return block


def encode_extras(block: Block, metadata: Mapping[str, dict[str, Any]]) -> Block:
    """Adds what was kept of the vendor's own fields."""
    if not metadata:
        return block
    for key, value in own(metadata).items():
        if not key.startswith("_"):
            block.setdefault(key, value)
    return block


def is_bare_text(part: Part) -> TypeGuard[TextPart]:
    """Whether the part is plain text, without any other field."""
    return (
        type(part) is TextPart
        and not part.citations
        and not part.provider_metadata
        and part.signature is None
        and part.cache is None
    )


def encode_text(part: TextPart | RefusalPart, losses: Losses, path: str) -> Block:
    block: Block = {"type": "text", "text": part.text}
    if isinstance(part, TextPart) and part.citations:
        citations = [written for citation in part.citations if (written := encode_citation(citation)) is not None]
        if len(citations) < len(part.citations):
            losses.dropped(f"{path}.citations", "only the provider's own can be sent back")
        if citations:
            block["citations"] = citations
    return with_cache(encode_extras(block, part.provider_metadata), part.cache, losses, path)


def encode_citation(citation: Citation) -> Block | None:
    """The vendor's own citation; None for one that came from elsewhere."""
    source = own(citation.provider_metadata)
    if not source:
        return None
    return {**source, **({} if citation.cited_text is None else {"cited_text": citation.cited_text})}


def encode_input(part: ToolCallPart, losses: Losses, path: str) -> dict[str, Any]:
    """A call's `input`, which has to be an object."""
    if part.kind == "custom":
        return {"input": part.arguments}
    if not part.arguments or part.arguments.isspace():
        return {}
    try:
        # Numbers are written again as the model wrote them.
        value = json.loads_exact(part.arguments)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    losses.converted(f"{path}.arguments", f"no JSON object; kept as text under {RAW_ARGUMENTS}")
    return {RAW_ARGUMENTS: part.arguments}


def encode_media(part: MediaPart, losses: Losses, path: str) -> Block:
    """Raises DialectError for audio and video, which the Messages API has not."""
    metadata = own(part.provider_metadata)
    if part.kind == "image":
        if part.detail not in (None, "auto"):
            losses.dropped(f"{path}.detail")
        block: Block = {"type": "image", "source": _encode_source(part, _image_type(part))}
    elif part.kind == "document":
        if metadata.get("_search_result"):
            block = {
                "type": "search_result",
                "source": metadata.get("source", ""),
                "title": part.name or "",
                "content": _text_blocks(part.text or "", metadata.get("_blocks")),
            }
        else:
            block = {"type": "document", "source": _encode_document_source(part, losses, path)}
            if part.name:
                block["title"] = part.name
    else:
        raise DialectError(f"{part.kind} cannot be sent to this model's provider", path=path)
    return with_cache(encode_extras(block, part.provider_metadata), part.cache, losses, path)


def encode_own(part: OpaquePart) -> Block:
    """A block that this dialect alone understands, with its stream fragments folded in as the vendor's SDK does it."""
    block: Block = dict(part.data) if isinstance(part.data, dict) else {}
    fragments: list[str] = []
    for delta in part.deltas:
        if not isinstance(delta, dict):
            continue
        match delta.get("type"):
            case "input_json_delta":
                fragments.append(str(delta.get("partial_json") or ""))
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or []), delta.get("citation")]
            case _:
                for key, value in delta.items():
                    if key == "type":
                        continue
                    old = block.get(key)
                    block[key] = old + value if isinstance(old, str) and isinstance(value, str) else value
    if text := "".join(fragments):
        try:
            block["input"] = json.loads(text)
        except ValueError:
            block["input"] = {RAW_ARGUMENTS: text}
    return block


def is_plain_text(message: Message | ToolResultPart) -> bool:
    """Whether the content was written as a string and can be again."""
    if len(message.content) != 1 or not own(message.provider_metadata).get("_string"):
        return False
    part = message.content[0]
    return isinstance(part, TextPart) and part.cache is None and not part.citations


def _encode_source(part: MediaPart, media_type: str | None) -> Block:
    if part.data is not None:
        return {"type": "base64", "media_type": media_type, "data": part.data}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    return {"type": "file", "file_id": part.file_id or ""}


def _encode_document_source(part: MediaPart, losses: Losses, path: str) -> Block:
    metadata = own(part.provider_metadata)
    if part.text is not None:
        if (blocks := metadata.get("_blocks")) is not None:
            return {"type": "content", "content": _text_blocks(part.text, blocks)}
        if metadata.get("_string"):
            return {"type": "content", "content": part.text}
        return {"type": "text", "media_type": "text/plain", "data": part.text}
    media_type = part.media_type
    if media_type is None and part.data is not None:
        media_type = "application/pdf"
    if part.data is not None and media_type is not None and _is_text(media_type):
        try:
            text = base64.b64decode(part.data, validate=False).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise DialectError(f"a document of type {media_type} that is not UTF-8 text", path=path) from None
        losses.converted(f"{path}.data", f"{media_type} is sent as plain text")
        return {"type": "text", "media_type": "text/plain", "data": text}
    if part.data is not None and media_type != "application/pdf":
        raise DialectError(f"this model's provider takes PDF and text documents, not {media_type}", path=path)
    return _encode_source(part, media_type)


def _is_text(media_type: str) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    return essence.startswith("text/") or essence in {"application/json", "application/xml", "application/yaml"}


def _image_type(part: MediaPart) -> str | None:
    if part.media_type in (None, "", "image/*", "application/octet-stream") and part.data:
        return next((kind for magic, kind in _IMAGE_MAGIC if part.data.startswith(magic)), "image/jpeg")
    return "image/jpeg" if part.media_type == "image/jpg" else part.media_type


_TTLS = {"30m": "1h", "12h": "1h", "24h": "1h", "in_memory": "5m"}
# The first bytes of each format, in base64.
_IMAGE_MAGIC = (("iVBOR", "image/png"), ("/9j/", "image/jpeg"), ("R0lG", "image/gif"), ("UklG", "image/webp"))
