"""The way back of a request that was made to fit: a provider's stream with the client's own names of tools."""

from __future__ import annotations

from collections.abc import Mapping

from ..dialect import StreamDecoder
from ..response import LLMResponse
from .tool_names import restore_names

__all__ = ["RestoringDecoder"]


class RestoringDecoder(StreamDecoder):
    """A decoder whose chunks name tools as the client does."""

    def __init__(self, decoder: StreamDecoder, names: Mapping[str, str]) -> None:
        self._decoder = decoder
        self._names = names

    def feed(self, data: bytes) -> list[LLMResponse]:
        chunks = self._decoder.feed(data)
        self.finished = self._decoder.finished
        return [restore_names(chunk, self._names) for chunk in chunks]

    def close(self) -> list[LLMResponse]:
        chunks = self._decoder.close()
        self.finished = self._decoder.finished
        return [restore_names(chunk, self._names) for chunk in chunks]
