"""Google Vertex AI for LLM Gateway: Gemini, Claude and open models in a project of Google Cloud."""

from .google import GoogleCredential
from .provider import VertexProvider

__version__ = "0.1.0"

__all__ = ["GoogleCredential", "VertexProvider"]
