"""Converse's content blocks ↔ canonical parts, as both requests and replies hold them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk import (
    UNSIGNED,
    CacheHint,
    Citation,
    DialectError,
    Losses,
    MediaPart,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    unwrap_signature,
    wrap_signature,
)
from llm_gateway_sdk.conventions import CUSTOM_TOOL_INPUT
from llm_gateway_sdk.dialects.coverage import drop_block
from llm_gateway_sdk.dialects.fields import kind_of
from llm_gateway_sdk.dialects.reply_coverage import drop_part
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.digests import text_digest

from .carriers import carrier_of, settle_carriers
from .media import MEDIA_KEYS, NAME, DocumentNames, decode_media, encode_media

__all__ = [
    "DOCUMENT_ONLY",
    "NAME",
    "SIGNERS",
    "BlockEncoder",
    "cache_point",
    "decode_cache_point",
    "decode_citation",
    "decode_content",
    "encode_citation",
    "expect",
    "fold",
    "own",
    "read_blob",
    "reply_thought",
    "wire_id",
    "write_blob",
]

SIGNERS = (None, NAME, "anthropic")
"""Claude's signatures hold on every platform that serves it (Anthropic, "Extended thinking")."""


def own(node: Any) -> dict[str, Any]:
    """This dialect's metadata of a node."""
    values = node.provider_metadata.get(NAME)
    return values if isinstance(values, dict) else {}


def expect(value: Any, kind: type, path: str) -> Any:
    """The value, if it is of the kind. Raises DialectError naming both."""
    if isinstance(value, kind) and not (kind is not bool and isinstance(value, bool)):
        return value
    raise DialectError(f"expected {_KINDS[kind]}, found {kind_of(value)}", path=path)


_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
}


# Decoding.


def decode_content(value: Any, path: str) -> list[Part]:
    """The parts of a list of blocks. A cache point becomes the hint of the part that it ends."""
    parts: list[Part] = []
    if value is None:
        return parts
    for position, item in enumerate(expect(value, list, path)):
        place = f"{path}[{position}]"
        block = expect(item, dict, place)
        if "cachePoint" in block and parts and parts[-1].cache is None:
            parts[-1].cache = decode_cache_point(block["cachePoint"], f"{place}.cachePoint")
        else:
            parts.append(_decode_block(block, place))
    return settle_carriers(parts)


def decode_cache_point(value: Any, path: str) -> CacheHint:
    point = expect(value, dict, path)
    ttl = point.get("ttl")
    return CacheHint(ttl if isinstance(ttl, str) else None, {NAME: {"_point": dict(point)}})


def _decode_block(block: dict[str, Any], path: str) -> Part:
    for key, value in block.items():
        if key == "text":
            return TextPart(expect(value, str, f"{path}.text"))
        if key == "toolUse":
            return _decode_call(expect(value, dict, f"{path}.toolUse"), block, f"{path}.toolUse")
        if key == "toolResult":
            return _decode_result(expect(value, dict, f"{path}.toolResult"), f"{path}.toolResult")
        if key == "reasoningContent":
            return _decode_reasoning(expect(value, dict, f"{path}.reasoningContent"), block)
        if key == "citationsContent":
            return _decode_cited(expect(value, dict, f"{path}.citationsContent"), block)
        if key in MEDIA_KEYS:
            media = decode_media(key, expect(value, dict, f"{path}.{key}"), f"{path}.{key}")
            if media is not None:
                return media
    return OpaquePart(NAME, block)


def _decode_call(call: dict[str, Any], block: dict[str, Any], path: str) -> Part:
    if call.get("type") == "server_tool_use":
        # The provider runs it; a client that saw a call would try to.
        return OpaquePart(NAME, block)
    arguments = call.get("input")
    part = ToolCallPart(
        expect(call.get("toolUseId", ""), str, f"{path}.toolUseId"),
        expect(call.get("name", ""), str, f"{path}.name"),
        json.dumps_text({} if arguments is None else arguments),
    )
    if rest := {key: value for key, value in call.items() if key not in ("toolUseId", "name", "input")}:
        part.provider_metadata = {NAME: rest}
    return part


