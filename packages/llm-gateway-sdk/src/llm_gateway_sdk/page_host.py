"""What the gateway offers to the pages of its plugins (`Plugin.pages`): the administration API within the process, the
state of workers, and the areas of other plugins.

It is in the scope of each call under `PAGE_HOST`. A page that uses it must know who is asking: the gateway takes its
word for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .admin import Role
from .guesses import GuessLimit

__all__ = ["PAGE_HOST", "AdminAnswer", "ConsoleArea", "PageHost", "page_host"]

PAGE_HOST = "llm_gateway.page_host"


@dataclass(frozen=True, slots=True)
class AdminAnswer:
    """An answer of the administration API."""

    status: int
    body: Any = None
    """The decoded JSON; problem details where `status` is 400 or more."""
    etag: str | None = None

    @property
    def ok(self) -> bool:
        return self.status < 400

    @property
    def detail(self) -> str:
        """What is wrong, for people; empty where nothing is."""
        return str(self.body.get("detail", "")) if not self.ok and isinstance(self.body, dict) else ""


@dataclass(frozen=True, slots=True)
class ConsoleArea:
    """Pages of a plugin that a console shows to those who have signed in."""

    path: str
    """A segment of the address, below the console's: `traces`."""
    app: Any
    """An ASGI application that answers GET and HEAD, and frames its pages by `llm_gateway_sdk.web.page`."""
    links: Sequence[tuple[str, str, str]] = ()
    """For the navigation: title, path within the area, and the key that leads there."""


class PageHost(Protocol):
    """The gateway, as its pages see it."""

    @property
    def guesses(self) -> GuessLimit:
        """The limit on wrong administration credentials, which all who ask for one share: ask `refuses` before
        `identify`, report to `failed` and `succeeded`."""
        ...

    def identify(self, credential: str) -> tuple[str, Role] | None:
        """Name and role of an administration credential; None where it is wrong."""
        ...

    async def administer(
        self,
        method: str,
        path: str,
        *,
        by: str,
        role: Role,
        address: str = "",
        query: Mapping[str, str] | None = None,
        body: Any = None,
        etag: str | None = None,
    ) -> AdminAnswer:
        """Calls a route of the administration API (`/keys`) in the name of somebody with a role. Status 404 where
        administration is off."""
        ...

    async def state(self, what: str) -> Any:
        """`health`, `version`, `breakers`, `config`: what the page of that name shows; `file`: how the configuration's
        file differs from what is running. Raises LookupError for another name, TimeoutError where a worker does not
        answer."""
        ...

    async def figures(self) -> str:
        """The metrics of all workers as Prometheus text; empty where they are off."""
        ...

    def addresses(self) -> Mapping[str, Mapping[str, list[str]]]:
        """By the path of each project, the paths at which each of its APIs generates."""
        ...

    def areas(self) -> Sequence[ConsoleArea]:
        """`Plugin.console_areas` of all plugins; of several at one path the first."""
        ...


def page_host(scope: Mapping[str, Any]) -> PageHost | None:
    """The gateway that serves this ASGI scope; None where another server does."""
    host: PageHost | None = scope.get(PAGE_HOST)
    return host
