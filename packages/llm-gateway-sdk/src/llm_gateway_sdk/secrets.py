"""One answer to "is this a secret?", for headers, query parameters, settings and addresses.

Whatever writes values down (logs, traces, `explain`, errors) or passes them on asks here, so that a name which one of
them knows as a secret is known to all. Names are compared word by word: `x-forwarded-access-token` and
`secretAccessKey` are secrets, `max_tokens` and `monkey` are not.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

__all__ = ["CREDENTIAL_HEADERS", "is_secret_header", "is_secret_name", "mask", "mask_text", "secrets_in_text"]

CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key"})
"""Headers in which clients send the key of an API; they reach a provider only with `credentials: client`."""

_SECRET_WORDS = frozenset(
    {
        "apikey", "apikeys", "assertion", "auth", "authorization", "bearer", "cookie", "cookie2", "credential", "csrf",
        "dsn", "jwt", "key", "keys", "oidc", "passphrase", "passwd", "password", "private", "pwd", "saml",
        "secret", "secrets", "sig", "signature", "token", "xsrf",
    }
)  # fmt: skip
_RUN_TOGETHER = re.compile(r"secret|passw|credential|api_?key|access_?(?:token|key)|auth_?token|session_?(?:key|token)")
"""Words of which names are also made without a mark between them: `x-sessiontoken`, `accesskey`."""
_PLAIN_NAMES = frozenset({"credentials", "idempotency_key", "prompt_cache_key", "cache_key", "page_token"})
_PLAIN_ENDS = frozenset({"id", "ids", "file", "path", "tokens", "header", "headers", "variable"})
_PLAIN_BEGINNINGS = frozenset({"max", "min", "include"})

_IDENTITY_HEADERS = frozenset({"x-forwarded-client-cert", "x-client-cert", "ssl-client-cert", "x-ssl-client-cert"})
_IDENTITY_PREFIXES = ("x-ms-client-principal", "x-amzn-oidc-", "x-goog-iap-", "x-amzn-mtls-", "x-ms-token-")
"""Headers of proxies that sign users in whose values are credentials, though no word of their names shows it."""


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a header, query parameter, variable or setting of this name holds a secret."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip()).lower()
    words = [word for word in re.split(r"[^a-z0-9]+", spaced) if word]
    plain = "_".join(words)
    if not words or plain in _PLAIN_NAMES or words[-1] in _PLAIN_ENDS or words[0] in _PLAIN_BEGINNINGS:
        return False
    if not _SECRET_WORDS.isdisjoint(words) or words[-1] == "pass":
        return True
    return _RUN_TOGETHER.search(plain) is not None


@lru_cache(maxsize=4096)
def is_secret_header(name: str) -> bool:
    """The same for a header, where front proxies have further names for a caller's credentials."""
    lower = name.lower()
    return lower in _IDENTITY_HEADERS or lower.startswith(_IDENTITY_PREFIXES) or is_secret_name(name)


def mask(value: object) -> str:
    """What is shown instead: nothing of a short secret, the last two characters of a long one."""
    text = str(value)
    return f"…{text[-2:]}" if len(text) >= 20 else "…"


def mask_text(text: str) -> str:
    """`text` without what is secret inside: user and password of addresses, and values of secret parameters.

    For URLs (`http://user:password@proxy:3128`, `?api_key=…`) and connection strings (`host=db password=…`).
    """
    text = _USER_INFO.sub(lambda found: f"{found[1]}…@", text)
    return _PARAMETER.sub(lambda found: f"{found[1]}{found[2]}…" if is_secret_name(found[1]) else found[0], text)


def secrets_in_text(text: str) -> list[str]:
    """The secrets inside an address or a connection string, as written and percent-decoded."""
    found: list[str] = []
    for match in _USER_INFO.finditer(text):
        user_info = match[2]
        user, colon, password = user_info.partition(":")
        found.append(password if colon else user)
    found += [match[3] for match in _PARAMETER.finditer(text) if is_secret_name(match[1])]
    return [each for secret in found if secret for each in dict.fromkeys((secret, unquote(secret)))]


# An unescaped `/`, `?` or `#` in a password ends the authority by the letter of RFC 3986; the writer meant a
# password all the same, which a text after the host's colon that is not a port gives away.
_USER_INFO = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]{0,31}://)([^/?#\s\"'@]*(?:@[^/?#\s\"'@]*)*|[^:/?#\s\"']*:(?!\d+[/?#])[^\s\"']{0,128})@"
)
_PARAMETER = re.compile(r"(?<![\w.-])([A-Za-z_][\w.-]*)(\s*=\s*)([^&;\s\"']+)")
