"""The guides say what the code does: their Python runs, their tests pass, and nothing that exists is left out."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import llm_gateway_sdk
from llm_gateway_sdk import Plugin, PluginResult, RequestContext, testing
from llm_gateway_sdk.plugin import HOOKS

ROOT = Path(__file__).parents[3]
GUIDES = [
    ROOT / "docs/plugins/guide.md",
    ROOT / "docs/plugins/testing.md",
    ROOT / "docs/extensions.md",
    ROOT / "packages/llm-gateway-sdk/README.md",
]
pytestmark = pytest.mark.skipif(not GUIDES[0].is_file(), reason="the guides are in the repository")


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_the_python_in_a_guide_runs_and_its_tests_pass(path):
    if "llm_gateway.testing" in path.read_text(encoding="utf-8"):
        pytest.importorskip("llm_gateway.testing")
    pytest.importorskip("pydantic")
    names = {"__name__": f"guide_{path.stem}"}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)):
        exec(compile(block, f"{path.name}, block {number + 1}", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    for test in tests:
        test()
    assert tests or "test_" not in path.read_text(encoding="utf-8")


def test_each_public_name_is_on_a_page_of_the_reference():
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs/reference").rglob("*.md"))
    shown = set(re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE))
    for name in llm_gateway_sdk.__all__:
        value = getattr(llm_gateway_sdk, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert shown & {value.__module__, f"llm_gateway_sdk.{name}"}, name


def test_each_hook_has_its_chapter_with_its_signature():
    page = read("docs/plugins/hooks.md")
    for hook in HOOKS:
        chapter = page.partition(f"\n## `{hook}`\n")[2].partition("\n## ")[0]
        assert re.search(rf"def {hook}\(self, ctx: \w+Context\) -> ", chapter), hook


def test_each_flag_has_its_row():
    page = read("docs/plugins/hooks.md")
    for field in dataclasses.fields(PluginResult):
        assert f"`{field.name}" in page, field.name


def test_each_attribute_and_method_of_a_plugin_is_named():
    page = read("docs/plugins/guide.md") + read("docs/plugins/hooks.md")
    for name in vars(Plugin):
        if not name.startswith("_") and name not in ("metadata", "api_version"):
            assert name in page, name


def test_everything_in_testing_is_described():
    page = read("docs/plugins/testing.md")
    for name in testing.__all__:
        assert name in page or name in ("Pause", "ProviderReply", "Reply", "HTTPAnswer", "ScriptedHTTP"), name


def test_the_fields_that_the_guide_names_are_there():
    for name in re.findall(r"`ctx\.(\w+)", read("docs/plugins/guide.md") + read("docs/plugins/hooks.md")):
        assert hasattr(RequestContext, name) or name in inspect.getsource(RequestContext.__init__), name


@pytest.mark.parametrize("path", [*GUIDES, ROOT / "docs/plugins/hooks.md", ROOT / "examples/plugins/README.md"])
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_the_smallest_plugin_and_its_test_are_short():
    plugin, test = re.findall(r"```python\n(.*?)```", read("docs/plugins/guide.md"), re.DOTALL)[:2]

    assert len(plugin.strip().splitlines()) < 15
    assert len(test.strip().splitlines()) < 15
