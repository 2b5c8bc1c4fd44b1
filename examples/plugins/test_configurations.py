"""The configuration that stands in the head of each example is one that the gateway takes."""

import ast
import textwrap
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXAMPLES = sorted(path for path in HERE.glob("*.py") if not path.name.startswith("test_"))
MODELS = "\n".join(
    ["models:", *(f"  - {{name: {name}, provider: {{type: echo}}}}" for name in ("gpt", "claude")), "", ""]
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_configuration_in_its_head_loads(path):
    testing = pytest.importorskip("llm_gateway.testing")
    paragraphs = ast.get_docstring(ast.parse(path.read_text()), clean=False).split("\n\n")
    lines = textwrap.dedent(next(each for each in paragraphs if each.startswith("    ")))

    with testing.gateway_client(MODELS + lines, directory=HERE) as client:
        assert client.get("/v1/models").status == 200
        assert [plugin.name for plugin in client.gateway.default_project.scope.chain.plugins]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_has_its_test(path):
    assert (HERE / f"test_{path.name}").is_file()
