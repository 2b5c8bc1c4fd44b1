"""The plugin `jwt-auth`."""

from __future__ import annotations

from typing import Any

import jwt

from llm_gateway_sdk import Plugin, PluginResult, RequestContext, RequestRejected, plugin_metadata
from llm_gateway_sdk.admin import AdminError, Role
from llm_gateway_sdk.documents_by_address import read_document
from llm_gateway_sdk.principal import credentials_of

from .claims import claim_of, principal_of, values_of
from .key_set import KeySet, KeysUnavailable

__all__ = ["JWTAuth"]

_ASYMMETRIC = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA",
)  # fmt: skip
_ISSUER_SECONDS = 5.0
"""For one answer of the issuer."""
_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""What tokens raise whose claims have no number, or none that a clock knows, where one is expected."""
_PATH = {
    "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
}
_ROLES: tuple[Role, ...] = ("admin", "operator", "viewer")
_MEANINGS = {
    "id": "Who it is, unique within the issuer; `sub` if left out.",
    "name": "What logs and traces call the caller; user name, email address or name if left out.",
    "user": "The person; `sub` if left out.",
    "team": "The team; of a list the first.",
    "org": "The organisation.",
    "models": "The models that may be asked for, as a list or a text with spaces between; `*` is any text.",
    "projects": "The projects that may be used, in the same form.",
}

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "issuer": {
            "type": "string",
            "pattern": "^https?://",
            "description": "Who makes the tokens, as their claim `iss` has it. Its keys are found by OpenID Connect "
            "discovery, unless `jwksUrl` or `jwks` is set.",
        },
        "jwksUrl": {"type": "string", "pattern": "^https?://", "description": "The address of the issuer's keys."},
        "jwks": {"type": "object", "description": "The issuer's keys themselves: `{keys: [...]}`."},
        "audience": {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
            "description": "The audience that the claim `aud` of a token must name; any of these.",
        },
        "algorithms": {
            "type": "array",
            "items": {"enum": list(_ASYMMETRIC)},
            "minItems": 1,
            "default": ["RS256", "ES256"],
            "description": "The signatures that are allowed, whatever a token names.",
        },
        "skew": {
            "type": "number",
            "minimum": 0,
            "maximum": 300,
            "default": 30,
            "description": "Seconds that clocks may differ.",
        },
        "claims": {
            "type": "object",
            "additionalProperties": False,
            "description": "Which claim is what: a name, a path with dots, or several of which the first is used.",
            "properties": {
                **{name: {**_PATH, "description": about} for name, about in _MEANINGS.items()},
                "labels": {
                    "type": "object",
                    "additionalProperties": _PATH,
                    "description": "The claim of each label.",
                },
            },
        },
        "required": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "description": "Claims that must have, or contain, one of these values.",
        },
        "adminRoles": {
            "type": "object",
            "additionalProperties": False,
            "required": ["claim"],
            "description": "Gives holders of tokens access to the administration API, with the highest role that their "
            "claim has a value of.",
            "properties": {
                "claim": {**_PATH, "description": "The claim with groups or roles, as in `claims`."},
                **{
                    role: {
                        "type": "array",
                        "items": {"type": "string", "minLength": 1},
                        "description": f"Its values that make one {'an' if role[0] in 'oa' else 'a'} {role}.",
                    }
                    for role in ("viewer", "operator", "admin")
                },
            },
        },
        "refreshEvery": {
            "type": "number",
            "minimum": 10,
            "default": 300,
            "description": "Seconds after which keys are read again.",
        },
        "outage": {
            "type": "number",
            "minimum": 0,
            "default": 86400,
            "description": "Seconds for which known keys are used while the issuer can't be reached.",
        },
    },
    "required": ["issuer", "audience"],
    "additionalProperties": False,
    "examples": [
        {
            "issuer": "https://login.example.com",
            "audience": "llm-gateway",
            "claims": {"team": "groups", "labels": {"env": "environment"}},
        }
    ],
}


def _algorithms_of(config: Any) -> list[str]:
    return config.get("algorithms") or ["RS256", "ES256"]


@plugin_metadata(
    name="jwt-auth",
    version="0.1.0",
    description="Authenticates callers by a JSON Web Token of a known issuer (JWKS or OpenID Connect).",
    configuration_schema=_SCHEMA,
    keywords=("authentication", "security"),
)
class JWTAuth(Plugin):
    """A credential that is not a token of this issuer is left to other plugins."""

    authenticates = True
    authenticates_from_head = True

    async def validate_config(self, config: Any) -> str | None:
        """Keys that are in the configuration are read as they will be."""
        try:
            self._key_set(config)
        except ValueError as error:
            return str(error)
        return None

    async def configure(self, config: Any) -> None:
        self._issuer: str = config["issuer"]
        audience = config["audience"]
        self._audience = [audience] if isinstance(audience, str) else list(audience)
        self._algorithms = _algorithms_of(config)
        self._skew = float(config.get("skew", 30))
        self._claims = config.get("claims") or {}
        self._required = config.get("required") or {}
        self._admin_roles = config.get("adminRoles") or {}
        self._keys = self._key_set(config)

    def _key_set(self, config: Any) -> KeySet:
        """Raises ValueError where the keys that it has can't be used."""
        return KeySet(
            self._fetch,
            _algorithms_of(config),
            issuer=config["issuer"],
            jwks_url=config.get("jwksUrl") or "",
            fixed=config.get("jwks"),
            refresh_seconds=float(config.get("refreshEvery", 300)),
            outage_seconds=float(config.get("outage", 86_400)),
        )

    async def _fetch(self, url: str) -> Any:
        import httpx

        try:
            status, document = await read_document(self.gateway.http_client(), "GET", url, seconds=_ISSUER_SECONDS)
        except httpx.HTTPError as error:
            raise OSError(type(error).__name__) from error
        if status != 200:
            raise ValueError(f"status {status}")
        return document

    async def before_model(self, ctx: RequestContext) -> PluginResult | None:
        if ctx.principal is not None:
            return None
        refusal: PluginResult | None = None
        for credential in credentials_of(ctx):
            try:
                header = jwt.get_unverified_header(credential)
                issuer = jwt.decode(credential, options={"verify_signature": False}).get("iss")
            except _UNREADABLE:
                continue
            if issuer != self._issuer:
                continue
            try:
                claims = await self._verified(credential, header)
                ctx.principal = principal_of(claims, self._claims, self._issuer)
            except KeysUnavailable:
                return _unavailable()
            except jwt.ExpiredSignatureError:
                refusal = refusal or _refused("The token has expired.")
            except _UNREADABLE:
                refusal = refusal or _refused("The token is not valid.")
            else:
                return None
        return refusal

    async def admin_identity(self, credential: str) -> tuple[str, Role] | None:
        if not self._admin_roles:
            return None
        try:
            header = jwt.get_unverified_header(credential)
            claims = await self._verified(credential, header)
            name = principal_of(claims, self._claims, self._issuer).name
        except KeysUnavailable:
            raise AdminError(503, "Tokens can't be checked at the moment.") from None
        except _UNREADABLE:
            return None
        held = values_of(claim_of(claims, self._admin_roles["claim"]))
        for role in _ROLES:
            if held & set(self._admin_roles.get(role, ())):
                return name, role
        return None

    async def _verified(self, token: str, header: dict[str, Any]) -> dict[str, Any]:
        """Its claims. Raises PyJWTError or ValueError where it may not be believed, and KeysUnavailable."""
        algorithm = header.get("alg")
        if algorithm not in self._algorithms:
            raise jwt.InvalidAlgorithmError("not an allowed algorithm")
        if "crit" in header:
            raise jwt.InvalidTokenError("critical headers that are not understood")
        kid = header.get("kid")
        failure: jwt.PyJWTError = jwt.InvalidSignatureError("no key of the issuer fits")
        for key in await self._keys.find(kid if isinstance(kid, str) else None, algorithm):
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key=key.key,
                    algorithms=[algorithm],
                    audience=self._audience,
                    issuer=self._issuer,
                    leeway=self._skew,
                    options={"require": ["exp", "iss", "aud"]},
                )
            except jwt.InvalidSignatureError as error:
                failure = error
                continue
            self._check_required(claims)
            return claims
        raise failure

    def _check_required(self, claims: dict[str, Any]) -> None:
        for path, allowed in self._required.items():
            if not values_of(claim_of(claims, path)) & set(allowed):
                raise jwt.InvalidTokenError("a required claim is missing")


def _refused(message: str) -> PluginResult:
    error = RequestRejected(message, status=401, code="invalid_token", kind="authentication")
    return PluginResult(success=False, error=error)


def _unavailable() -> PluginResult:
    error = RequestRejected(
        "Tokens can't be checked at the moment.", status=503, code="issuer_unavailable", retry_after=5.0
    )
    return PluginResult(success=False, error=error)
