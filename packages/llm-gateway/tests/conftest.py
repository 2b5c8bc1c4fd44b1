"""Extensions of the tests' own: a file that a configuration names by path."""

from pathlib import Path

import pytest

EXTENSIONS = '''
from llm_gateway_sdk import Adapter, Plugin, Provider, plugin_metadata


class Made(Provider):
    """Answers what it is told to."""

    name = "made"
    configuration_schema = {
        "type": "object",
        "properties": {
            "apiKey": {"type": "string", "x-secret": True},
            "model": {"type": "string"},
            "timeout": {"type": "number", "x-duration": True, "default": 600000},
            "retries": {"type": "integer", "minimum": 1},
        },
        "additionalProperties": False,
    }


class Spoken(Adapter):
    name = "spoken"
    dialect = "openai_chat"


@plugin_metadata(
    name="guard",
    version="1.2.0",
    description="Refuses words",
    keywords=["test"],
    configuration_schema={
        "type": "object",
        "properties": {
            "words": {"type": "array", "items": {"type": "string"}, "description": "What is refused."},
            "mode": {"enum": ["refuse", "mask"], "default": "refuse"},
            "model": {"type": "string", "x-llm-gateway-ref": "model"},
            "prompt": {"type": "string", "x-template": True},
        },
        "required": ["words"],
        "additionalProperties": False,
        "examples": [{"words": ["secret"]}],
    },
)
class Guard(Plugin):
    async def validate_config(self, config):
        return "words[0]: must not be empty" if "" in config["words"] else True

    def before_model(self, ctx):
        pass
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `extensions.py`, which defines the provider `made`, the adapter `spoken` and the plugin `guard`."""
    (tmp_path / "extensions.py").write_text(EXTENSIONS)
    return tmp_path
