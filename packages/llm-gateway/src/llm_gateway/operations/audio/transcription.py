"""OpenAI's transcriptions and translations of audio, which come as forms with a file
(platform.openai.com/docs/api-reference/audio). Servers that have them took over the shape: forms pass from client to
provider, with the model and what plugins edit put in."""

from __future__ import annotations

from typing import ClassVar

from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.operations.form import OperationForm

__all__ = ["OpenAITranscription"]


class OpenAITranscription(OperationForm[None, None]):
    """`transcriptions` and `translations`: the path of the request is the provider's."""

    name: ClassVar[str] = "openai"
    operation: ClassVar[Operation] = "transcribe"
    multipart = True
    reply_texts: ClassVar[frozenset[str]] = frozenset({"text", "word"})
