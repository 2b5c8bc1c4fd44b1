"""Writes a new extension: a complete small distribution whose tests pass as generated."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from string import Template
from typing import Literal, get_args

__all__ = ["Kind", "create"]

Kind = Literal["plugin", "provider", "adapter"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def create(name: str, kind: str = "plugin", directory: str | Path = ".") -> Path:
    """Makes the folder `name` in `directory` and returns it.

    `name` is its type in the configuration and the distribution's name: lower-case words joined by hyphens. Raises
    ValueError for a name or kind that can't be, FileExistsError where the folder is there already.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"there is no kind '{kind}'; known: {', '.join(get_args(Kind))}")
    module = _module_of(name)
    folder = Path(directory) / name
    if folder.exists():
        raise FileExistsError(f"{folder} exists already")
    values = {
        "name": name,
        "module": module,
        "cls": "".join(word.capitalize() for word in name.split("-")),
        "kind": kind,
    }
    for path, text in {**_COMMON, **_KINDS[kind]}.items():
        file = folder / Template(path).substitute(values)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(Template(text).substitute(values), encoding="utf-8")
    return folder


def _module_of(name: str) -> str:
    if not _NAME.fullmatch(name):
        suggested = re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()).strip("-")
        hint = f"; '{suggested}' would do" if _NAME.fullmatch(suggested) else ""
        raise ValueError(f"'{name}' can't be a name: lower-case letters and digits, words joined by hyphens{hint}")
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in ("llm_gateway", "llm_gateway_sdk"):
        raise ValueError(f"'{name}' can't be a name: Python has a module or word of that name; try 'my-{name}'")
    return module


_COMMON = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "$name"
dynamic = ["version"]
description = "A $kind for LLM Gateway."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["llm-gateway-sdk>=0.1,<0.2"]

[project.optional-dependencies]
test = ["pytest>=8"]

# The gateway finds it by this, wherever it is installed.
[project.entry-points."llm_gateway.${kind}s"]
$name = "$module:$cls"

[tool.hatch.version]
path = "src/$module/__init__.py"

