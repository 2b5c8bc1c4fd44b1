"""Why a request was cancelled: given where its task is cancelled, read by the exchange.

    task.cancel(EndReason.SHUTDOWN)

A cancellation without a reason is that of a client that left, which is what nearly all are.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any

from llm_gateway_sdk import GatewayError, Overloaded, PluginError
from llm_gateway_sdk.errors import SHUTTING_DOWN
from llm_gateway_sdk.failures import is_failure

__all__ = ["EndReason", "end_reason", "ends_the_request", "error_of", "forget_frames"]


class EndReason(Enum):
    CLIENT_LEFT = "client_left"
    """There is no one to answer. The exchange ends its work and lets the cancellation go on."""
    SHUTDOWN = "shutdown"
    """The gateway ends. The exchange answers with an error, or ends its stream with one, and returns as usual: the
    cancellation is over with that (`Task.uncancel`)."""


def end_reason(error: asyncio.CancelledError) -> EndReason:
    return next((given for given in error.args if isinstance(given, EndReason)), EndReason.CLIENT_LEFT)


def ends_the_request(error: BaseException, task: asyncio.Task[Any] | None) -> bool:
    """Whether this is the request's end, asked for from outside, and not an error of what ran in `task`, its own."""
    return not is_failure(error, task) or any(isinstance(given, EndReason) for given in error.args)


def error_of(reason: EndReason) -> GatewayError:
    """What is recorded, and in the case of a shutdown answered."""
    if reason is EndReason.SHUTDOWN:
        return Overloaded("The gateway is shutting down.", code=SHUTTING_DOWN, retry_after=1.0)
    return GatewayError("The client left.", status=499, code="client_disconnected", kind="client_disconnected")


def forget_frames(error: BaseException | None) -> None:
    """Takes the frames from an error that is kept, and from those that led to it.

    A frame holds the context that holds the error: such a circle, with the whole request in it, would stay until the
    garbage collector finds it, which holds up every other request meanwhile.
    """
    waiting, met = [error], set[int]()
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in met:
            continue
        met.add(id(error))
        error.__traceback__ = None
        waiting += [error.__cause__, error.__context__]
        if isinstance(error, PluginError):
            waiting.append(error.cause)
        elif isinstance(error, AttributeError):
            error.obj = None  # a plugin that looks for what a context does not have
