"""Adapters: which routes clients of a vendor's API call, and what the gateway answers itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .context import Operation
from .dialect import WireReply, WireRequest
from .operations.form import OperationForm

__all__ = ["Adapter", "ModelEntry", "Route"]


@dataclass(slots=True, frozen=True)
class Route:
    """One endpoint.

    `path` is matched after `/{project}/{adapter}` and, if `bare`, after `/{project}` alone. `{model}` in it matches
    one segment up to a `:` or `/`; `{rest}` matches everything. `upstream` is the same endpoint relative to a
    provider's base URL, with the same fields.
    """

    method: str
    """The HTTP method, in capitals; `*` is any. A WebSocket is opened by `GET`."""
    path: str
    """Begins with a slash."""
    operation: Operation
    """What is asked for, as in `RequestContext.operation`."""
    dialect: str
    """Name of the dialect that reads the request and writes the reply."""
    upstream: str = ""
    """Empty: the same as `path`."""
    bare: bool = True
    """The path is found without the adapter's name, too."""
    form: OperationForm[Any, Any] | None = None
    """How clients write the operation, where it is one that can be translated; `dialect` gives the shape of errors."""
    messages: bool = False
    """Of a WebSocket: each of its messages is a request as by POST to the same path, in the form that
    `operations.response_messages` reads."""


@dataclass(slots=True, frozen=True)
class ModelEntry:
    """A configured model, as listings show it."""

    name: str
    """By which clients ask for it."""
    provider: str = ""
    """Type of its provider, such as `openai`."""
    aliases: tuple[str, ...] = ()
    """Other names that clients may use."""
    description: str | None = None
    """For people."""
    is_default: bool = False
    """It answers requests that name no model, or one that the project does not have."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Any further facts from the configuration; listings show them."""
    created: int = 0
    """Seconds since the epoch."""


class Adapter:
    """An API that clients speak: its routes, each with the dialect that reads and writes it.

    A subclass is found by its entry point in the group `llm_gateway.adapters`.
    """

    name: ClassVar[str]
    """Its `type` in YAML and its segment in paths."""

    routes: ClassVar[Sequence[Route]] = ()
    """The endpoints."""
    dialect: ClassVar[str]
    """The dialect of its errors where no route matched."""

    configuration_schema: ClassVar[dict[str, Any]] = {"type": "object"}
    """JSON Schema of its settings in YAML."""

    def configure(self, config: dict[str, Any]) -> None:
        """Called once, before the first request, with the settings, which fit `configuration_schema`."""
        self.config = config

    def claims(self, wire: WireRequest) -> bool:
        """Whether a request on a bare path that several adapters have (such as `/v1/models`) is this one's."""
        return False

    def list_models(self, models: Sequence[ModelEntry], wire: WireRequest) -> WireReply:
        """The vendor's shape of `GET /models`, or of one model where the path names it."""
        raise NotImplementedError

    def estimate_reply(self, input_tokens: int) -> WireReply:
        """The vendor's shape of a token count that the gateway estimated."""
        raise NotImplementedError