def _decode_result(result: dict[str, Any], path: str) -> ToolResultPart:
    part = ToolResultPart(expect(result.get("toolUseId", ""), str, f"{path}.toolUseId"))
    status = result.get("status")
    part.is_error = status == "error"
    for position, item in enumerate(expect(result.get("content") or [], list, f"{path}.content")):
        place = f"{path}.content[{position}]"
        block = expect(item, dict, place)
        if "json" in block:
            text = json.dumps_text(block["json"])
            part.content.append(TextPart(text, provider_metadata={NAME: {"_json": True}}))
        else:
            part.content.append(_decode_block(block, place))
    metadata = {key: value for key, value in result.items() if key not in ("toolUseId", "content", "status")}
    if status == "success":
        metadata["_status"] = status
    if metadata:
        part.provider_metadata = {NAME: metadata}
    return part


def _decode_reasoning(content: dict[str, Any], block: dict[str, Any]) -> Part:
    redacted = content.get("redactedContent")
    if isinstance(redacted, str):
        data, signed_by = read_blob(redacted)
        return ThinkingPart(redacted=data, signed_by=signed_by)
    thought = content.get("reasoningText")
    if not isinstance(thought, dict):
        return OpaquePart(NAME, block)
    text, signature = thought.get("text"), thought.get("signature")
    part = ThinkingPart(text if isinstance(text, str) else "", signed_by=NAME)
    if isinstance(signature, str):
        proof, part.signed_by = unwrap_signature(signature, NAME)
        part.signature = None if part.signed_by == UNSIGNED else proof
    return part


# A foreign proof travels wrapped through a client; `redactedContent` holds bytes, so that it goes as base64 there.


def read_blob(value: str) -> tuple[str, str]:
    if value.startswith(_WRAPPED):
        try:
            return unwrap_signature(base64.b64decode(value, validate=True).decode(), NAME)
        except (binascii.Error, UnicodeDecodeError):
            return value, NAME
    return value, NAME


def write_blob(value: str, signed_by: str | None) -> str:
    wrapped = wrap_signature(value, signed_by, NAME)
    return value if wrapped is value else base64.b64encode(wrapped.encode("utf-8", "surrogatepass")).decode()


_WRAPPED = "Z3cxL"
"""How base64 of `gw1.` begins."""


def _decode_cited(content: dict[str, Any], block: dict[str, Any]) -> Part:
    pieces = content.get("content")
    citations = content.get("citations")
    if not isinstance(pieces, list) or not all(isinstance(piece, dict) for piece in pieces):
        return OpaquePart(NAME, block)
    text = "".join(piece["text"] for piece in pieces if isinstance(piece.get("text"), str))
    citations = citations if isinstance(citations, list) else []
    found = [decode_citation(item) for item in citations if isinstance(item, dict)]
    return TextPart(text, found, provider_metadata={NAME: {"_cited": True}})


def decode_citation(value: dict[str, Any]) -> Citation:
    location = value.get("location")
    location = location if isinstance(location, dict) else {}
    web = location.get("web")
    address = web.get("url") if isinstance(web, dict) else None
    sources = value.get("sourceContent")
    sources = sources if isinstance(sources, list) else []
    text = "".join(str(item.get("text", "")) for item in sources if isinstance(item, dict))
    return Citation(
        "url" if isinstance(web, dict) else "search_result" if "searchResultLocation" in location else "document",
        url=address if isinstance(address, str) else None,
        title=value["title"] if isinstance(value.get("title"), str) else None,
        cited_text=text or None,
        provider_metadata={NAME: value},
    )


def encode_citation(citation: Citation) -> dict[str, Any]:
    native = citation.provider_metadata.get(NAME)
    if native is not None:
        return native
    result: dict[str, Any] = {}
    if citation.title is not None:
        result["title"] = citation.title
    if citation.cited_text is not None:
        result["sourceContent"] = [{"text": citation.cited_text}]
    if citation.url is not None:
        result["location"] = {"web": {"url": citation.url}}
    return result


# Encoding.


def cache_point(hint: CacheHint) -> dict[str, Any]:
    """`5m` is what Bedrock does unasked, and older models refuse to be asked."""
    native = own(hint).get("_point")
    if native:
        return {"cachePoint": {**native, **({"ttl": hint.ttl} if hint.ttl is not None else {})}}
    point = {"type": "default"}
    if hint.ttl == "1h":
        point["ttl"] = hint.ttl
    return {"cachePoint": point}


