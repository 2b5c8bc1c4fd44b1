"""Whether the connection settings of an HTTP provider can work, found by building the very objects that will use them.

The address is taken apart by the HTTP client's own code, headers are encoded, certificates are loaded, and the proxy's
address is read, as they will be for the first call. What fails there is a problem of the configuration, to be found
before a client meets it. No connection is opened. Messages never show a value that may be a secret.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from llm_gateway_sdk import ConfigError, HTTPProvider, parse_duration
from llm_gateway_sdk.secrets import is_secret_name

from .config.document import Path
from .extension_settings import run_to_end
from .extensions import Extension
from .providers.transport import TransportSettings
from .providers.transport.head import encode_head, prepare
from .providers.transport.settings import Proxy, build_ssl_context

__all__ = ["address_notices", "check_provider"]

Found = tuple[Path, str]

_LIMITS = ("timeout", "connectTimeout", "firstTokenTimeout", "streamIdleTimeout")
_ENDPOINTS = (
    "/chat/completions", "/completions", "/responses", "/messages", "/embeddings", "/models", "/converse",
    ":generateContent", ":streamGenerateContent",
)  # fmt: skip


def check_provider(extension: Extension, settings: Mapping[str, Any]) -> list[Found]:
    """What can't work of valid settings, each with its path below them. Nothing for other than HTTP providers."""
    if not (isinstance(extension.cls, type) and issubclass(extension.cls, HTTPProvider)):
        return []
    found = [
        *_check_address(settings.get("baseUrl")),
        *_check_credentials(settings),
        *_check_tokens(extension.cls, settings),
        *_check_headers(settings.get("headers")),
        *_check_proxy(settings.get("proxy")),
        *_check_certificates(settings),
        *_check_limits(settings),
    ]
    return found or list(_check_configure(extension.cls, settings))


def _check_configure(provider: type[HTTPProvider], settings: Mapping[str, Any]) -> Iterator[Found]:
    """What the provider's own `configure` refuses, asked of an instance made for that alone."""
    try:
        run_to_end(provider().configure(dict(settings)))
    except ConfigError as error:
        for problem in error.problems:
            yield tuple(filter(None, problem.path.split("."))), problem.message
    except Exception:
        return  # it needs what only a running gateway has; then the start reports what is wrong


def _check_address(url: Any) -> Iterator[Found]:
    if not isinstance(url, str) or not url:
        return
    problem = _problem_of_address(url)
    if problem is not None:
        yield ("baseUrl",), problem


def _problem_of_address(url: str) -> str | None:
    if url != url.strip() or any(sign.isspace() for sign in url):
        return "the address holds white space; remove it"
    if not url.isascii():
        return "the address holds characters beyond ASCII; write the host's name in its ASCII form (xn--…)"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"not an address: {error}; write https://host[:port]/path"
    if not parts.hostname:
        return "the address has no host; write https://host[:port]/path"
    if parts.hostname in ("http", "https"):
        return "the address has its scheme twice; write https://host[:port]/path"
    if parts.username is not None or parts.password is not None:
        return "an address can't hold user and password; write the credential in `apiKey` or in `headers`"
    if port == 0:
        return "port 0 can't be called; write the server's port"
    if "#" in url:
        return "the address has a fragment (#…), which is never sent; remove it"
    if "?" in url:
        return (
            "the address has a query (?…), which the paths of requests would follow; remove it. The version of "
            "Azure's API is the setting `version`"
        )
    try:
        prepare(url)
    except ValueError as error:
        return str(error)
    return None


def _check_credentials(settings: Mapping[str, Any]) -> Iterator[Found]:
    for name, value in settings.items():
        if isinstance(value, str) and value and (is_secret_name(name) or name in ("organization", "project")):
            problem = problem_of_credential(value)
            if problem is not None:
                yield (name,), problem


def _check_tokens(provider: type[HTTPProvider], settings: Mapping[str, Any]) -> Iterator[Found]:
    """Builds what will fetch tokens; nothing is called."""
    if not (settings.get("auth") or settings.get("tokenCommand")):
        return
    try:
        provider.find_credential(settings, str(settings.get("baseUrl") or provider.default_base_url))
    except ConfigError as error:
        for problem in error.problems:
            yield tuple(problem.path.split(".")), problem.message


