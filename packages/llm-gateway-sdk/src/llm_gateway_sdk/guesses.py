"""A limit on wrong credentials per address, for everything that asks for one."""

from __future__ import annotations

import ipaddress
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from math import inf

__all__ = ["GuessLimit", "network_of"]

WINDOW_SECONDS = 60.0
TRUSTED_SECONDS = 3600.0
"""How long a credential that was right is heard from its address, whatever else comes from there."""


class GuessLimit:
    """Wrong credentials of one address within a minute: `allowed` are answered as wrong, those after them with 429.

    What happens to a right one after them is for the caller to choose:

    - Keys that programs hold are long and random, and many clients may share an address: compare first, and count what
      is wrong by `failed`. A right key always passes, so that one bad client does not lock out the others.
    - Passwords, and keys that open the administration, must not be found by trying: ask `refuses` before comparing, and
      report a right one by `succeeded`. After too many wrong ones an address is refused unheard, whether the next one
      is right or not, unless the same one was right from there within the last hour. Somebody with one credential can't
      try others without end.

    An IPv6 address counts as its /64, which is what one subscriber has. At most `addresses` are remembered, of each
    kind. Where more guess, those that began first are forgotten. Safe in threads.
    """

    def __init__(
        self, allowed: int = 20, addresses: int = 10_000, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._allowed = allowed
        self._addresses = addresses
        self._clock = clock
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._trusted: OrderedDict[tuple[str, bytes], float] = OrderedDict()
        self._salt = secrets.token_bytes(16)
        self._mutex = threading.Lock()

    def failed(self, address: str | None) -> bool:
        """Counts a wrong credential; whether it is one too many, to be answered with 429."""
        now = self._clock()
        network = network_of(address)
        with self._mutex:
            since, count = self._counts.pop(network, (now, 0))
            if now - since >= WINDOW_SECONDS:
                since, count = now, 0
            if len(self._counts) >= self._addresses:
                self._counts.popitem(last=False)
            self._counts[network] = (since, count + 1)
            return count + 1 > self._allowed

    def refuses(self, address: str | None, credential: str) -> bool:
        """Whether a credential from there is not to be compared at all, and answered with 429."""
        now = self._clock()
        network = network_of(address)
        with self._mutex:
            since, count = self._counts.get(network, (now, 0))
            if count < self._allowed or now - since >= WINDOW_SECONDS:
                return False
            return now - self._trusted.get(self._known(network, credential), -inf) >= TRUSTED_SECONDS

    def succeeded(self, address: str | None, credential: str) -> None:
        """This credential came from there, and was right."""
        now = self._clock()
        known = self._known(network_of(address), credential)
        with self._mutex:
            self._trusted.pop(known, None)
            if len(self._trusted) >= self._addresses:
                self._trusted.popitem(last=False)
            self._trusted[known] = now

    def _known(self, network: str, credential: str) -> tuple[str, bytes]:
        """What is remembered of a credential that was right; not the credential."""
        return network, blake2b(credential.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=16).digest()


def network_of(address: str | None) -> str:
    """What one stranger has: an IPv4 address, or the /64 of an IPv6 address. `""` where no address is known."""
    if address is None or ":" not in address:
        return address or ""
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    # All IPv4 addresses in the form of IPv6 are in one /64.
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    if found in _TRANSLATED:
        return str(ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF))
    return str(ipaddress.ip_network((found, 64), strict=False))


_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""Where translators put IPv4 addresses (RFC 6052)."""
