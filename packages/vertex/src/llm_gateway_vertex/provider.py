"""The provider type `vertex`: models in a project of Google Cloud, each by its publisher's own API.

Gemini is asked by generateContent, Claude by rawPredict with the body of Anthropic's Messages API, and open models by
Chat Completions. A client of the same API keeps its bytes but for the model's name, which is in the address.

Sources: Vertex AI REST reference (`projects.locations.publishers.models`, `endpoints.openapi`); "Claude on Vertex AI"
of Anthropic's documentation.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Any, ClassVar
from urllib.parse import quote

from llm_gateway_sdk import ConfigError, ConfigProblem, Headers, HTTPProvider, WireRequest, http_provider_schema
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.wire import json

from .embeddings import VertexEmbeddings
from .google import project_of

__all__ = ["VertexProvider"]

ANTHROPIC_VERSION = "vertex-2023-10-16"
_GEMINI, _ANTHROPIC, _CHAT = "gemini", "anthropic", "openai_chat"
_BY_PUBLISHER = {"google": _GEMINI, "anthropic": _ANTHROPIC, "openai": _CHAT}
_PROJECT_VARIABLES = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT", "ANTHROPIC_VERTEX_PROJECT_ID")
_LOCATION_VARIABLES = ("GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION", "CLOUD_ML_REGION")


class VertexProvider(HTTPProvider):
    """Authorises by tokens of Google Cloud (`auth`, by default google-auth's own chain), or by an API key of Vertex in
    express mode (`apiKey`), which needs no project."""

    name: ClassVar[str] = "vertex"
    dialect: ClassVar[str] = _GEMINI
    _publisher: str | None = None
    forms: ClassVar[Sequence[OperationForm[Any, Any]]] = (VertexEmbeddings(),)
    auth_defaults: ClassVar[Mapping[str, Any]] = {"type": "google"}
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema(
        project={"type": "string", "description": "Project of Google Cloud; without it that of the credentials' file, "
                 "or of the environment."},
        location={
            "type": "string", "pattern": "^[a-z0-9-]+$", "default": "global", "description": "Region, or `global`.",
        },
        publisher={
            "enum": [*_BY_PUBLISHER],
            "description": "Whose API the model has: `openai` for open models. Without it by the model's name.",
        },
        credentialsFile={"type": "string", "description": "Short for `auth: {type: google, credentialsFile: …}`."},
        credentialsJson={
            "type": "string",
            "writeOnly": True,
            "description": "Short for `auth: {type: google, credentialsJson: …}`: the content of such a file.",
        },
    ) | {"examples": [{"project": "my-project", "location": "europe-west4", "model": "gemini-2.5-flash"}]}  # fmt: skip

    async def configure(self, config: dict[str, Any]) -> None:
        location = config.get("location") or _variable(_LOCATION_VARIABLES) or "global"
        if not config.get("baseUrl"):
            config = {**config, "baseUrl": _address(location)}
        self._express = bool(config.get("apiKey")) or (
            config.get("credentials") == "client" and not config.get("project")
        )
        await super().configure(config)
        self._publisher = config.get("publisher")
        if self._express:
            self._place = ""
            return
        project = config.get("project") or project_of(self._auth(config)) or _variable(_PROJECT_VARIABLES)
        if not project:
            raise ConfigError(
                [ConfigProblem("is not written, and neither credentials nor environment name one", "project")]
            )
        self._place = f"/projects/{quote(project, safe=':')}/locations/{location}"

    @classmethod
    def find_credential(cls, config: Mapping[str, Any], base_url: str) -> Any:
        if config.get("apiKey") or config.get("tokenCommand"):
            return super().find_credential(config, base_url)
        return super().find_credential({**config, "auth": cls._auth(config)}, base_url)

    @classmethod
    def _auth(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        short = {key: config[key] for key in ("credentialsFile", "credentialsJson") if config.get(key)}
        return {**cls.auth_defaults, **short, **(config.get("auth") or {})}

    def dialect_for(self, client_dialect: str, request_path: str, model: str = "") -> str:
        name = model or self.model or ""
        if self._publisher is not None:
            return _BY_PUBLISHER[self._publisher]
        if name.startswith(("claude", "publishers/anthropic/")):
            return _ANTHROPIC
        return _CHAT if "/" in name and not name.startswith(_GOOGLE_COLLECTIONS) else _GEMINI

    def form_for(self, operation: Operation, client_form: str, model: str) -> OperationForm[Any, Any] | None:
        if self.dialect_for("", "", model) != _GEMINI:
            return None  # other publishers' models have none of these
        if operation in ("batch", "file"):
            return None  # Vertex AI has batches over buckets, in another form
        own = super().form_for(operation, client_form, model)
        if own is not None or (google := _gemini_api()) is None:
            return own
        return google.form_for(operation, client_form, model)

    def authorize(self, headers: Headers) -> None:
        if self.settings.api_key:
            headers.set("x-goog-api-key", self.settings.api_key)

    def prepare(self, wire: WireRequest) -> tuple[str, str, Headers, bytes]:
        if wire.path.startswith(_MESSAGES):
            self._to_raw_predict(wire)
        return super().prepare(wire)

    def _to_raw_predict(self, wire: WireRequest) -> None:
        """Anthropic's request as Vertex takes it: the model in the address, the version in the body."""
        model, streams = json.peek(wire.body)
        changes: dict[str, Any] = {"anthropic_version": ANTHROPIC_VERSION}
        if wire.path == _COUNT:
            place = "count-tokens:rawPredict"  # names the model in the body
        else:
            name = (model or "").removeprefix("publishers/anthropic/models/")
            place = f"{quote(name, safe='@.-_')}:{'streamRawPredict' if streams else 'rawPredict'}"
            changes["model"] = None
        wire.path, wire.query = f"/publishers/anthropic/models/{place}", ""
        wire.body = json.replace_top_level(wire.body, changes)
        wire.headers.remove("anthropic-version")

    def url(self, wire: WireRequest) -> str:
        path = wire.path
        if path.startswith("/chat/"):
            path = f"/endpoints/openapi{path}"
        elif path.startswith("/models/"):
            path = f"/publishers/google{path}"
        elif path.startswith("/projects/"):
            return self._with_query(self.base_url + path, wire.query)
        return self._with_query(self.base_url + self._place + path, wire.query)

    def _with_query(self, url: str, query: str) -> str:
        kept = "&".join(part for part in query.split("&") if part and not part.startswith("key="))
        return f"{url}?{kept}" if kept else url


@cache
def _gemini_api() -> HTTPProvider | None:
    """The provider type of the Gemini API, whose images, speech and transcriptions Vertex AI takes in the same form;
    it is found as the gateway itself finds it."""
    for point in entry_points(group="llm_gateway.providers", name=_GEMINI):
        cls: type[HTTPProvider] = point.load()
        return cls()
    return None


_MESSAGES, _COUNT = "/v1/messages", "/v1/messages/count_tokens"
_GOOGLE_COLLECTIONS = ("models/", "tunedModels/", "endpoints/", "publishers/google/", "projects/")


def _address(location: str) -> str:
    if location in ("us", "eu"):
        return f"https://aiplatform.{location}.rep.googleapis.com/v1"
    return (
        "https://aiplatform.googleapis.com/v1"
        if location == "global"
        else f"https://{location}-aiplatform.googleapis.com/v1"
    )


def _variable(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)
