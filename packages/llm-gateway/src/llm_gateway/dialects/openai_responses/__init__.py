"""OpenAI Responses: `POST /responses`, whole and streamed, for clients and for providers."""

from .dialect import OpenAIResponses

__all__ = ["OpenAIResponses"]
