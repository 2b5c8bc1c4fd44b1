"""The generated pages in `docs/` are what the code says today."""

from pathlib import Path

import pytest

from llm_gateway.extensions import installed
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
