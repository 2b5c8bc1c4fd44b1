"""The console's configuration."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from llm_gateway_console.settings import CONFIGURATION_SCHEMA, Settings

VALIDATOR = jsonschema.Draft202012Validator(CONFIGURATION_SCHEMA)
OIDC = {
    "issuer": "https://id.example.com/", "clientId": "console", "roles": {"ops": "operator"},
    "publicUrl": "https://gateway.example.com/console/",
}  # fmt: skip


def test_nothing_needs_to_be_written() -> None:
    assert Settings.load({}) == Settings()
    properties = CONFIGURATION_SCHEMA["properties"]
    assert Settings().path == properties["path"]["default"]
    assert Settings().session_seconds == 3600 * properties["sessionHours"]["default"]


def test_its_examples_are_valid() -> None:
    for example in CONFIGURATION_SCHEMA["examples"]:
        VALIDATOR.validate(example)


def test_what_is_written_is_taken() -> None:
    config = {"path": "/ops/console", "sessionHours": 0.5, "signedInPrincipals": True, "oidc": OIDC}
    VALIDATOR.validate(config)
    settings = Settings.load(config)

    assert (settings.path, settings.session_seconds, settings.signed_in_principals) == ("/ops/console", 1800.0, True)
    assert settings.oidc is not None
    assert settings.oidc.issuer == "https://id.example.com"
    assert settings.oidc.public_url == "https://gateway.example.com/console"
    assert settings.oidc.scopes == ("openid", "profile", "email")
    assert (settings.oidc.name_claim, settings.oidc.role_claim, settings.oidc.client_secret) == ("email", "groups", "")


@pytest.mark.parametrize(
    "config",
    [{"path": "console"}, {"path": "/"}, {"path": "/console/"}, {"path": "/a b"}, {"sessionHours": 0},
     {"sessionHours": 1000}, {"sesionHours": 1}, {"oidc": {**OIDC, "roles": {"ops": "root"}}},
     {"oidc": {"issuer": "https://id.example.com"}}, {"oidc": {**OIDC, "clientID": "x"}}],
    ids=str,
)  # fmt: skip
def test_what_cannot_work_is_refused(config: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(config)
