"""Addresses of the project in the metadata of its distributions."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import project_urls  # noqa: E402

HOME = "https://forge.example.com/team/llm-gateway"
PROJECTS = sorted(ROOT.glob("packages/*/pyproject.toml"))


@pytest.mark.parametrize("path", PROJECTS, ids=[path.parent.name for path in PROJECTS])
def test_every_distribution_gets_its_addresses_and_keeps_the_rest(path: Path) -> None:
    before = path.read_text()
    once = project_urls.addressed(before, HOME)
    project = tomllib.loads(once)
    urls = project["project"].pop("urls")

    assert urls["Homepage"] == HOME
    assert set(urls) == {"Homepage", "Documentation", "Issues", "Changelog"}
    was = tomllib.loads(before)
    was["project"].pop("urls", None)
    assert project == was
    assert project_urls.addressed(once, HOME) == once
    other = tomllib.loads(project_urls.addressed(once, HOME, "https://docs.example.com"))
    assert other["project"]["urls"]["Documentation"] == "https://docs.example.com"


@pytest.mark.parametrize("arguments", [[], ["http://plain.example.com"], ["llm-gateway"], [HOME, HOME, HOME]])
def test_what_is_not_an_address_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert project_urls.main(arguments) == 2
    assert "https://" in capsys.readouterr().err
