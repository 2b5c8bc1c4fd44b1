"""The schema of the configuration file: every setting is camelCase, described, and has the default that is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from llm_gateway.config import schema
from llm_gateway.config.schema import GatewayFile

MODELS = sorted(
    (
        each for each in vars(schema).values()
        if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__ == schema.__name__
    ),
    key=lambda each: each.__name__,
)  # fmt: skip
OLD_SPELLINGS = {"health_check", "file_path", "user_ids"}
"""The founding YAML has them in this form."""


def names() -> Iterator[tuple[str, str]]:
    for model in MODELS:
        for name, field in model.model_fields.items():
            yield model.__name__, field.alias or field.serialization_alias or name


def test_settings_are_camel_case() -> None:
    other = [(model, name) for model, name in names() if not re.fullmatch(r"[a-z][a-zA-Z0-9]*", name)]

    assert {name for _, name in other} <= OLD_SPELLINGS, other


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_unknown_settings_are_refused(model: type[BaseModel]) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"zzzUnknown": 1})

    assert any(error["loc"][-1:] == ("zzzUnknown",) for error in caught.value.errors())


def test_an_empty_file_has_the_defaults() -> None:
    file = GatewayFile.model_validate({})

    assert (file.server.port, file.logging.level) == (3000, "info")
    assert file.models == []


def test_secrets_are_not_in_what_is_printed() -> None:
    file = GatewayFile.model_validate({"admin": {"enabled": True, "apiKey": "sk-canary"}})

    assert "sk-canary" not in repr(file)
    assert "sk-canary" not in str(file.model_dump())


@pytest.mark.parametrize("port", [-1, 65536, "http", 1.5])
def test_a_port_is_a_port(port: Any) -> None:
    with pytest.raises(ValidationError):
        GatewayFile.model_validate({"server": {"port": port}})
