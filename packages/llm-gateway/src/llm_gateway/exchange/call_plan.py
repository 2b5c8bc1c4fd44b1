"""What of a call of a provider follows from the head of the client's request and from the target alone.

Clients on a kept connection send the same head with every request. The second request with a head leaves a plan of
its call, and those after it differ from that in nothing but the body, its length and the request's id: no header is
filtered, no credential is set and no head is written again. What is translated has headers of the provider's dialect,
which may follow from the body: they are compared with those of the plan.

A plan is used only where all that it was made of is the same: the client's headers (where somebody has looked at them
they are compared, for they may have been changed), the target and its credential, the client, path and query.
Providers whose calls follow from more than that (signatures over the body, addresses with a part of it) have none:
see `HTTPProvider.has_stable_heads`.
"""

from __future__ import annotations

from llm_gateway_sdk import Dialect, HTTPProvider, Target, WireRequest
from llm_gateway_sdk.http import PreparedHead, PreparingHTTPClient
from llm_gateway_sdk.secrets import CREDENTIAL_HEADERS

from .time_limits import Limits

__all__ = ["CallPlan", "CallPlans"]

_MOST = 4
"""Plans per head: one connection mostly asks for one model."""
_REQUEST_ID = "x-request-id"

Items = list[tuple[str, str]]


class CallPlan:
    """The call of one target for requests with one head."""

    __slots__ = (
        "_client", "_count", "_credential", "_http", "_model", "_path", "_query", "api", "crossed", "dialect", "limits",
        "method", "prepared", "sent", "translates", "url",
    )  # fmt: skip

    def __init__(
        self,
        http: HTTPProvider,
        api: Target,
        wire: WireRequest,
        *,
        dialect: tuple[Dialect, bool],
        crossed: Items,
        call: tuple[str, str, Items],
        prepared: PreparedHead,
        limits: Limits,
    ) -> None:
        self.dialect, self.translates = dialect
        """The provider's, and whether the client speaks another one."""
        self._http = http
        self._model = api.model
        self.api = api
        self._client = http.http
        self._credential = http.settings.api_key
        self._path, self._query = wire.path, wire.query
        self._count = len(crossed)
        self.crossed = crossed
        """The client's headers that go to the provider, with the API's version; of a translation those that it wrote.
        Not to be changed in place."""
        self.method, self.url, items = call
        self.prepared = prepared
        """What the HTTP client has made of address and headers."""
        self.sent = [item for item in items if item[0] != _REQUEST_ID and item[0] not in CREDENTIAL_HEADERS]
        """The headers as they are sent, for those who look at them later: no credentials."""
        self.limits = limits

    def serves(self, http: HTTPProvider, model: str) -> bool:
        """Whether it was made for this model of the provider, whose credential is the same still."""
        return (
            self._http is http
            and self._model == model
            and self._client is http.http
            and self._credential == http.settings.api_key
        )

    def fits(self, wire: WireRequest) -> bool:
        """Whether a request that was begun with `crossed` is for the same address with the same headers."""
        items = wire.headers.items
        return (
            (items == self.crossed if self.translates else items is self.crossed)
            and len(items) == self._count
            and wire.path == self._path
            and wire.query == self._query
        )


class CallPlans:
    """The plans of requests with one and the same head."""

    __slots__ = ("_met", "_plans", "names")

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        """Of the headers."""
        self._met = False
        self._plans: list[CallPlan] = []

    def find(self, http: HTTPProvider, model: str) -> CallPlan | None:
        for plan in self._plans:
            if plan.serves(http, model):
                return plan
        return None

    def wants(self, http: HTTPProvider) -> bool:
        """Whether a plan is worth making: the head has come before, and calls of this provider follow from it."""
        if not self._met:
            self._met = True
            return False
        return len(self._plans) < _MOST and http.has_stable_heads() and http.tokens is None

    def add(
        self,
        http: HTTPProvider,
        api: Target,
        wire: WireRequest,
        *,
        dialect: tuple[Dialect, bool],
        crossed: Items,
        call: tuple[str, str, Items],
        limits: Limits,
    ) -> None:
        """Keeps the plan of a call. None is kept where its headers have a request's id twice, or the HTTP client can
        prepare none."""
        method, url, items = call
        others = [item for item in items if item[0] != _REQUEST_ID]
        client = http.http
        if len(others) != len(items) - 1 or not isinstance(client, PreparingHTTPClient):
            return
        prepared = client.prepare_head(method, url, others, _REQUEST_ID)
        plan = CallPlan(http, api, wire, dialect=dialect, crossed=crossed, call=call, prepared=prepared, limits=limits)
        self._plans.append(plan)
