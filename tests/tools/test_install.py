"""The command that installs the built wheels, on wheels made here; `tools/check_wheels.py` runs it on the real ones."""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

_SPEC = importlib.util.spec_from_file_location("install", Path(__file__).parents[2] / "tools" / "install.py")
assert _SPEC is not None
assert _SPEC.loader is not None
install = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(install)


def wheel(folder: Path, name: str, *lines: str) -> None:
    stem = f"{name.replace('-', '_')}-0.1.0"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{stem}.dist-info/METADATA", "\n".join([f"Name: {name}", "Version: 0.1.0", *lines]) + "\n\n")


@pytest.fixture
def wheels(tmp_path: Path) -> dict[str, Path]:
    wheel(tmp_path, "llm-gateway-sdk")
    wheel(
        tmp_path,
        "llm-gateway",
        "Requires-Dist: llm-gateway-sdk<0.2,>=0.1",
        "Requires-Dist: starlette>=0.40",
        "Provides-Extra: gemini",
        "Requires-Dist: llm-gateway-gemini<0.2,>=0.1 ; extra == 'gemini'",
    )
    wheel(tmp_path, "llm-gateway-gemini", "Requires-Dist: llm-gateway-sdk<0.2,>=0.1")
    wheel(tmp_path, "llm-gateway-clickhouse-tracer-plugin", "Requires-Dist: llm-gateway-sdk<0.2,>=0.1")
    found: dict[str, Path] = install.find_wheels(tmp_path)
    return found


def names(requirements: list[str]) -> set[str]:
    return {Path(each).name.replace("-0.1.0-py3-none-any.whl", "") for each in requirements}


def test_the_gateway_comes_with_what_it_needs_of_ours(wheels: dict[str, Path]) -> None:
    assert names(install.plan(wheels, [])) == {"llm_gateway", "llm_gateway_sdk"}


def test_extras_bring_their_distributions(wheels: dict[str, Path]) -> None:
    assert names(install.plan(wheels, ["gemini"])) == {"llm_gateway[gemini]", "llm_gateway_sdk", "llm_gateway_gemini"}


def test_further_distributions_are_named_in_full(wheels: dict[str, Path]) -> None:
    planned = names(install.plan(wheels, ["llm-gateway-clickhouse-tracer-plugin"]))

    assert planned == {"llm_gateway", "llm_gateway_sdk", "llm_gateway_clickhouse_tracer_plugin"}


def test_distributions_have_extras_too(wheels: dict[str, Path]) -> None:
    planned = names(install.plan(wheels, ["llm-gateway-clickhouse-tracer-plugin[embedded]"]))

    assert "llm_gateway_clickhouse_tracer_plugin[embedded]" in planned


def test_unknown_names_are_refused(wheels: dict[str, Path]) -> None:
    with pytest.raises(KeyError, match="neither an extra of the gateway nor a distribution"):
        install.plan(wheels, ["gemni"])


def test_wheels_must_be_built_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install.main(["--dist", str(tmp_path)]) == 2
    assert "hatch run build:all" in capsys.readouterr().err


def test_an_upgrade_is_of_all_that_is_installed_whatever_its_version(
    wheels: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(install, "installed", lambda python: ["llm-gateway", "llm-gateway-gemini", "llm-gateway-other"])
    monkeypatch.setattr(install, "installer", lambda python: ["pip"])

    def run(command: list[str], **_: object) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(install.subprocess, "run", run)

    assert install.main(["--dist", str(wheels["llm-gateway"].parent)]) == 0
    first, second = commands
    assert names(first[1:]) == {"llm_gateway", "llm_gateway_sdk", "llm_gateway_gemini"}
    assert second[:3] == ["pip", "--no-deps", "--force-reinstall"]
    assert names(second[3:]) == {"llm_gateway", "llm_gateway_gemini"}


def test_what_is_installed_here_is_found() -> None:
    assert {"llm-gateway", "llm-gateway-sdk"} <= set(install.installed(sys.executable))
