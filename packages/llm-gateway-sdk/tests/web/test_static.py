"""The shared files, and no others."""

from __future__ import annotations

import hashlib
import json
from importlib import resources

import pytest

from llm_gateway_sdk import web
from llm_gateway_sdk.web import SAFE_HEADERS, static_file


@pytest.mark.parametrize("name", ["style.css", "app.js", "icon.svg"])
def test_the_shared_files_are_there(name: str) -> None:
    found = static_file(name)

    assert found is not None
    assert len(found[0]) > 50


@pytest.mark.parametrize("name", ["", "../shell.py", "style.css/", "STYLE.CSS", "nothing.js"])
def test_there_are_no_others(name: str) -> None:
    assert static_file(name) is None


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    policy = dict(part.strip().split(" ", 1) for part in SAFE_HEADERS["content-security-policy"].split(";"))

    assert policy.pop("default-src") == "'none'"
    assert set(policy.values()) == {"'self'", "'none'"}


def test_files_of_others_are_as_their_package_has_them() -> None:
    folder = resources.files(web).joinpath("static")
    for package in json.loads(folder.joinpath("vendored.json").read_text()).values():
        assert package["version"]
        assert package["license"]
        for name, file in package["files"].items():
            assert hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() == file["sha256"], name
        assert any("LICENSE" in name for name in package["files"])
