"""The documentation states what is: links lead somewhere, named files are there, examples load."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import llm_gateway_sdk
from llm_gateway.loading import load_text

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("packages/*/README.md"), *ROOT.glob("examples/**/*.md")]
)
GATEWAY = ROOT / "packages" / "llm-gateway" / "src" / "llm_gateway"
SDK = ROOT / "packages" / "llm-gateway-sdk" / "src" / "llm_gateway_sdk"
KEYS = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "TEAM_KEY", "GATEWAY_KEY"), "sk-of-the-documentation")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    broken = [each for each in targets if each and "://" not in each and not (page.parent / each).exists()]

    assert broken == []


@each_page
def test_python_examples_are_python(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, str(page), "exec")


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "getting-started.md"], ids=lambda page: page.name)
def test_configurations_load(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "python"):
        if "@plugin_metadata" in block:
            (tmp_path / "shout.py").write_text(block)
    found = blocks(page, "yaml")

    for block in found:
        models = "" if "models:" in block else "models: [{name: any, isDefault: true, provider: {type: echo}}]\n"
        load_text(models + block, directory=tmp_path, environ=KEYS)
    assert found


PLUGIN = """
from llm_gateway_sdk import Plugin, plugin_metadata

@plugin_metadata(name="my-plugin", version="0.1.0", description="Does nothing.")
class Mine(Plugin):
    async def before_request(self, ctx): ...
"""
_PLUGIN_PAGES = [page for page in PAGES if page.parent.name == "plugins" and blocks(page, "yaml")]


@pytest.mark.parametrize("page", _PLUGIN_PAGES, ids=lambda page: page.name)
def test_each_configuration_on_the_pages_of_plugins_loads(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugins").mkdir()
    for place in ("my_plugin.py", "plugins/my_plugin.py"):
        (tmp_path / place).write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    models = "models: [{name: any, isDefault: true, aliases: ['*'], provider: {type: echo}}]\n"
    for block in blocks(page, "yaml"):
        text = ("" if "\nmodels:" in block else models) + block
        if "type: my-plugin" in block:
            text += "availablePlugins: [{path: ./plugins/my_plugin.py}]\n"
        environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", block), "a-key-of-24-letters-long")

        load_text(text, directory=tmp_path, environ=environ)


def test_the_readme_has_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()

    assert "\npip install hatch && hatch run start\n" in text
    assert "\npip install hatch && hatch run test\n" in text
    assert "pip install hatch && hatch run test" in (ROOT / ".ci" / "run").read_text()


def test_each_file_that_the_walk_names_is_there() -> None:
    named = re.findall(r"`((?:sdk:)?[\w/]+(?:\.py|/))`", (ROOT / "docs" / "architecture.md").read_text())
    places = [SDK / name.removeprefix("sdk:") if name.startswith("sdk:") else GATEWAY / name for name in named]

    assert [place for place in places if not place.exists()] == []
    assert len(places) > 30


@pytest.mark.parametrize("room", sorted(path.name for path in GATEWAY.iterdir() if (path / "__init__.py").is_file()))
def test_each_room_is_in_the_architecture(room: str) -> None:
    if room != "wire":
        assert f"`{room}/`" in (ROOT / "docs" / "architecture.md").read_text()


def test_each_page_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "docs" / "index.md", ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        targets = re.findall(r"\]\(([^)\s#]+\.md)", page.read_text())
        waiting += [(page.parent / target).resolve() for target in targets if "://" not in target]

    lost = [page.name for page in sorted(ROOT.glob("docs/**/*.md")) if page not in reached]
    assert lost == [], "give it a row in docs/index.md"


def test_the_quick_start_loads_with_each_of_its_commented_lines() -> None:
    file = ROOT / "examples" / "quickstart" / "gateway.yaml"
    lines = file.read_text().splitlines()
    commented = [index for index, line in enumerate(lines) if line.strip().startswith("# provider:")]

    for index in commented:
        own = max(number for number in range(index) if lines[number].strip().startswith("provider:"))
        changed = [*lines]
        changed[own] = lines[index].replace("# ", "", 1)
        load_text("\n".join(changed), directory=file.parent, environ=KEYS)
    assert len(commented) == 4


def test_the_navigation_names_each_page_once_per_section() -> None:
    section, seen, double = "", set(), []
    for line in (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2].splitlines():
        if re.match(r"  - [^-]+:$", line):
            section = line.strip()
        elif found := re.search(r"([\w/-]+\.md)$", line):
            if (section, found[1]) in seen:
                double.append(f"{section} {found[1]}")
            seen.add((section, found[1]))
    assert len(seen) > 30
    assert double == []


def test_no_page_and_no_message_installs_our_names_from_the_public_index() -> None:
    """There they belong to another project, or to the first who registers them."""
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "packages").glob("*/README.md")]
    texts += (ROOT / "packages").glob("*/src/**/*.py")
    commands = re.compile(r"^.*pip install [^\n]*?['\" ]?llm[-_]gateway(?!_sdk-\*).*$", re.M)
    found = [f"{path.relative_to(ROOT)}: {line}" for path in texts for line in commands.findall(path.read_text())]
    warnings = [line for line in found if "installs something else" in line]

    assert len(warnings) == 2
    assert found == warnings


def test_the_page_about_dialects_shows_the_laws_that_the_example_passes() -> None:
    """Who copies the page gets a test that passes: both define the same, statement for statement."""
    page = (ROOT / "docs" / "dialects.md").read_text(encoding="utf-8")
    example = (ROOT / "examples" / "dialects" / "test_ollama_native.py").read_text(encoding="utf-8")
    [shown] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)

    assert _definitions(shown) == {name: code for name, code in _definitions(example).items() if "test_" not in name}


def _definitions(source: str) -> dict[str, str]:
    return {
        node.name: ast.unparse(node)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def test_the_reference_of_the_sdk_has_every_public_name_once() -> None:
    """By the module in which it is defined."""
    pages = [page.read_text() for page in (ROOT / "docs" / "reference" / "sdk").glob("*.md")]
    shown = [module for page in pages for module in re.findall(r"^::: (llm_gateway_sdk\.[a-z_]+)$", page, re.MULTILINE)]
    names = {name: getattr(llm_gateway_sdk, name) for name in llm_gateway_sdk.__all__}
    defined = {name: getattr(value, "__module__", None) for name, value in names.items()}

    assert len(shown) == len(set(shown))
    assert sorted(name for name, module in defined.items() if _is_ours(module) and module not in shown) == []


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and module.startswith("llm_gateway_sdk.")
