"""The packages of the monorepo agree with each other: versions, requirements, files, extension names."""

from __future__ import annotations

import configparser
import importlib
import importlib.metadata as metadata
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECTS: dict[str, dict[str, Any]] = {
    path.parent.name: tomllib.loads(path.read_text()) for path in sorted(ROOT.glob("packages/*/pyproject.toml"))
}
BUILT_IN_PLUGINS = {
    "basic-apikey-auth",
    "model-router",
    "regex-hider",
    "logger",
    "prompt-manager",
    "limits",
    "virtual-keys",
}


def name_of(folder: str) -> str:
    return str(PROJECTS[folder]["project"]["name"])


def requirements(folder: str) -> set[str]:
    """The names of the distributions that it always brings."""
    return {re.split(r"[\s\[<>=!~;]", each)[0] for each in PROJECTS[folder]["project"]["dependencies"]}


def test_all_versions_are_one() -> None:
    assert len({metadata.version(name_of(folder)) for folder in PROJECTS}) == 1


@pytest.mark.parametrize("folder", PROJECTS)
def test_the_folder_names_the_distribution(folder: str) -> None:
    assert name_of(folder) in (folder, f"llm-gateway-{folder}")


@pytest.mark.parametrize("folder", PROJECTS)
def test_each_has_a_readme_a_licence_and_types(folder: str) -> None:
    package = ROOT / "packages" / folder
    import_name = name_of(folder).replace("-", "_").removesuffix("_plugin")

    assert (package / "README.md").read_text().startswith(f"# {name_of(folder)}\n")
    assert (package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (package / "src" / import_name / "py.typed").is_file()
    assert PROJECTS[folder]["project"]["license"] == "MIT"


@pytest.mark.parametrize("folder", PROJECTS)
def test_each_is_described_for_an_index(folder: str) -> None:
    project = PROJECTS[folder]["project"]

    assert len(project["description"]) > 20
    assert project["authors"]
    assert len(project["keywords"]) >= 3
    assert [each for each in PROJECTS if PROJECTS[each]["project"]["keywords"] == project["keywords"]] == [folder]
    versions = {each.rpartition(" ")[2] for each in project["classifiers"] if "Python :: 3." in each}
    assert {"3.11", "3.12", "3.13", "3.14"} <= versions


@pytest.mark.parametrize("folder", [folder for folder in PROJECTS if not folder.startswith("llm-gateway")])
def test_an_extension_requires_the_sdk_and_not_the_gateway(folder: str) -> None:
    ours = {each for each in requirements(folder) if each.startswith("llm-gateway")}

    assert ours - {"llm-gateway-model-book"} == {"llm-gateway-sdk"}


def test_the_sdk_requires_a_schema_checker_and_a_json_engine_alone() -> None:
    assert requirements("llm-gateway-sdk") == {"jsonschema", "msgspec"}


def test_the_gateway_brings_the_built_in_plugins() -> None:
    ours = {
        each.removeprefix("llm-gateway-") for each in requirements("llm-gateway") if each.startswith("llm-gateway-")
    }

    assert ours == BUILT_IN_PLUGINS | {"sdk", "model-book"}


@pytest.mark.parametrize("folder", PROJECTS)
def test_requirements_on_each_other_are_bounded_to_this_series(folder: str) -> None:
    project = PROJECTS[folder]["project"]
    extras = project.get("optional-dependencies", {}).values()
    written = [*project["dependencies"], *(each for extra in extras for each in extra)]
    major, minor = metadata.version(name_of(folder)).split(".")[:2]

    for each in written:
        if each.startswith("llm-gateway"):
            assert each.endswith(f">={major}.{minor},<{major}.{int(minor) + 1}"), each


EXTENSIONS = [
    (group, name, value)
    for project in PROJECTS.values()
    for group, points in project["project"].get("entry-points", {}).items()
    if group.startswith("llm_gateway.") and group != "llm_gateway.commands"
    for name, value in points.items()
]


@pytest.mark.parametrize(("group", "name", "value"), EXTENSIONS, ids=lambda part: part)
def test_each_entry_point_names_a_class_of_the_same_name(group: str, name: str, value: str) -> None:
    module, _, attribute = value.partition(":")
    cls = getattr(importlib.import_module(module), attribute)

    words = cls.metadata.name if group == "llm_gateway.plugins" else cls.name
    assert words == name


@pytest.mark.parametrize("folder", PROJECTS)
def test_what_is_listed_as_public_can_be_imported(folder: str) -> None:
    module = importlib.import_module(name_of(folder).replace("-", "_").removesuffix("_plugin"))

    assert [name for name in getattr(module, "__all__", []) if not hasattr(module, name)] == []
    assert len(set(getattr(module, "__all__", []))) == len(getattr(module, "__all__", []))


def test_the_type_checker_sees_every_package() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "mypy.ini")
    expected = {f"packages/{folder}/src" for folder in PROJECTS}

    assert {each.strip() for each in settings["mypy"]["files"].split(",")} == expected
    assert {each.strip() for each in settings["mypy"]["mypy_path"].split(":")} == expected
