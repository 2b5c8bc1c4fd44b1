"""The console's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from llm_gateway_sdk.admin import Role

__all__ = ["CONFIGURATION_SCHEMA", "OIDCSettings", "Settings"]

_ROLES: Final = ["viewer", "operator", "admin"]

CONFIGURATION_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "path": {
            "type": "string",
            "pattern": "^/[A-Za-z0-9_/-]*[A-Za-z0-9_-]$",
            "default": "/console",
            "description": "Where the console is served.",
        },
        "sessionHours": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 720,
            "default": 8,
            "description": "Hours after which people sign in again.",
        },
        "signedInPrincipals": {
            "type": "boolean",
            "default": False,
            "description": "People who are signed in as operator or admin may call this project from the playground "
            "without a key: as the principal `console:NAME`, whose limits and rights hold. The project then asks "
            "all callers for a credential.",
        },
        "oidc": {
            "type": "object",
            "description": "Sign in with an OpenID Connect provider, next to the administration's credentials.",
            "properties": {
                "issuer": {"type": "string", "format": "uri", "description": "The provider's address."},
                "clientId": {"type": "string", "minLength": 1, "description": "The console's id at the provider."},
                "clientSecret": {"type": "string", "writeOnly": True, "description": "Left out for public clients."},
                "scopes": {
                    "type": "array",
                    "items": {"type": "string"},
                    "default": ["openid", "profile", "email"],
                    "description": "What is asked for; the claims below must be among it.",
                },
                "nameClaim": {"type": "string", "default": "email", "description": "Names people in the audit log."},
                "roleClaim": {"type": "string", "default": "groups", "description": "A text or a list of texts."},
                "roles": {
                    "type": "object",
                    "additionalProperties": {"enum": _ROLES},
                    "description": "The role that each value of the claim gives; people without one have no access.",
                },
                "publicUrl": {
                    "type": "string",
                    "format": "uri",
                    "description": "The console's address as browsers see it, for the redirect back: "
                    "`https://gateway.example.com/console`.",
                },
            },
            "required": ["issuer", "clientId", "roles", "publicUrl"],
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
    "examples": [{}, {"path": "/console", "sessionHours": 4}],
}


@dataclass(frozen=True, slots=True)
class OIDCSettings:
    issuer: str
    client_id: str
    client_secret: str
    scopes: tuple[str, ...]
    name_claim: str
    role_claim: str
    roles: Mapping[str, Role]
    public_url: str


@dataclass(frozen=True, slots=True)
class Settings:
    path: str = "/console"
    session_seconds: float = 8 * 3600.0
    signed_in_principals: bool = False
    oidc: OIDCSettings | None = None

    @classmethod
    def load(cls, config: Mapping[str, Any]) -> Settings:
        """From a configuration that the schema accepts."""
        oidc = config.get("oidc")
        return cls(
            path="/" + str(config.get("path", "/console")).strip("/"),
            session_seconds=3600 * float(config.get("sessionHours", 8)),
            signed_in_principals=bool(config.get("signedInPrincipals", False)),
            oidc=_oidc(oidc) if oidc else None,
        )


def _oidc(config: Mapping[str, Any]) -> OIDCSettings:
    return OIDCSettings(
        issuer=config["issuer"].rstrip("/"),
        client_id=config["clientId"],
        client_secret=config.get("clientSecret", ""),
        scopes=tuple(config.get("scopes", ("openid", "profile", "email"))),
        name_claim=config.get("nameClaim", "email"),
        role_claim=config.get("roleClaim", "groups"),
        roles=config["roles"],
        public_url=config["publicUrl"].rstrip("/"),
    )