DOCUMENT_ONLY = "See the attached document."
VIDEO_ONLY = "See the attached video."
"""Converse wants a text next to these."""

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_NO_ID = re.compile(r"[^A-Za-z0-9_.:-]")


def wire_id(identity: str) -> str:
    """A call's id as Bedrock takes it: the same in, the same out, so that call and result keep together."""
    if _ID.fullmatch(identity):
        return identity
    digest = text_digest(identity)[:16]
    return f"{_NO_ID.sub('_', identity)[:47]}_{digest}"


class BlockEncoder:
    """Writes the blocks of one request or reply.

    `caches`: cache points are allowed. `signs`: reasoning counts only with its proof, as with Claude. `unknown`: the
    model may be such a one, so that another provider's reasoning without a proof is left out. `reply`: a client will
    read it, so that foreign proofs are wrapped and not left out.
    """

    def __init__(
        self,
        losses: Losses,
        root: str,
        *,
        caches: bool = True,
        signs: bool = False,
        unknown: bool = False,
        reply: bool = False,
    ) -> None:
        self._losses = losses
        self._root = root
        self._caches = caches
        self._signs = signs
        self._unknown = unknown
        self._reply = reply
        self._names = DocumentNames()

    def encode(self, parts: Sequence[Part]) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        for part in parts:
            if self._reply and (carrier := carrier_of(part)) is not None:
                blocks.append(carrier)
            encoded = self._block(part)
            if encoded is not None:
                blocks.append(encoded)
            if part.cache is not None:
                self.mark(blocks, part.cache)
        return blocks

    def mark(self, blocks: list[dict[str, Any]], hint: CacheHint) -> None:
        """Ends what is cached after the last block."""
        if not self._caches:
            self._losses.dropped(f"{self._root}.cache", "the model does not cache")
            return
        if not blocks or "cachePoint" in blocks[-1]:
            return
        if "document" in blocks[-1] or "video" in blocks[-1]:
            # Refused right after these.
            blocks.append({"text": DOCUMENT_ONLY if "document" in blocks[-1] else VIDEO_ONLY})
        if hint.ttl not in (None, "5m", "1h") and not own(hint):
            self._losses.converted(f"{self._root}.cache.ttl", f"{hint.ttl} became 5m")
        blocks.append(cache_point(hint))

    def _block(self, part: Part) -> dict[str, Any] | None:
        match part:
            case TextPart():
                return self._text(part)
            case RefusalPart():
                self._losses.converted(f"{self._root}.refusal", "written as text")
                return {"text": part.text} if part.text and not part.text.isspace() else None
            case ThinkingPart():
                return self._thinking(part)
            case ToolCallPart():
                return self._call(part)
            case ToolResultPart():
                return self._result(part)
            case MediaPart():
                if part.detail not in (None, "auto"):
                    self._losses.dropped(f"{self._root}.detail")
                return self._media(part)
            case OpaquePart():
                return self._opaque(part)

    def _media(self, part: MediaPart) -> dict[str, Any] | None:
        block = encode_media(part, self._names, self._root)
        document = block.get("document")
        if part.name and isinstance(document, dict) and document.get("name") not in (None, part.name):
            self._losses.converted(f"{self._root}.name", "a name of characters that Converse takes")
        return block

    def _text(self, part: TextPart) -> dict[str, Any] | None:
        if part.signature is not None and part.signed_by not in SIGNERS:
            self._losses.dropped(f"{self._root}.signature")
        if own(part).get("_cited") or (self._reply and part.citations):
            citations = [encode_citation(citation) for citation in part.citations]
            return {"citationsContent": {"content": [{"text": part.text}], "citations": citations}}
        if part.citations and not self._reply:
            self._losses.dropped(f"{self._root}.citations")
        # Texts of white space alone are refused; a client may get them.
        return {"text": part.text} if part.text and (self._reply or not part.text.isspace()) else None

    def _thinking(self, part: ThinkingPart) -> dict[str, Any] | None:
        if self._reply:
            return reply_thought(part)
        if part.signed_by not in SIGNERS and (part.signature is not None or part.redacted is not None):
            self._losses.dropped(f"{self._root}.signature")
            return None
        if part.redacted is not None:
            return {"reasoningContent": {"redactedContent": part.redacted}}
        needs_proof = self._signs or (self._unknown and part.signed_by == UNSIGNED)
        if part.signature is None and (needs_proof or not part.text):
            self._losses.dropped(f"{self._root}.thinking", "reasoning without a signature")
            return None
        thought = {"text": part.text}
        if part.signature is not None:
            thought["signature"] = part.signature
        return {"reasoningContent": {"reasoningText": thought}}

    def _call(self, part: ToolCallPart) -> dict[str, Any]:
        if part.signature is not None and not self._reply:
            self._losses.dropped(f"{self._root}.signature")
        call = {"toolUseId": wire_id(part.id), "name": part.name, "input": self._arguments(part)}
        return {"toolUse": {**call, **own(part)}}

    def _arguments(self, part: ToolCallPart) -> Any:
        if part.kind == "custom":
            return {CUSTOM_TOOL_INPUT: part.arguments}
        if not part.arguments or part.arguments.isspace():
            return {}
        try:
            value = json.loads(part.arguments)
        except ValueError:
            value = part.arguments
        if isinstance(value, dict):
            return value
        self._losses.converted(f"{self._root}.arguments", "not a JSON object")
        return {"arguments": value}

    def _result(self, part: ToolResultPart) -> dict[str, Any]:
        metadata, root = own(part), self._root
        content = []
        self._root = f"{root}.content[*]"
        for inner in part.content:
            block = self._result_block(inner)
            if block is not None:
                content.append(block)
            if inner.cache is not None:
                self._losses.dropped(f"{self._root}.cache", "no cache points within results")
        self._root = root
        result = {"toolUseId": wire_id(part.tool_call_id), "content": content}
        if part.is_error:
            result["status"] = "error"
        elif "_status" in metadata:
            result["status"] = metadata["_status"]
        result.update((key, value) for key, value in metadata.items() if not key.startswith("_"))
        return {"toolResult": result}

    def _result_block(self, part: Part) -> dict[str, Any] | None:
        if isinstance(part, TextPart) and own(part).get("_json"):
            try:
                return {"json": json.loads(part.text)}
            except ValueError:
                return {"text": part.text}
        return self._block(part)

    def _drop(self, part: Part) -> None:
        if self._reply:
            drop_part(part, self._losses)
        elif isinstance(part, OpaquePart):
            drop_block(part, self._losses, self._root)

    def _opaque(self, part: OpaquePart) -> dict[str, Any] | None:
        if part.dialect != NAME or not isinstance(part.data, dict):
            self._drop(part)
            return None
        return fold(part.data, part.deltas)


