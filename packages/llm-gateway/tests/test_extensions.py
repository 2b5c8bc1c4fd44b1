import sys

import pytest

from llm_gateway.config.document import Node
from llm_gateway.config.problems import Problems
from llm_gateway.extensions import Declared, find, installed
from llm_gateway_sdk.checks import check_plugin_class
from llm_gateway_sdk.errors import ConfigError

PLUGIN = (
    "from llm_gateway_sdk import Plugin, plugin_metadata\n"
    "@plugin_metadata(name='{name}')\nclass {cls}(Plugin):\n    pass\n"
)


def found(folder, *declared):
    problems, notices = Problems("f", Node({}, 1)), []
    entries = [Declared(("availablePlugins", index), **entry) for index, entry in enumerate(declared)]
    extensions = find(entries, directory=folder, problems=problems, notices=notices)
    return extensions, [problem.message for problem in problems.sorted()], notices


def test_a_file_exposes_every_extension_class_that_it_defines(folder):
    extensions, problems, _ = found(folder, {"path": "./extensions.py"})

    assert problems == []
    assert extensions.get("provider", "made").description == "Answers what it is told to."
    assert extensions.get("adapter", "spoken").kind == "adapter"
    guard = extensions.get("plugin", "guard")
    assert (guard.version, guard.hooks, guard.origin) == ("1.2.0", ["before_model"], "path ./extensions.py")
    assert "words" in guard.schema["properties"]


def test_a_package_folder_exposes_what_its_init_does_and_has_relative_imports(tmp_path):
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("from .inner import Inner\nfrom llm_gateway_sdk import Plugin\n")
    (package / "inner.py").write_text(PLUGIN.format(name="inner", cls="Inner"))

    extensions, problems, _ = found(tmp_path, {"path": "mine"})

    assert problems == []
    assert extensions.get("plugin", "inner").cls.__name__ == "Inner"


def test_the_folder_of_a_distribution_is_its_package(tmp_path):
    package = tmp_path / "my-plugin" / "src" / "my_plugin"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PLUGIN.format(name="packed", cls="Packed"))

    assert "packed" in found(tmp_path, {"path": "my-plugin"})[0].names("plugin")


def test_a_module_is_found_where_python_finds_it(tmp_path, monkeypatch):
    (tmp_path / "some_module.py").write_text(PLUGIN.format(name="moduled", cls="Moduled"))
    monkeypatch.syspath_prepend(tmp_path)

    assert "moduled" in found(tmp_path, {"module": "some_module"})[0].names("plugin")
    assert "moduled" in found(tmp_path, {"module": "some_module:Moduled"})[0].names("plugin")


def test_a_distribution_name_means_its_entry_points(tmp_path):
    extensions, problems, _ = found(tmp_path, {"module": "llm-gateway-regex-hider"})

    assert problems == []
    assert extensions.get("plugin", "regex-hider").distribution == "llm-gateway-regex-hider"


def test_the_tracers_npm_name_is_read_as_its_python_counterpart_with_a_notice(tmp_path):
    name = "@nullplatform/llm-gateway-clickhouse-tracer-plugin"

    extensions, problems, notices = found(tmp_path, {"module": name})

    assert problems == []
    assert "clickhouse-tracer" in extensions.names("plugin")
    assert notices == [
        f'"{name}" is read as its Python counterpart, the distribution "llm-gateway-clickhouse-tracer-plugin"'
    ]


