"""The plugin `virtual-keys`: finds the holder of a key, and makes it the request's principal."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from typing import Any

from llm_gateway_sdk import (
    Plugin,
    PluginResult,
    Principal,
    RequestContext,
    RequestRejected,
    StoreError,
    plugin_metadata,
)
from llm_gateway_sdk.admin import AdminRoute
from llm_gateway_sdk.guesses import GuessLimit
from llm_gateway_sdk.plugin import HookReturn
from llm_gateway_sdk.principal import credentials_of

from .admin import key_routes
from .cache import KeyCache
from .keys import SOURCE, imported_key_id, parse_key

__all__ = ["VirtualKeys"]

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "pepper": {
            "type": "string",
            "minLength": 16,
            "writeOnly": True,
            "description": "A secret with which keys are hashed, so that a copy of the store can't even be used to "
            "check a guess. The same for all gateways on the store; keys made with another one are not valid.",
        },
        "imported": {
            "type": "boolean",
            "default": False,
            "description": "Also look for keys of other systems, which were imported with `keys import`. Each unknown "
            "credential then costs a look-up.",
        },
        "cacheSize": {"type": "integer", "minimum": 1, "default": 10000, "description": "Keys that a worker holds."},
        "staleFor": {
            "type": "number",
            "minimum": 0,
            "default": 300,
            "description": "Seconds for which keys that a worker knows are valid while the store can't be reached. "
            "Others are answered with 503, never 401.",
        },
    },
    "additionalProperties": False,
    "examples": [{"pepper": "${KEY_PEPPER}"}],
}


@plugin_metadata(
    name="virtual-keys",
    version="0.1.0",
    description="Keys made at run time: `llm-gateway keys create|list|show|rotate|revoke|import`.",
    configuration_schema=_SCHEMA,
    keywords=("authentication", "security"),
)
class VirtualKeys(Plugin):
    """A credential of another form is left to other plugins."""

    authenticates = True
    authenticates_from_head = True

    async def configure(self, config: Any) -> None:
        self._pepper = str(config.get("pepper") or "").encode()
        self._guesses = GuessLimit()
        self._imported = bool(config.get("imported", False))
        self._cache = KeyCache(
            self.gateway.store,
            size=int(config.get("cacheSize", 10_000)),
            stale_seconds=float(config.get("staleFor", 300)),
        )

    async def close(self) -> None:
        await self._cache.close()

    def admin_routes(self) -> Sequence[AdminRoute]:
        return key_routes(self.gateway.store, self._pepper)

    def metrics(self) -> dict[str, float]:
        cache = self._cache
        return {
            "cache_hits_total": float(cache.hits),
            "store_reads_total": float(cache.reads),
            "stale_uses_total": float(cache.stale_uses),
        }

    async def still_knows(self, principal: Principal) -> bool:
        if principal.source != SOURCE:
            return True
        record = await self._cache.find(principal.id)
        return record is not None and record.usable(time.time())

    def before_model(self, ctx: RequestContext) -> HookReturn | Awaitable[HookReturn]:
        if ctx.principal is not None:
            return None
        credentials = credentials_of(ctx)
        if not credentials:
            return None
        known = self._cache.holder_of(credentials[0], time.time())
        if known is None:
            return self._find_holder(ctx, credentials)
        ctx.principal = known
        return None

    async def _find_holder(self, ctx: RequestContext, credentials: Sequence[str]) -> PluginResult | None:
        """Of the first credential that is valid."""
        refusal: PluginResult | None = None
        for credential in credentials:
            known = self._cache.holder_of(credential, time.time())
            if known is not None:
                ctx.principal = known
                return None
            key_id = parse_key(credential)
            if key_id is None:
                if credential.startswith("gw_"):
                    refusal = refusal or _refused()
                    continue
                if not self._imported:
                    continue
                key_id = imported_key_id(credential)
                ours = False
            else:
                ours = True
            try:
                record = await self._cache.find(key_id)
            except StoreError:
                return _unavailable()
            now = time.time()
            if record is not None and record.usable(now):
                secret = record.matches(credential, self._pepper, now)
                if secret:
                    ctx.principal = holder = record.principal()
                    if secret == "present":
                        self._cache.remember(credential, record, holder)
                    return None
            if ours or record is not None:
                refusal = refusal or _refused()
        if refusal is not None and ctx.client_ip is not None and self._guesses.failed(ctx.client_ip):
            return _too_many()
        return refusal


def _refused() -> PluginResult:
    error = RequestRejected("The API key is not valid.", status=401, code="invalid_api_key", kind="authentication")
    return PluginResult(success=False, error=error)


def _too_many() -> PluginResult:
    error = RequestRejected(
        "Too many wrong API keys from this address.", status=429, code="too_many_failures", retry_after=60.0
    )
    return PluginResult(success=False, error=error)


def _unavailable() -> PluginResult:
    error = RequestRejected(
        "API keys can't be checked at the moment.", status=503, code="store_unavailable", retry_after=2.0
    )
    return PluginResult(success=False, error=error)
