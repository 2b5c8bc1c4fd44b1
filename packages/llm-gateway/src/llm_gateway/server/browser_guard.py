"""Keeps web pages of strangers from using a gateway that asks for no credential.

Anything that a browser can reach without a credential, every page that the browser shows can reach too: directly, by
posting to it across origins, or by DNS rebinding, where a name of the page's own suddenly means this machine. A project
without an authenticating plugin therefore answers only requests that name this gateway by an address or a name that no
stranger can own, and that come from no other site. `server.allowedHosts` adds names; CORS, where it is configured,
adds origins. A project with authentication needs none of this: the page does not have the credential.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from llm_gateway_sdk import GatewayError

__all__ = ["BrowserGuard"]

_OWN_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".svc", ".cluster.local", ".test")
"""Ends of names that can't be registered, so that no stranger's DNS answers for them."""

_MAX_REMEMBERED = 256
"""Accepted hosts; clients send few, and strangers must not fill the memory."""


class BrowserGuard:
    """`allowed_hosts` are further host names, without port; `*` allows all. `allows_origin` is the CORS setting."""

    def __init__(self, allowed_hosts: Sequence[str], allows_origin: Callable[[str], bool]) -> None:
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._allows_origin = allows_origin
        self.known_hosts: set[str] = set()
        """Hosts that were accepted: a request that names one, and has no header of a browser, need not be judged."""

    def refusal(self, headers: Mapping[str, str]) -> GatewayError | None:
        """Why a request without authentication is not answered; None where it is. `headers` by lower-case name."""
        host, origin, site = headers.get("host"), headers.get("origin"), headers.get("sec-fetch-site")
        refusal = self._judge(host, origin, site)
        if refusal is None and host is not None and len(self.known_hosts) < _MAX_REMEMBERED:
            self.known_hosts.add(host)
        return refusal

    def _judge(self, host: str | None, origin: str | None, site: str | None) -> GatewayError | None:
        if host is not None and not self._is_own_host(_host_name(host)):
            return _refused(
                f"The host {host[:100]!r} is not known here, and this project asks for no credential. Add the host to "
                "server.allowedHosts, or an authenticating plugin to the project."
            )
        if origin is not None and self._allows_origin(origin):
            return None
        if origin is not None and not (host and _same_host(origin, host)):
            return _refused(f"Requests of web pages of {origin[:100]!r} are not allowed; see server.cors.")
        if site is not None and site.lower() not in ("same-origin", "none"):
            return _refused("Requests of web pages of other sites are not allowed; see server.cors.")
        return None

    def _is_own_host(self, name: str) -> bool:
        if name in self._allowed or "*" in self._allowed:
            return True
        if "." not in name or name.endswith(_OWN_SUFFIXES):
            return True  # single labels, IPv6 addresses
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _host_name(host: str) -> str:
    host = host.strip().lower().rstrip(".")
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".") if host.count(":") == 1 else host


def _same_host(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return bool(parts.netloc) and parts.netloc.lower() == host.strip().lower()


def _refused(message: str) -> GatewayError:
    return GatewayError(message, status=403, kind="permission", code="forbidden_origin")