@pytest.mark.parametrize(
    ("declared", "wanted"),
    [
        ({"module": "@my-org/my-plugin"}, "is an npm package, which can't be loaded here; .* `module: my_plugin`"),
        ({"module": "@nullplatform/llm-gateway-nothing"}, "a JavaScript package without a Python counterpart"),
        (
            {"module": "no_such_module_anywhere"},
            "install it into the Python environment in which the gateway runs",
        ),
        ({"module": "./plugin.py"}, "write `path:` instead of `module:`"),
        ({"module": "json"}, "defines no plugin, adapter, provider, dialect or store"),
        ({"path": "./plugins/my-plugin/dist/index.js"}, r"JavaScript.*e\.g\. `path: \./plugins/my_plugin\.py`"),
        ({"path": "nothing.py"}, "there is no file or folder"),
        ({"path": "text.txt"}, "neither a Python file"),
        ({"path": "empty"}, r"no __init__\.py"),
        ({"path": "broken.py"}, r"ZeroDivisionError.*broken\.py:2"),
        ({"path": "syntax.py"}, r"syntax\.py:1"),
        ({"path": "imports.py"}, "from . import sibling"),
        ({"path": "nameless.py"}, r"Nameless \(.*nameless\.py:2\) has no name: write @plugin_metadata"),
        ({"path": "model.py"}, r"model\.py:\d+\): `configuration_schema` must be a JSON Schema"),
        ({"path": "future.py"}, "was written for version 9.0 of the plugin interfaces"),
    ],
)
def test_what_can_not_be_loaded_is_reported_with_what_would_be_right(tmp_path, declared, wanted):
    (tmp_path / "text.txt").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.py").write_text("x = 1\ny = x / 0\n")
    (tmp_path / "syntax.py").write_text("def (:\n")
    (tmp_path / "sibling.py").write_text("")
    (tmp_path / "imports.py").write_text("import sibling\n")
    (tmp_path / "nameless.py").write_text("from llm_gateway_sdk import Plugin\nclass Nameless(Plugin):\n    pass\n")
    (tmp_path / "model.py").write_text(
        "from pydantic import BaseModel\nfrom llm_gateway_sdk import Provider\n"
        "class Settings(BaseModel):\n    url: str\n"
        "class Mine(Provider):\n    name = 'mine'\n    configuration_schema = Settings\n"
    )
    (tmp_path / "future.py").write_text(PLUGIN.format(name="future", cls="Future") + "    api_version = (9, 0)\n")

    _, problems, _ = found(tmp_path, declared)

    assert len(problems) == 1
    with pytest.raises(AssertionError, match=wanted):
        raise AssertionError(problems[0])


def test_a_module_next_to_the_configuration_is_hinted_at(tmp_path):
    (tmp_path / "beside.py").write_text("")

    assert "write `path: ./beside.py`" in found(tmp_path, {"module": "beside"})[1][0]


def test_two_classes_of_one_name_are_reported_with_file_and_line(tmp_path):
    (tmp_path / "one.py").write_text(PLUGIN.format(name="same", cls="One"))
    (tmp_path / "two.py").write_text(PLUGIN.format(name="same", cls="Two"))

    _, problems, _ = found(tmp_path, {"path": "one.py"}, {"path": "two.py"})

    assert 'two plugins are named "same"' in problems[0]
    assert "one.py:2" in problems[0]
    assert "two.py:2" in problems[0]


def test_the_same_extension_named_twice_is_not_a_problem(folder):
    assert found(folder, {"path": "extensions.py"}, {"path": "./extensions.py"})[1] == []


def test_an_unchanged_file_gives_the_same_class_and_a_changed_one_another(folder):
    def load():
        return found(folder, {"path": "extensions.py"})[0].get("plugin", "guard")

    first, again = load(), load()
    (folder / "extensions.py").write_text((folder / "extensions.py").read_text() + "\nCHANGED = 1\n")
    changed = load()

    assert first.cls is again.cls
    assert changed.cls is not first.cls
    assert changed.fingerprint != first.fingerprint


def test_installed_names_are_known_without_importing_them():
    extensions = installed()

    assert {"anthropic", "openai", "echo"} <= set(extensions.names("provider"))
    assert "model-router" in extensions.names("plugin")


def test_an_extension_that_is_not_installed_is_reported_with_the_way_to_get_it(monkeypatch):
    extensions = installed()
    monkeypatch.setattr(extensions, "_entry_points", {})

    with pytest.raises(ConfigError, match=r"not installed: /.*python[0-9.]* tools/install\.py gemini"):
        extensions.get("provider", "gemini")


def test_loading_a_file_that_fails_leaves_nothing_behind(tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    before = set(sys.modules)

    found(tmp_path, {"path": "broken.py"})

    assert not {name for name in set(sys.modules) - before if "broken" in name}


def test_the_installed_plugins_have_no_mistakes():
    for extension in installed().all("plugin"):
        assert check_plugin_class(extension.cls) == []


def test_two_installed_plugins_of_one_name_are_reported_with_their_distributions(tmp_path, monkeypatch):
    for distribution in ("one", "two"):
        folder = tmp_path / f"{distribution}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[llm_gateway.plugins]\nsame = {distribution}:Same\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(ConfigError, match=r'two plugins are named "same": .*; uninstall one') as reported:
        installed().get("plugin", "same")
    assert "one:Same of one" in str(reported.value)
    assert "two:Same of two" in str(reported.value)


def test_a_class_may_be_added_as_it_is():
    from llm_gateway_sdk import Plugin, plugin_metadata

    extensions = installed()
    mine = plugin_metadata(name="mine")(type("Mine", (Plugin,), {}))
    extensions.add_class(mine)

    assert extensions.get("plugin", "mine").cls is mine
    with pytest.raises(ConfigError, match="is not a plugin, adapter, provider, dialect or store"):
        extensions.add_class(int)
