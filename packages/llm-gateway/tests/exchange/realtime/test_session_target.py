"""Which model a session is with, and who may open one."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from llm_gateway.breaker import Breaker, BreakerSettings
from llm_gateway.exchange.realtime.session_target import realtime_target, refuse_plain, speaks
from llm_gateway.exchange.request import ClientRequest
from llm_gateway.models import ModelRegistry, ModelTarget
from llm_gateway_sdk import HTTPProvider, NotFound, Provider, RequestRejected


class OfOpenAI(HTTPProvider):
    name = "openai"
    dialect = "openai_chat"


class OfAnthropic(HTTPProvider):
    name = "anthropic"
    dialect = "anthropic"


def target(name: str, provider: Provider, *, default: bool = False) -> ModelTarget:
    return ModelTarget(name, provider, Breaker(BreakerSettings(), time.monotonic), (), default)


def asking(targets: list[ModelTarget], model: str | None, *, chosen: str | None = None, duplex: Any = None) -> Any:
    """As much of a request as the choice reads: an OpenAI client's, whose plugins chose the model `chosen`."""
    ctx = SimpleNamespace(target_model=chosen, requested_model=model, http_request=SimpleNamespace(path="/v1/realtime"))
    return cast(
        ClientRequest,
        SimpleNamespace(
            ctx=ctx,
            duplex=duplex,
            project=SimpleNamespace(registry=ModelRegistry(targets)),
            adapter=SimpleNamespace(routes=[SimpleNamespace(dialect="openai_chat")]),
        ),
    )


CLAUDE = target("claude", OfAnthropic(), default=True)
FIRST = target("voice", OfOpenAI())
SECOND = target("other-voice", OfOpenAI())
PREFERRED = target("preferred", OfOpenAI(), default=True)
LOCAL = target("local", Provider())


def test_a_configured_model_is_taken_by_its_name() -> None:
    assert realtime_target(asking([CLAUDE, FIRST, SECOND], "other-voice")) is SECOND


def test_what_a_plugin_chose_comes_before_what_the_client_asked_for() -> None:
    assert realtime_target(asking([CLAUDE, FIRST, SECOND], "voice", chosen="other-voice")) is SECOND


@pytest.mark.parametrize("model", ["gpt-realtime", None])
def test_another_name_goes_to_a_provider_of_the_clients_api_the_default_ones_first(model: str | None) -> None:
    assert realtime_target(asking([CLAUDE, LOCAL, FIRST, SECOND], model)) is FIRST
    assert realtime_target(asking([FIRST, PREFERRED], model)) is PREFERRED


def test_a_project_without_such_a_provider_has_no_such_endpoint() -> None:
    with pytest.raises(NotFound, match="/v1/realtime"):
        realtime_target(asking([CLAUDE, LOCAL], "gpt-realtime"))


def test_a_provider_without_http_speaks_no_clients_api() -> None:
    request = asking([], None)

    assert [speaks(request, each) for each in (FIRST, CLAUDE, LOCAL)] == [True, False, False]


def test_a_request_that_is_not_a_websocket_is_refused_with_what_would_be_right() -> None:
    with pytest.raises(RequestRejected, match="Upgrade: websocket") as refused:
        refuse_plain(asking([], None))

    assert refused.value.status == 426
    stream = object()
    assert refuse_plain(asking([], None, duplex=stream)) is stream
