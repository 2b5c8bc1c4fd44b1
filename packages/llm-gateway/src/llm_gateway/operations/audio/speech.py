"""OpenAI's speech (platform.openai.com/docs/api-reference/audio/createSpeech)."""

from __future__ import annotations

from typing import ClassVar

from llm_gateway_sdk import DialectError, Headers, Mint, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.operations.form import OperationForm, ReplyKind
from llm_gateway_sdk.operations.reading import object_of, text, value_in
from llm_gateway_sdk.operations.speech import SpeechReply, SpeechRequest

__all__ = ["OpenAISpeech"]

_KNOWN = frozenset({"model", "input", "voice", "instructions", "speed", "response_format", "stream_format"})


class OpenAISpeech(OperationForm[SpeechRequest, SpeechReply]):
    name: ClassVar[str] = "openai"
    operation: ClassVar[Operation] = "speech"
    path = "/audio/speech"

    def decode_request(self, wire: WireRequest) -> SpeechRequest:
        body = object_of(wire.body)
        if body.get("stream_format") == "sse":
            raise DialectError("the model's provider has no events of speech", path="stream_format")
        voice, speed, asked = body.get("voice"), body.get("speed"), body.get("response_format")
        instructions = body.get("instructions")
        return SpeechRequest(
            text(body, "model"),
            text(body, "input"),
            voice=voice if isinstance(voice, str) else None,
            instructions=instructions if isinstance(instructions, str) else None,
            speed=speed if isinstance(speed, int | float) and not isinstance(speed, bool) else None,
            output_format=asked if isinstance(asked, str) else None,
            provider_metadata={self.name: {key: value for key, value in body.items() if key not in _KNOWN}},
        )

    def pieces_of(self, body: bytes, size: int) -> dict[str, int] | None:
        spoken = value_in(body, "input")
        return {"character": len(spoken)} if isinstance(spoken, str) and spoken else None

    def reply_kind(self, body: bytes) -> ReplyKind:
        return "bytes"

    def encode_reply(self, reply: SpeechReply, request: SpeechRequest, mint: Mint) -> WireReply:
        return WireReply(200, Headers.of([("content-type", reply.media_type)]), reply.audio)
