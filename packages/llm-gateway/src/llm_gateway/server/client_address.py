"""The client's address, also through proxies: `server.trustProxy`.

Each proxy appends the address that it saw to `X-Forwarded-For`, so the list is only as true as who wrote its right end.
Entries further left are the client's own words. What is taken is the entry that the outermost trusted proxy appended:
by a number of hops, counted from the right, or by the networks of the proxies. Ports are cut off; an entry that is not
an IP address is ignored, and then the connection's address is the client's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

__all__ = ["ClientAddress", "address_reader", "parse_address", "peer_of"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
ClientAddress: TypeAlias = Callable[[str | None, Iterable[str]], str | None]
"""The connection's address and the values of all X-Forwarded-For headers, in their order → the client's address."""


def address_reader(trust: bool | int | Sequence[str]) -> ClientAddress | None:
    """`trust` as configured: false, true (one proxy), a number of proxies, or their networks. None where none is."""
    if isinstance(trust, bool | int):
        hops = int(trust)
        return (lambda peer, headers: _by_hops(hops, peer, headers)) if hops else None
    networks = [_network(each) for each in trust]
    return (lambda peer, headers: _by_networks(networks, peer, headers)) if networks else None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """One of IPv4 in the form of IPv6 is that of IPv4, as addresses are."""
    network = ipaddress.ip_network(text, strict=False)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def _by_hops(hops: int, peer: str | None, headers: Iterable[str]) -> str | None:
    entries = _entries(headers)
    if not entries:
        return peer
    # A list shorter than the proxies are many holds only what trusted proxies wrote.
    found = parse_address(entries[max(0, len(entries) - hops)])
    return str(found) if found is not None else peer


def _by_networks(
    networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network], peer: str | None, headers: Iterable[str]
) -> str | None:
    client = parse_address(peer or "")
    if client is None or not _within(client, networks):
        return peer
    for entry in reversed(_entries(headers)):
        found = parse_address(entry)
        if found is None:
            break
        client = found
        if not _within(found, networks):
            break
    return str(client)


def _entries(headers: Iterable[str]) -> list[str]:
    return [entry for value in headers for entry in value.split(",") if entry.strip()]


def _within(address: Address, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def peer_of(host: str | None) -> str | None:
    """A connection's other side, an IPv4 address without the form that sockets of IPv6 give it."""
    found = parse_address(host) if host is not None and host.lower().startswith("::ffff:") else None
    return host if found is None else str(found)


def parse_address(text: str) -> Address | None:
    """`1.2.3.4`, `1.2.3.4:5678`, `2001:db8::1`, `[2001:db8::1]:5678`; None for anything else."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
