"""Streams of both endpoints: one JSON object per line."""

from __future__ import annotations

import json

import pytest
from llm_gateway_ollama import Ollama
from llm_gateway_ollama import stream as reading
from llm_gateway_ollama.request import OllamaEcho

from llm_gateway_sdk import Choice, DialectError, LLMResponse, Losses, Message, TextPart, ToolCallPart, Usage
from llm_gateway_sdk.testing.dialect_laws import counting_mint

DIALECT = Ollama()


@pytest.mark.parametrize("generate", [False, True])
def test_lines_of_a_stream_are_read_back(generate: bool) -> None:
    encoder = DIALECT.stream_encoder(OllamaEcho("m", True, generate), counting_mint(), Losses("response"))
    call = ToolCallPart("c1", "f", '{"a":1}', index=1)
    data = encoder.encode(LLMResponse(model="m", choices=[Choice(0, Message("assistant", [TextPart("Hi", index=0)]))]))
    data += encoder.keep_alive()
    data += encoder.encode(LLMResponse(choices=[Choice(0, Message("assistant", [call]), "tool_calls")]))
    data += encoder.encode(LLMResponse(usage=Usage(7, 3), final=True)) + encoder.close()

    for line in data.splitlines():
        json.loads(line)  # as clients do: the sign of life is part of a line
    decoder = DIALECT.stream_decoder(counting_mint())
    chunks = [chunk for at in range(len(data)) for chunk in decoder.feed(data[at : at + 1])] + decoder.close()

    assert decoder.finished
    assert next(part for chunk in chunks for part in chunk.message.content) == TextPart("Hi", index=1)
    assert chunks[-1].usage == Usage(7, 3)
    assert chunks[-1].finish_reason == "tool_calls"


def test_an_error_within_a_stream_ends_it() -> None:
    decoder = DIALECT.stream_decoder(counting_mint())

    (chunk,) = decoder.feed(b'{"error":"out of memory"}\n')

    assert chunk.error is not None
    assert (chunk.error.message, decoder.finished) == ("out of memory", False)


def test_a_line_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LONGEST", 100)
    decoder = DIALECT.stream_decoder(counting_mint())
    decoder.feed(b"x" * 60)

    with pytest.raises(DialectError, match="longer than 100 bytes"):
        decoder.feed(b"x" * 60)
