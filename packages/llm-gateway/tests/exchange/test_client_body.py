"""The client's request is read once, on the first look."""

from __future__ import annotations

import pytest

from llm_gateway.exchange.client_body import TOO_DEEP, ClientBody
from llm_gateway_sdk import DialectError, Echo, InvalidRequest, LLMRequest, WireRequest


class Decoder:
    """Answers each request, or raises what it is given."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self.echo = Echo("m")

    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        if self._error is not None:
            raise self._error
        return LLMRequest(model=wire.body.decode()), self.echo


def test_the_dialects_memo_is_there_after_the_first_look_only() -> None:
    decoder = Decoder()
    body = ClientBody(decoder, WireRequest(body=b"m"))
    assert body.echo is None

    assert body.decode().model == "m"
    assert body.echo is decoder.echo


def test_what_is_wrong_is_the_clients_error_with_its_place() -> None:
    body = ClientBody(Decoder(DialectError("expected a string", path="messages[2].content")), WireRequest())

    with pytest.raises(InvalidRequest, match="expected a string") as caught:
        body.decode()

    assert (caught.value.status, caught.value.info().param) == (400, "messages[2].content")


def test_a_body_that_is_nested_too_deeply_is_the_clients_error() -> None:
    with pytest.raises(InvalidRequest, match=TOO_DEEP):
        ClientBody(Decoder(RecursionError()), WireRequest()).decode()


def test_a_fault_of_the_decoder_is_not_blamed_on_the_client() -> None:
    with pytest.raises(KeyError):
        ClientBody(Decoder(KeyError("x")), WireRequest()).decode()
