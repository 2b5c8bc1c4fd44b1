"""The listening sockets, opened the same way for one process and for several."""

from __future__ import annotations

import socket
import sys

__all__ = ["open_listeners"]

_BACKLOG = 4096


def open_listeners(host: str, port: int) -> list[socket.socket]:
    """A listening socket for each address that `host` means: one for most, two for `localhost`.

    `::` takes IPv4 connections too, whatever the system's default is. Raises OSError.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    listeners: list[socket.socket] = []
    try:
        for family, address in addresses:
            # Where any port is asked for, all addresses get the one that the first was given.
            taken = listeners[0].getsockname()[1] if listeners else port
            listener = _open(family, (address[0], taken, *address[2:]), dual=host == "::")
            if listener is not None:
                listeners.append(listener)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    if not listeners:
        raise OSError(f"no address of {host} can be listened on")
    return listeners


def _open(family: int, address: tuple[object, ...], *, dual: bool) -> socket.socket | None:
    """None where the machine does not have the family, such as IPv6."""
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
