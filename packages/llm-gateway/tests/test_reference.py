"""The generated pages in `docs/` are up to date."""

import re
from pathlib import Path

import pytest

from llm_gateway.extensions import KINDS, installed
from llm_gateway.loading import load_text
from llm_gateway.reference import configuration_page, extension_page, index_page

DOCS = Path(__file__).parents[3] / "docs"
BUILT_IN = [
    "basic-apikey-auth",
    "clickhouse-tracer",
    "console",
    "jwt-auth",
    "limits",
    "logger",
    "model-router",
    "prompt-manager",
    "regex-hider",
    "virtual-keys",
]


def test_the_configuration_reference_is_up_to_date():
    written = (DOCS / "configuration.md").read_text(encoding="utf-8")

    assert written == configuration_page(), "run: llm-gateway schema --markdown > docs/configuration.md"


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_page_of_each_plugin_of_the_project_is_up_to_date(name):
    written = (DOCS / "plugins" / f"{name}.md").read_text(encoding="utf-8")

    assert written == extension_page(installed().get("plugin", name)), (
        "run: llm-gateway plugins docs --write docs/plugins"
    )


def test_the_list_of_plugins_is_up_to_date():
    extensions = [installed().get("plugin", name) for name in BUILT_IN]

    assert (DOCS / "plugins" / "README.md").read_text(encoding="utf-8") == index_page(extensions)


def test_every_setting_has_a_meaning():
    rows = [line for line in configuration_page().splitlines() if line.startswith("| `")]

    assert len(rows) > 80
    assert all(row.split("|")[-2].strip() for row in rows)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_option_of_the_projects_plugins_has_a_meaning(name):
    page = extension_page(installed().get("plugin", name))

    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row for row in rows if not row.replace("\\|", "").split("|")[-2].strip()] == []


EVERYTHING = [(kind, name) for kind in KINDS if kind != "dialect" for name in sorted(installed().names(kind))]
MODELS = "models: [{name: any, isDefault: true, aliases: ['*'], provider: {type: echo}}]\n"


@pytest.mark.parametrize(("kind", "name"), EVERYTHING, ids=[f"{kind} {name}" for kind, name in EVERYTHING])
def test_the_example_of_everything_that_is_installed_loads_as_it_is(kind, name, tmp_path):
    """Of this project and of whatever else is installed: what `plugins docs NAME` prints can be pasted."""
    [block] = re.findall(r"```yaml\n(.*?)```", extension_page(installed().get(kind, name)), re.DOTALL)
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    environ |= dict.fromkeys(re.findall(r"\$\{(\w+)\}", block), "a-key-of-24-letters-long")

    result = load_text(("" if "models:" in block else MODELS) + block, directory=tmp_path, environ=environ)

    assert not [notice for notice in result.notices if "unknown" in notice]


def test_a_dialect_has_no_example_since_no_configuration_names_it():
    assert "## Example" not in extension_page(installed().get("dialect", "anthropic"))