def problem_of_credential(value: str) -> str | None:
    """Why a text can't be a credential in a header; None where it can."""
    if "\ufeff" in value:
        return "the value holds a byte order mark; save its file as UTF-8 without one"
    if value != value.strip():
        return "the value begins or ends with white space, such as the line break of a secret's file; remove it"
    if not value.isascii():
        return "the value holds characters beyond ASCII, which no HTTP client sends alike; use another"
    if value.startswith("{{") and value.endswith("}}"):
        return None  # another tool's variable that was not filled in: there is a notice for that
    if not value.isprintable() or " " in value:
        return "the value holds white space or control characters; it can't be sent in a header"
    return None


def _check_headers(headers: Any) -> Iterator[Found]:
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        try:
            encode_head("", [(str(name).lower(), str(value))], None)
        except UnicodeEncodeError:
            yield ("headers", name), "the value holds characters that a header can't carry; write it in Latin-1"
        except ValueError as error:
            yield ("headers", name), f"it can't be sent: {error}; remove what is not part of it, such as a line break"


def _check_proxy(proxy: Any) -> Iterator[Found]:
    if not isinstance(proxy, str) or not proxy:
        return
    try:
        Proxy.from_url(proxy)
    except ValueError as error:
        yield ("proxy",), str(error).removeprefix("proxy: ")


def _check_certificates(settings: Mapping[str, Any]) -> Iterator[Found]:
    ca_file, cert = settings.get("caFile"), settings.get("clientCert")
    if isinstance(ca_file, str) and ca_file:
        yield from _try_to_load(("caFile",), TransportSettings(ca_file=ca_file), "a PEM file of certificates")
    if cert:
        pair = cert if isinstance(cert, str) else (cert[0], cert[-1])
        expected = "a PEM file with certificate and key, or [certificate, key]"
        yield from _try_to_load(("clientCert",), TransportSettings(client_cert=pair), expected)


def _try_to_load(place: Path, settings: TransportSettings, expected: str) -> Iterator[Found]:
    try:
        build_ssl_context(settings)
    except ssl.SSLError as error:
        yield place, f"expected {expected}; it can't be loaded: {error.reason or error}"
    except OSError as error:
        yield place, f"expected {expected}; it can't be read: {error.strerror or error}"
    except ValueError as error:
        yield place, f"expected {expected}: {error}"


def _check_limits(settings: Mapping[str, Any]) -> Iterator[Found]:
    for name in _LIMITS:
        value = settings.get(name)
        if value is not None and parse_duration(value) <= 0:
            yield (name,), "a limit of 0 would end every call at once; write a longer time, or leave it out"


_OWN_ENDS = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".svc", ".cluster.local", ".test")


def _is_public(host: str) -> bool:
    """Whether a host is one of the internet, as far as its name or address shows."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_OWN_ENDS)


_VERSIONED = {
    "api.openai.com": "/v1",
    "api.mistral.ai": "/v1",
    "api.x.ai": "/v1",
    "api.groq.com": "/openai/v1",
    "openrouter.ai": "/api/v1",
    "generativelanguage.googleapis.com": "/v1beta",
}
"""Vendors whose every endpoint is below a version, and that path."""


def address_notices(settings: Mapping[str, Any], usual: str = "") -> Iterator[Found]:
    """What of an address works, and is probably not meant. `usual` is the provider's address where none is written."""
    url = settings.get("baseUrl")
    if not isinstance(url, str) or _problem_of_address(url) is not None:
        return
    path = urlsplit(url).path.rstrip("/")
    if settings.get("apiKey") and urlsplit(url).scheme == "http" and _is_public(urlsplit(url).hostname or ""):
        yield ("baseUrl",), "the key and all texts cross the network unencrypted; write https://"
    for endpoint in _ENDPOINTS:
        if path.endswith(endpoint):
            yield (
                ("baseUrl",),
                f"the address ends with {endpoint}, which every call adds by itself; write it without",
            )
            return
    segments = path.split("/")
    for first, second in pairwise(segments):
        if first == second and first.startswith("v"):
            yield ("baseUrl",), f"/{first} is in the address twice; write it once"
            return
    host = urlsplit(url).hostname or ""
    if host in _VERSIONED and not path:
        wanted = f"https://{host}{_VERSIONED[host]}"
        yield ("baseUrl",), f"{host} answers below {_VERSIONED[host]}; write {wanted}, or leave `baseUrl` out"
    elif not path and (below := urlsplit(usual).path.rstrip("/")):
        yield (
            ("baseUrl",),
            f"the address has no path; such servers mostly answer below {below}: {url.rstrip('/')}{below}",
        )
