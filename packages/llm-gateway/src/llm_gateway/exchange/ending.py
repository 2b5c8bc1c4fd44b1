"""Why a request was cancelled: given by whoever cancels its task, read by the exchange.

    task.cancel(EndReason.SHUTDOWN)

A cancellation without a reason is that of a client that left, which is what nearly all are.
"""

from __future__ import annotations

import asyncio
from enum import Enum

from llm_gateway_sdk import GatewayError, Overloaded

__all__ = ["EndReason", "end_reason", "error_of"]


class EndReason(Enum):
    CLIENT_LEFT = "client_left"
    """Nobody is there to be answered. The exchange ends its work and lets the cancellation go on."""
    SHUTDOWN = "shutdown"
    """The gateway ends. The exchange answers with an error, or ends its stream with one, and returns as usual: the
    cancellation is over with that (`Task.uncancel`)."""


def end_reason(error: asyncio.CancelledError) -> EndReason:
    return next((given for given in error.args if isinstance(given, EndReason)), EndReason.CLIENT_LEFT)


def error_of(reason: EndReason) -> GatewayError:
    """What is recorded, and in the case of a shutdown answered."""
    if reason is EndReason.SHUTDOWN:
        return Overloaded("The gateway is shutting down.", code="shutting_down", retry_after=1.0)
    return GatewayError("The client left.", status=499, code="client_disconnected", kind="client_disconnected")
