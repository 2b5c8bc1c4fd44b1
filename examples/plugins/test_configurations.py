"""The configuration that is in the head of each example is one that the gateway takes."""

import ast
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
    head = ast.get_docstring(ast.parse(path.read_text()))
    lines = head.partition("```yaml\n")[2].partition("```")[0]

    with testing.gateway_client(MODELS + lines, directory=HERE) as client:
        assert client.get("/v1/models").status == 200
        assert [plugin.name for plugin in client.gateway.default_project.scope.chain.plugins]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_has_its_test(path):
    assert (HERE / f"test_{path.name}").is_file()
