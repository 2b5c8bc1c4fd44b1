"""Cohere's rerank, versions 1 and 2 (docs.cohere.com/reference/rerank), which vLLM and others took over."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, ErrorInfo, Mint, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.reading import count, json_reply, json_request, object_of, positive, text, value_in
from llm_gateway_sdk.operations.rerank import RerankReply, RerankRequest, decode_results
from llm_gateway_sdk.wire import json

from ..cohere_errors import encode_error
from ..embeddings.cohere import billed_tokens

__all__ = ["CohereRerank", "report_unwritten"]

_KNOWN = frozenset(
    {"model", "query", "documents", "top_n", "return_documents", "max_tokens_per_doc", "max_chunks_per_doc",
     "rank_fields"}
)  # fmt: skip
_DOCUMENTS_PER_UNIT = 100
"""Long documents, which are split, make more; the reply reports how many."""


class CohereRerank(OperationForm[RerankRequest, RerankReply]):
    """`path` is where a provider has it; the two versions differ in what they take, and are read alike."""

    name: ClassVar[str] = "cohere"
    operation: ClassVar[Operation] = "rerank"
    reply_texts: ClassVar[frozenset[str]] = frozenset({"text"})

    def __init__(self, path: str = "") -> None:
        self.path = path

    def decode_request(self, wire: WireRequest) -> RerankRequest:
        body = object_of(wire.body)
        written = body.get("documents")
        if not isinstance(written, list) or not written:
            raise DialectError("expected an array of documents", path="documents")
        fields = body.get("rank_fields")
        return RerankRequest(
            text(body, "model"),
            text(body, "query"),
            [_document(item, place, fields) for place, item in enumerate(written)],
            top=positive(body, "top_n"),
            return_documents=body.get("return_documents") is True,
            originals=written,
            max_tokens_per_document=positive(body, "max_tokens_per_doc"),
            provider_metadata={self.name: {key: value for key, value in body.items() if key not in _KNOWN}},
        )

    def pieces_of(self, body: bytes, size: int) -> dict[str, int] | None:
        documents = value_in(body, "documents")
        return {"search_unit": -(-len(documents) // _DOCUMENTS_PER_UNIT)} if isinstance(documents, list) else None

    def encode_request(self, request: RerankRequest, target: Target, losses: Losses) -> WireRequest:
        body: dict[str, Any] = {"model": target.model, "query": request.query, "documents": request.documents}
        if request.top is not None:
            body["top_n"] = request.top
        if request.max_tokens_per_document is not None:
            body["max_tokens_per_doc"] = request.max_tokens_per_document
        body.update(request.provider_metadata.get(self.name, {}))
        return json_request(self.path, body)

    def decode_reply(self, wire: WireReply, request: RerankRequest) -> RerankReply:
        body = object_of(wire.body)
        units = _search_units(body)
        results = decode_results(body.get("results"), len(request.documents))
        return RerankReply(results, "", self.usage_of(body), units, str(body.get("id") or ""))

    def encode_reply(self, reply: RerankReply, request: RerankRequest, mint: Mint) -> WireReply:
        results: list[dict[str, Any]] = []
        for each in reply.results:
            result: dict[str, Any] = {"index": each.index, "relevance_score": each.score}
            if request.return_documents:
                document = request.originals[each.index]
                result["document"] = document if isinstance(document, dict) else {"text": document}
            results.append(result)
        meta: dict[str, Any] = {"api_version": {"version": "2"}}
        if reply.search_units is not None:
            meta["billed_units"] = {"search_units": reply.search_units}
        if reply.usage is not None and reply.usage.input_tokens is not None:
            meta["tokens"] = {"input_tokens": reply.usage.input_tokens}
        return json_reply({"id": reply.id or mint.id("rerank-"), "results": results, "meta": meta})

    def encode_error(self, error: ErrorInfo) -> WireReply:
        return encode_error(error)

    def usage_of(self, body: dict[str, Any]) -> Usage | None:
        used = billed_tokens(body)
        usage = body.get("usage")
        if used is None and isinstance(usage, dict):
            used = count(usage.get("total_tokens"))  # vLLM's
        units = _search_units(body)
        if used is None and units is None:
            return None
        return Usage(input_tokens=used, pieces=None if units is None else {"search_unit": units})


def _search_units(body: dict[str, Any]) -> int | None:
    meta = body.get("meta")
    billed = meta.get("billed_units") if isinstance(meta, dict) else None
    return count(billed.get("search_units")) if isinstance(billed, dict) else None


def report_unwritten(
    request: RerankRequest, form: str, losses: Losses, *, written: frozenset[str] = frozenset()
) -> None:
    """Lists what of a request a form has no field for."""
    for name in ("max_tokens_per_document", "truncate"):
        if name not in written and getattr(request, name) is not None:
            losses.dropped(name)
    for own, fields in request.provider_metadata.items():
        if own != form:
            for field in fields:
                losses.dropped(field)


def _document(item: Any, place: int, fields: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, dict):
        if isinstance(fields, list):
            return "\n".join(f"{name}: {item[name]}" for name in fields if isinstance(name, str) and name in item)
        if isinstance(item.get("text"), str):
            return str(item["text"])
        return json.dumps_text(item)
    raise DialectError("expected a text, or an object with one", path=f"documents[{place}]")