[tool.hatch.build.targets.wheel]
packages = ["src/$module"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["src"]
""",
    "src/$module/py.typed": "",
    "src/$module/__init__.py": '''\
"""A $kind for LLM Gateway."""

__version__ = "0.1.0"

from .$kind import $cls

__all__ = ["$cls"]
''',
    ".gitignore": "__pycache__/\n.venv/\ndist/\n.pytest_cache/\n",
}

_PLUGIN = {
    "src/$module/plugin.py": '''\
"""Refuses questions that are too long, and writes plain dashes in answers."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import ChunkContext, Plugin, PluginResult, RequestContext, ResponseContext, plugin_metadata

from . import __version__

SCHEMA = {
    "type": "object",
    "properties": {
        "maxCharacters": {
            "type": "integer",
            "minimum": 1,
            "default": 10000,
            "description": "The longest question that is let through.",
        },
    },
    "additionalProperties": False,
}


@plugin_metadata(
    name="$name",
    version=__version__,
    description="Refuses questions that are too long, and writes plain dashes in answers.",
    configuration_schema=SCHEMA,
)
class $cls(Plugin):
    operations = frozenset({"generate"})

    async def configure(self, config: Any) -> None:
        # Configured once; nothing of a single request is kept on `self`.
        self._max_characters: int = config.get("maxCharacters", 10000)

    def before_model(self, ctx: RequestContext) -> PluginResult | None:
        """Before the model is asked: refuse, or change `ctx.request`. None means go on."""
        asked = sum(len(message.text) for message in ctx.request.messages if message.role == "user")
        if asked > self._max_characters:
            return PluginResult(success=False, status=413, error=f"Ask in {self._max_characters} characters.")
        return None

    def after_model(self, ctx: ResponseContext) -> None:
        """After a whole reply."""
        ctx.response.map_text(plain)

    def after_chunk(self, ctx: ChunkContext) -> None:
        """After each chunk of a stream: change `ctx.buffered_chunk`."""
        ctx.buffered_chunk.map_text(plain)


def plain(text: str) -> str:
    return text.replace("\\u2014", "-").replace("\\u2013", "-")
''',
    "tests/test_$module.py": """\
from llm_gateway_sdk.testing import PluginHarness, assert_stream_invariant

from $module import $cls


def test_answers_have_plain_dashes() -> None:
    reply = PluginHarness($cls).ask("Why?", reply="Well \\u2014 because.")

    assert reply.text == "Well - because."


def test_streamed_answers_too() -> None:
    reply = PluginHarness($cls).stream(["Well \\u2014", " because."])

    assert [chunk.text for chunk in reply.chunks] == ["Well -", " because."]


def test_long_questions_are_refused() -> None:
    reply = PluginHarness($cls, {"maxCharacters": 5}).ask("Why is that?")

    assert reply.status == 413
    assert reply.requests == []  # the model was not asked


def test_however_a_stream_is_cut_the_client_sees_the_same() -> None:
    assert_stream_invariant($cls, texts="One \\u2014 two \\u2013 three.", forbidden=["\\u2014", "\\u2013"])
""",
    "gateway.yaml": """\
# llm-gateway start --config gateway.yaml
models:
  - name: echo
    isDefault: true
    provider: {type: echo}      # repeats what it is sent: no key, no network

plugins:
  - name: $name
    type: $name
    config:
      maxCharacters: 200

# Not installed? This loads it from here instead of `pip install -e .`:
# availablePlugins:
#   - path: .
""",
    "README.md": """\
# $name

A plugin for LLM Gateway: it refuses questions that are too long, and writes plain dashes in answers.

```yaml
plugins:
  - name: $name
    type: $name
    config:
      maxCharacters: 10000
```

| option | default | meaning |
|---|---|---|
| `maxCharacters` | `10000` | the longest question that is let through |

## Working on it

```sh
pip install -e ".[test]"
pytest
```

and, where `llm-gateway` is installed too:

```sh
llm-gateway start --config gateway.yaml
curl localhost:3000/v1/chat/completions -H "content-type: application/json" \\
  -d '{"model": "echo", "messages": [{"role": "user", "content": "Hello \u2014 there"}]}'
```
""",
}

_PROVIDER = {
    "src/$module/provider.py": '''\
"""Answers requests without a server: the last message, backwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar

from llm_gateway_sdk import Call, Choice, LLMRequest, LLMResponse, Message, Provider, TextPart, Usage


class $cls(Provider):
    """Repeats the message backwards."""

    name = "$name"
    configuration_schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "model": {"type": "string", "description": "The model name that it answers with."},
            "greeting": {"type": "string", "default": "", "description": "Put in front of each answer."},
        },
        "additionalProperties": False,
    }

    async def configure(self, config: dict[str, Any]) -> None:
        await super().configure(config)
        self._greeting: str = config.get("greeting", "")

    async def execute(self, request: LLMRequest, call: Call) -> LLMResponse:
        """The whole reply. Failures are ModelError and its kinds (ModelHTTPError, ModelTimeout, ...)."""
        words = self._answer(request)
        message = Message("assistant", [TextPart("".join(words), index=0)])
        return LLMResponse(
            call.new_id("$name-"), call.model, call.now(), [Choice(0, message, "stop")], _usage(request, words)
        )

    async def execute_streaming(self, request: LLMRequest, call: Call) -> AsyncIterator[LLMResponse]:
        """The same in chunks. Fragments of one part share its index; the last chunk has `final` set."""
        words = self._answer(request)
        yield LLMResponse(call.new_id("$name-"), call.model, call.now(), [Choice(0, Message("assistant"))])
        for word in words:
            yield LLMResponse(choices=[Choice(0, Message("assistant", [TextPart(word, index=0)]))])
        yield LLMResponse(choices=[Choice(0, Message("assistant"), "stop")], usage=_usage(request, words), final=True)

    def _answer(self, request: LLMRequest) -> list[str]:
        asked = request.messages[-1].text if request.messages else ""
        return [word for word in (self._greeting, *asked[::-1].split(" ")) if word]


def _usage(request: LLMRequest, words: list[str]) -> Usage:
    asked = sum(len(message.text.split()) for message in request.messages)
    return Usage(input_tokens=asked, output_tokens=len(words), estimated=True)
''',
    "tests/test_$module.py": """\
import pytest
from llm_gateway_sdk import ConfigError
from llm_gateway_sdk.testing import ProviderHarness

from $module import $cls


def test_it_answers() -> None:
    reply = ProviderHarness($cls, {"greeting": "So: "}).ask("abc")

    assert reply.text == "So: cba"
    assert reply.response.finish_reason == "stop"


def test_a_stream_adds_up_to_the_whole() -> None:
    harness = ProviderHarness($cls)

    assert harness.stream("abc def").text == harness.ask("abc def").text


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ConfigError):
        ProviderHarness($cls, {"greetings": "?"})
