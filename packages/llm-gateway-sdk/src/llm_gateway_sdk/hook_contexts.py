"""The context as single hooks see it, for type checkers: where a field is always there, its type is not optional.

At run time both are `RequestContext`. A hook may be annotated with either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .context import RequestContext

__all__ = ["ChunkContext", "ResponseContext"]

if TYPE_CHECKING:
    from .response import LLMResponse

    class ResponseContext(RequestContext):
        """In `after_model`: `response` is there."""

        @property
        def response(self) -> LLMResponse:
            """The whole reply, decoded when first read."""

        @response.setter
        def response(self, response: LLMResponse | None) -> None: ...

    class ChunkContext(RequestContext):
        """In `after_chunk`: `chunk` and `buffered_chunk` are there."""

        chunk: LLMResponse
        """What just came. For reading."""

        @property
        def buffered_chunk(self) -> LLMResponse:
            """What the client will get next: the chunk, and what plugins have held back before it."""

        @buffered_chunk.setter
        def buffered_chunk(self, chunk: LLMResponse | None) -> None: ...

else:
    ChunkContext = ResponseContext = RequestContext
