"""Embeddings in canonical form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..errors import DialectError
from ..response import Usage

__all__ = ["EmbeddingInput", "EmbeddingReply", "EmbeddingRequest", "Purpose", "plain_text"]

Purpose = Literal["query", "document", "classification", "clustering", "similarity", "question", "fact", "code"]
"""What the vectors are for; several vendors train for it."""

EmbeddingInput = str | list[int]
"""A text, or the numbers of its tokens in the model's own vocabulary."""


@dataclass(slots=True)
class EmbeddingRequest:
    model: str
    inputs: list[EmbeddingInput]
    single: bool = False
    """The client gave one input, not a list of one."""
    dimensions: int | None = None
    purpose: Purpose | None = None
    titles: list[str | None] = field(default_factory=list)
    """Of the documents, one for each input; empty where there are none."""
    truncate: bool | None = None
    """Whether what is too long is cut (True) or refused (False); None leaves it to the provider."""
    element: Literal["float", "int8", "uint8", "binary", "ubinary"] = "float"
    """Type of each number of a vector."""
    base64: bool = False
    """The client wants its vectors as base64 of 32-bit floats."""
    user: str | None = None
    provider_metadata: dict[str, Any] = field(default_factory=dict)
    """By form: fields that the canonical form has no name for."""

    def split(self, most: int) -> list[EmbeddingRequest]:
        """The same request in parts of at most `most` inputs."""
        if len(self.inputs) <= most:
            return [self]
        return [
            replace(self, inputs=self.inputs[start : start + most], titles=self.titles[start : start + most])
            for start in range(0, len(self.inputs), most)
        ]

    def check(self, reply: EmbeddingReply) -> None:
        """Raises DialectError where not each input has its vector: clients would take those of others for theirs."""
        if len(reply.vectors) != len(self.inputs):
            raise DialectError(f"{len(reply.vectors)} vectors for {len(self.inputs)} inputs")

    def join(self, replies: Sequence[EmbeddingReply]) -> EmbeddingReply:
        """The reply whose parts these are, in order."""
        if len(replies) == 1:
            return replies[0]
        usage: Usage | None = None
        for each in replies:
            usage = usage if each.usage is None else _sum(usage, each.usage)
        vectors = [vector for each in replies for vector in each.vectors]
        return EmbeddingReply(vectors, replies[0].model, usage, replies[0].id)


@dataclass(slots=True)
class EmbeddingReply:
    vectors: list[Sequence[float]]
    model: str = ""
    usage: Usage | None = None
    id: str = ""


def plain_text(value: EmbeddingInput, place: int) -> str:
    """A text input. Raises DialectError for tokens: their numbers mean something in one vocabulary only."""
    if isinstance(value, str):
        return value
    raise DialectError(
        f"input[{place}]: tokens can't be given to this model's provider, which has another vocabulary; send the text",
        path="input",
    )


def _sum(a: Usage | None, b: Usage) -> Usage:
    if a is None:
        return b
    known = [each.input_tokens for each in (a, b) if each.input_tokens is not None]
    return Usage(input_tokens=sum(known) if known else None, estimated=a.estimated or b.estimated)
