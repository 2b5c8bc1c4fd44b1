"""What a key is: `gw_<id>_<secret><checksum>`, and what the store keeps of it, which is never the secret.

The id is public and finds the record. The secret has 160 bits, so that a plain hash of it can't be searched through; a
pepper, where one is configured, makes a stolen store useless even for checking a guess. The checksum is there so that a
mistyped or invented key costs no look-up; it proves nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Literal

from llm_gateway_sdk import Principal
from llm_gateway_sdk.values import FrozenValue, field
from llm_gateway_sdk.wire import json

__all__ = ["SOURCE", "KeyRecord", "KeyState", "digest_of", "imported_key_id", "new_key", "parse_key"]

KeyState = Literal["active", "revoked"]

SOURCE = "virtual-keys"
"""Of the principals that keys make."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 12
_SECRET_LENGTH = 27  # 62**27 is more than 2**160
_CHECK_LENGTH = 6
_FORM = re.compile(
    rf"gw_([0-9A-Za-z]{{{_ID_LENGTH}}})_([0-9A-Za-z]{{{_SECRET_LENGTH}}})([0-9A-Za-z]{{{_CHECK_LENGTH}}})"
)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    number, letters = zlib.crc32(text.encode()), ""
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        letters = _ALPHABET[digit] + letters
    return letters


def new_key(key_id: str | None = None) -> tuple[str, str]:
    """(id, whole key). With an id, another key of the same id."""
    key_id = key_id or _random(_ID_LENGTH)
    head = f"gw_{key_id}_{_random(_SECRET_LENGTH)}"
    return key_id, head + _checksum(head)


def parse_key(text: str) -> str | None:
    """The id of a key that has the form and the right checksum; None for anything else."""
    match = _FORM.fullmatch(text)
    if match is None or not hmac.compare_digest(_checksum(text[:-_CHECK_LENGTH]), match[3]):
        return None
    return match[1]


def imported_key_id(text: str) -> str:
    """The id of a key of another system, which has no id here: it is derived from the key, one way."""
    return (
        "x" + hashlib.sha256(b"llm-gateway imported key\0" + text.encode("utf-8", "surrogateescape")).hexdigest()[:31]
    )


def digest_of(key: str, pepper: bytes = b"") -> str:
    """SHA-256 of the key in hex, or its HMAC with the pepper."""
    data = key.encode("utf-8", "surrogateescape")
    if pepper:
        return "h:" + hmac.new(pepper, data, hashlib.sha256).hexdigest()
    return "s:" + hashlib.sha256(data).hexdigest()


def _is_digest(digest: str, key: str, pepper: bytes) -> bool:
    """Whether it is the key's digest, compared in constant time."""
    return hmac.compare_digest(digest, digest_of(key, pepper if digest.startswith("h:") else b""))


class KeyRecord(FrozenValue, frozen=True, kw_only=True):
    """What is kept of a key. Times are seconds since the epoch."""

    id: str
    name: str
    digest: str
    former_digest: str | None = None
    """The digest before the last rotation, valid until `former_until`."""
    former_until: float | None = None
    user: str | None = None
    team: str | None = None
    org: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] | None = None
    projects: tuple[str, ...] | None = None
    expires: float | None = None
    state: KeyState = "active"
    created: float = 0.0
    created_by: str = ""
    changed: float = 0.0

    def matches(self, key: str, pepper: bytes, now: float) -> Literal["present", "former", ""]:
        """Whether that is the key, or the one before the last rotation while it is valid; empty where it is neither."""
        if _is_digest(self.digest, key, pepper):
            return "present"
        former, until = self.former_digest, self.former_until
        valid = former is not None and until is not None and now < until
        return "former" if valid and _is_digest(str(former), key, pepper) else ""

    def usable(self, now: float) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.state == "active" and (self.expires is None or now < self.expires)

    def principal(self) -> Principal:
        return Principal(
            id=self.id, name=self.name, source=SOURCE, user=self.user, team=self.team, org=self.org,
            labels=self.labels, models=self.models, projects=self.projects, expires=self.expires,
        )  # fmt: skip

    def encode(self) -> bytes:
        return json.dumps(asdict(self))

    @staticmethod
    def decode(data: bytes) -> KeyRecord:
        """Raises ValueError. Fields that a newer version has written are left out."""
        if (record := _read(data)) is not None:
            return record
        written = json.loads(data)
        if not isinstance(written, dict):
            raise ValueError("the record of a key is not an object")
        values: dict[str, Any] = {name: value for name, value in written.items() if name in _FIELDS}
        for name in ("models", "projects"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        return KeyRecord(**values)

    def public(self) -> dict[str, Any]:
        """What may be shown: everything but the digests."""
        shown = asdict(self)
        for name in ("digest", "former_digest"):
            del shown[name]
        for name in ("models", "projects"):
            if shown[name] is not None:
                shown[name] = list(shown[name])
        return shown


_FIELDS = frozenset(each.name for each in fields(KeyRecord))
_read = json.reader(KeyRecord)
"""Of a record as it is written today; None for any other."""
