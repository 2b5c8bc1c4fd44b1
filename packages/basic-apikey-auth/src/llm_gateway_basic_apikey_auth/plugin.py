"""Lets in who brings a known key, and lets the other plugins know who that is."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from llm_gateway_sdk import Plugin, PluginResult, Principal, RequestContext, RequestRejected, plugin_metadata
from llm_gateway_sdk.guesses import GuessLimit
from llm_gateway_sdk.principal import credentials_of, has_own_form

__all__ = ["BasicApiKeyAuth"]

_SOURCE = "basic-apikey-auth"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "apikeys": {
            "type": "array",
            "minItems": 1,
            "description": "The valid keys: strings, or objects that name their holder.",
            "items": {
                "anyOf": [
                    {"type": "string", "minLength": 1, "writeOnly": True},
                    {
                        "type": "object",
                        "properties": {
                            "name": {"type": "string", "minLength": 1, "description": "Who holds the key."},
                            "key": {"type": "string", "minLength": 1, "writeOnly": True, "description": "The key."},
                            "sha256": {
                                "type": "string",
                                "pattern": "^[0-9a-fA-F]{64}$",
                                "description": "SHA-256 of the key in hex, in place of the key itself.",
                            },
                        },
                        "required": ["name"],
                        "oneOf": [{"required": ["key"]}, {"required": ["sha256"]}],
                        "additionalProperties": False,
                    },
                ]
            },
        },
        "maxFailures": {
            "type": "integer",
            "minimum": 0,
            "default": 20,
            "description": (
                "Wrong keys from one address within a minute before further wrong ones are answered with 429; "
                "0 sets no limit."
            ),
        },
    },
    "required": ["apikeys"],
    "additionalProperties": False,
    "examples": [{"apikeys": ["${GATEWAY_KEY}", {"name": "reports", "key": "${REPORTS_KEY}"}]}],
}


@plugin_metadata(
    name="basic-apikey-auth",
    version="0.1.0",
    description="Validates API keys given as bearer token or in the x-api-key header.",
    configuration_schema=_SCHEMA,
    keywords=("authentication", "security"),
)
class BasicApiKeyAuth(Plugin):
    """Keys are compared by digest in constant time. The caller's name goes to `ctx.caller`, the key nowhere."""

    authenticates = True
    authenticates_from_head = True
    principal_fields = frozenset({"id"})

    async def validate_config(self, config: Any) -> bool | str:
        for position, entry in enumerate(config["apikeys"]):
            key = entry if isinstance(entry, str) else entry.get("key")
            if key is None:
                continue
            if not key.strip():
                return f"apikeys[{position}]: an empty key would accept any caller"
            if key != key.strip() or "\ufeff" in key:
                return (
                    f"apikeys[{position}]: the key begins or ends with white space or a byte order mark, which no "
                    "client sends; remove it, for example with a secret's last line break"
                )
            if not key.isascii() or not key.isprintable():
                return (
                    f"apikeys[{position}]: the key holds control characters or characters beyond ASCII, which HTTP "
                    "clients do not send alike; use another key"
                )
            if "${" in key:
                return f"apikeys[{position}]: the key holds an unresolved ${{…}}, which would itself be a valid key"
        return True

    async def configure(self, config: Any) -> None:
        self._holders: dict[bytes, Principal] = {}
        for position, entry in enumerate(config["apikeys"]):
            if isinstance(entry, str):
                digest = _digest(entry)
                self._holders[digest] = _holder(f"key-{position + 1}", f"key-{digest.hex()[:12]}")
            elif "sha256" in entry:
                self._holders[bytes.fromhex(entry["sha256"])] = _holder(entry["name"])
            else:
                self._holders[_digest(entry["key"])] = _holder(entry["name"])
        allowed: int = config.get("maxFailures", 20)
        self._guesses = GuessLimit(allowed) if allowed else None

    def still_knows(self, principal: Principal) -> bool:
        return principal.source != _SOURCE or any(holder.id == principal.id for holder in self._holders.values())

    def before_model(self, ctx: RequestContext) -> PluginResult | None:
        if ctx.caller is not None:
            return None  # another plugin has found whose credential it is
        given = False
        credentials = credentials_of(ctx)
        for key in credentials:
            given = True
            holder = self._holder_of(key)
            if holder is not None:
                # A valid key passes even so: behind a shared address one bad client must not lock out the others.
                ctx.principal = holder
                return None
        if given and all(map(has_own_form, credentials)):
            return None  # for a plugin that reads that form; where there is none, the request is refused all the same
        if given and self._guesses is not None and ctx.client_ip is not None and self._guesses.failed(ctx.client_ip):
            error = RequestRejected(
                "Too many wrong API keys from this address.", status=429, code="too_many_failures", retry_after=60.0
            )
            return PluginResult(success=False, error=error)
        message = (
            "The API key is not valid." if given else "An API key is needed: `Authorization: Bearer …` or `x-api-key`."
        )
        return PluginResult(
            success=False, error=RequestRejected(message, status=401, code="invalid_api_key", kind="authentication")
        )

    def _holder_of(self, key: str) -> Principal | None:
        digest = _digest(key)
        found: Principal | None = None
        for known, holder in self._holders.items():
            # Every key is compared, so that the time shows nothing of which one matched.
            if hmac.compare_digest(known, digest):
                found = holder
        return found


def _holder(name: str, id_: str | None = None) -> Principal:
    """`id_`: of a key without a name. What its holder has made must not become another's who moves to its place."""
    return Principal(id=id_ or name, name=name, source=_SOURCE)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
