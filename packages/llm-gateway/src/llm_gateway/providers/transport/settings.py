"""What may differ between the HTTP clients of two providers: proxy, certificates, and bounds."""

from __future__ import annotations

import ssl
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

__all__ = ["Proxy", "TransportSettings", "build_ssl_context"]


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Settings of one HTTP client. Hashable, so that providers with equal settings can share a client and its pools."""

    proxy: str | None = None
    """`http://[user:password@]host:port`. Plain requests go through it in absolute form, TLS through `CONNECT`."""
    ca_file: str | None = None
    """PEM file of the certificate authorities to trust, instead of the system's."""
    client_cert: str | tuple[str, str] | None = None
    """PEM file that holds certificate and key, or the two files."""
    verify: bool = True
    """False accepts any certificate: for laboratories only."""
    max_connections: int | None = 8192
    """Bound per origin (scheme, host and port); requests above it wait in order of arrival. None: no bound."""
    idle_timeout: float = 15.0
    """Seconds after which an unused connection is closed. Below the keep-alive of common servers (20 s to 75 s), so
    that a request rarely meets a connection that its server has just given up."""
    high_water: int = 256 * 1024
    """Bytes of a body that may wait for a slow reader before the upstream has to pause."""
    max_head: int = 64 * 1024
    """Bytes of status line and headers (or of trailers and chunk extensions in a row) that are accepted."""
    happy_eyeballs_delay: float = 0.25
    """Seconds before the next address of a host is tried next to one that has not answered."""

    def __post_init__(self) -> None:
        if self.proxy is not None:
            Proxy.from_url(self.proxy)
        if self.max_connections is not None and self.max_connections < 1:
            raise ValueError(f"max_connections: expected at least 1, found {self.max_connections}")


@dataclass(frozen=True, slots=True)
class Proxy:
    host: str
    port: int
    authorization: str | None
    """Value of the `proxy-authorization` header."""

    @classmethod
    def from_url(cls, url: str) -> Proxy:
        """Raises ValueError for whatever can't be such a proxy."""
        expected = "proxy: expected http://[user:password@]host:port"
        if any(not "!" <= sign <= "~" for sign in url):
            raise ValueError(f"{expected}, found white space or characters beyond ASCII")
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{expected}: {error}") from None
        if parts.scheme != "http":
            raise ValueError(f"{expected}, found {parts.scheme!r}; TLS to the proxy and SOCKS are not supported")
        if not parts.hostname or port == 0:
            raise ValueError(f"{expected}, found no {'port' if parts.hostname else 'host'}")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"{expected}, found something after it")
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + b64encode(pair.encode()).decode("ascii")
        return cls(host=parts.hostname, port=port or 80, authorization=authorization)


def build_ssl_context(settings: TransportSettings) -> ssl.SSLContext:
    """Raises OSError or ssl.SSLError where a file is missing or is not a certificate."""
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.set_alpn_protocols(["http/1.1"])
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    match settings.client_cert:
        case str() as pem:
            context.load_cert_chain(pem, password="")
        case (certificate, key):
            context.load_cert_chain(certificate, key, password="")  # never ask a terminal for it
    return context