def reply_thought(part: ThinkingPart) -> dict[str, Any] | None:
    """The block in which a client keeps reasoning, its signer's name included."""
    if part.redacted is not None:
        return {"reasoningContent": {"redactedContent": write_blob(part.redacted, part.signed_by)}}
    if part.signature is None:
        unproven = {} if part.signed_by == NAME else {"signature": wrap_signature("", UNSIGNED, NAME)}
        return {"reasoningContent": {"reasoningText": {"text": part.text, **unproven}}} if part.text else None
    signature = wrap_signature(part.signature, part.signed_by, NAME)
    return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": signature}}}


def fold(start: dict[str, Any], deltas: Sequence[Any]) -> dict[str, Any]:
    """The whole block of a stream's start and the deltas that followed."""
    if not deltas:
        return start
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in start.items()}
    text = ""
    for delta in deltas:
        for key, value in delta.items() if isinstance(delta, dict) else ():
            if key == "toolUse" and isinstance(value, dict):
                text += value.get("input") or ""
            elif key == "toolResult" and isinstance(value, list):
                holder = result.setdefault(key, {})
                holder["content"] = [*holder.get("content", ()), *value]
            elif isinstance(value, dict):
                result[key] = {**result.get(key, {}), **value}
            else:
                result[key] = value
    if text:
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        result["toolUse"] = {**result.get("toolUse", {}), "input": value}
    return result