""",
    "gateway.yaml": """\
# llm-gateway start --config gateway.yaml
models:
  - name: backwards
    isDefault: true
    provider:
      type: $name
      config:
        greeting: "So: "

# Not installed? This loads it from here instead of `pip install -e .`:
# availableExtensions:
#   - path: .
""",
    "README.md": """\
# $name

A provider for LLM Gateway. It repeats the message backwards; put the call of your own engine in its place. For a
provider whose HTTP API is that of OpenAI or Anthropic, derive from `HTTPProvider` instead: a name, a dialect and an
address are enough.

```yaml
models:
  - name: backwards
    provider:
      type: $name
      config:
        greeting: "So: "
```

| option | default | meaning |
|---|---|---|
| `model` | | the model name that it answers with |
| `greeting` | | put in front of each answer |

## Working on it

```sh
pip install -e ".[test]"
pytest
```

and, where `llm-gateway` is installed too:

```sh
llm-gateway start --config gateway.yaml
```
""",
}

_ADAPTER = {
    "src/$module/adapter.py": '''\
"""Lets clients of an API of your own in: its routes, and what the gateway answers itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from llm_gateway_sdk import Adapter, Headers, ModelEntry, Route, WireReply, WireRequest


class $cls(Adapter):
    """Chat Completions under its own paths: `/{project}/$name/chat` and `/{project}/$name/models`."""

    name = "$name"
    dialect = "openai_chat"
    # Bodies are read and written by the dialect; a format that no dialect speaks needs its own.
    routes: ClassVar[Sequence[Route]] = (
        Route("POST", "/chat", "generate", "openai_chat", "/chat/completions", bare=False),
        Route("GET", "/models", "models", "openai_chat", "/models", bare=False),
    )

    def list_models(self, models: Sequence[ModelEntry], wire: WireRequest) -> WireReply:
        return _json([{"name": model.name, "default": model.is_default} for model in models])

    def estimate_reply(self, input_tokens: int) -> WireReply:
        return _json({"tokens": input_tokens})


def _json(body: Any) -> WireReply:
    return WireReply(200, Headers([("content-type", "application/json")]), json.dumps(body).encode())
''',
    "tests/test_$module.py": """\
import json

from llm_gateway_sdk import ModelEntry, WireRequest

from $module import $cls


def test_models_are_listed() -> None:
    reply = $cls().list_models([ModelEntry("gpt", is_default=True), ModelEntry("claude")], WireRequest())

    assert json.loads(reply.body) == [{"name": "gpt", "default": True}, {"name": "claude", "default": False}]


def test_counts_are_reported() -> None:
    assert json.loads($cls().estimate_reply(7).body) == {"tokens": 7}


def test_every_route_names_the_dialect_of_its_bodies() -> None:
    assert {route.dialect for route in $cls.routes} == {"openai_chat"}
""",
    "gateway.yaml": """\
# llm-gateway start --config gateway.yaml
models:
  - name: echo
    isDefault: true
    provider: {type: echo}

adapters:
  - name: $name
    type: $name
  - name: openai
    type: openai

# Not installed? This loads it from here instead of `pip install -e .`:
# availableExtensions:
#   - path: .
""",
    "README.md": """\
# $name

An adapter for LLM Gateway: Chat Completions under its own paths.

```yaml
adapters:
  - name: $name
    type: $name
```

## Working on it

```sh
pip install -e ".[test]"
pytest
```

and, where `llm-gateway` is installed too:

```sh
llm-gateway start --config gateway.yaml
curl localhost:3000/$name/chat -H "content-type: application/json" \\
  -d '{"messages": [{"role": "user", "content": "Hello"}]}'
```
""",
}

_KINDS = {"plugin": _PLUGIN, "provider": _PROVIDER, "adapter": _ADAPTER}
