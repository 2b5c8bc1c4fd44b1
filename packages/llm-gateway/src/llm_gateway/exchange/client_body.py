"""The client's request as a value, read on first look, with its dialect's memo of it.

It has no reference to the exchange: were the two in a circle, every request would wait for the garbage collector with
its bodies, and looking for such circles would cost a fifth of the gateway's time.
"""

from __future__ import annotations

from typing import Protocol

from llm_gateway_sdk import DialectError, Echo, InvalidRequest, LLMRequest, WireRequest
from llm_gateway_sdk.dialects.plain import PlainRequest
from llm_gateway_sdk.heavy import note_large

from .long_names import may_have_long_name, refuse_long_names

__all__ = ["TOO_DEEP", "ClientBody", "RequestDecoder"]

_SURELY_SHORT = 512 * 1024
"""Names in a body of this size cost milliseconds at most."""
TOO_DEEP = "The body is nested too deeply."


class RequestDecoder(Protocol):
    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]: ...

    def read_plain(self, wire: WireRequest) -> PlainRequest | None: ...


class ClientBody:
    __slots__ = ("_decoder", "_plain", "_wire", "echo", "sole_model_in")

    def __init__(self, decoder: RequestDecoder, wire: WireRequest, sole_model_in: bytes | None = None) -> None:
        self._decoder = decoder
        self._wire = wire
        self.sole_model_in = sole_model_in
        """The bytes in which, as is known, no reader takes another model for the one; other bytes were not looked
        at."""
        self.echo: Echo | None = None
        """None until somebody has looked."""
        self._plain: PlainRequest | bool | None = False
        """False until somebody has looked."""

    @property
    def plain(self) -> PlainRequest | None:
        """The request, where it is a conversation of texts alone."""
        known = self._plain
        if isinstance(known, bool):
            known = self._plain = self._decoder.read_plain(self._wire)
        return known

    def decode(self) -> LLMRequest:
        """What the client's bytes say, whatever follow-ups and plugins have made of it. Raises InvalidRequest."""
        try:
            request, self.echo = self._decoder.decode_request(self._wire)
        except DialectError as error:
            raise InvalidRequest(str(error), param=error.path) from None
        except RecursionError:
            raise InvalidRequest(TOO_DEEP) from None
        if len(self._wire.body) > _SURELY_SHORT:
            if may_have_long_name(self._wire.body):
                refuse_long_names(request)
            note_large(request)
        return request
