"""The gateway's own log: form, levels, request ids, secrets."""

from __future__ import annotations

import io
import json
import logging
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from monitored_gateway import Monitored, Process

from llm_gateway.config.schema import LoggingConfig
from llm_gateway.exchange.log_context import current_request_id, words_are_hidden
from llm_gateway.loading import load_text
from llm_gateway.server import logs
from llm_gateway.server.logs import configure_logging, mask_secrets_of
from llm_gateway_sdk import ConfigError, Plugin, RequestContext, plugin_metadata

ECHO = "models: [{name: echo, isDefault: true, provider: {type: echo}}]\n"
CANARY = 'canary"se\\cret-value'


@pytest.fixture(autouse=True)
def kept_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process's logging is put back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in ("llm_gateway.exchange", "httpx", "asyncio")}
    monkeypatch.setattr(logs, "_configured", None)
    monkeypatch.setattr(logs, "_known", set())
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, former in levels.items():
        logging.getLogger(name).setLevel(former)


def configure(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> io.StringIO:
    """What is written to the console from now on."""
    console = io.StringIO()
    monkeypatch.setattr("sys.stderr", console)
    configure_logging(LoggingConfig.model_validate(settings))
    return console


def test_json_lines_hold_level_logger_message_fields_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    console = configure(monkeypatch, format="json")
    logging.getLogger("llm_gateway.some").warning("it is %d", 7, extra={"target": "gpt"})

    entry = json.loads(console.getvalue())

    assert entry.pop("time").endswith("Z")
    assert entry == {"level": "warning", "logger": "llm_gateway.some", "message": "it is 7", "target": "gpt"}


def test_exceptions_stay_in_one_json_line(monkeypatch: pytest.MonkeyPatch) -> None:
    console = configure(monkeypatch, format="json")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("x").exception("failed")

    (line,) = console.getvalue().splitlines()
    assert "ValueError: broken" in json.loads(line)["error"]


@pytest.mark.parametrize("form", ["json", "simple"])
@pytest.mark.parametrize("hidden", [True, False])
def test_where_plugins_edit_exceptions_are_written_without_their_text(
    monkeypatch: pytest.MonkeyPatch, form: str, hidden: bool
) -> None:
    console = configure(monkeypatch, format=form)

    quoted = f"my number is {4711}"

    def fail() -> None:
        try:
            int(quoted)
        except ValueError as error:
            raise RuntimeError("can't read " + quoted) from error

    token = words_are_hidden.set(hidden)
    try:
        fail()
    except RuntimeError:
        logging.getLogger("x").exception("failed")
    finally:
        words_are_hidden.reset(token)

    text = console.getvalue()
    assert ("number is 4711" in text) is not hidden
    for shown in ("ValueError", "RuntimeError", "in fail", "failed"):
        assert shown in text


def test_simple_lines_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    console = configure(monkeypatch, format="simple")
    logging.getLogger("llm_gateway.some").info("hello")

    assert console.getvalue().rstrip().endswith("INFO    llm_gateway.some  hello")


def test_what_a_client_sends_neither_begins_a_line_nor_steers_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    console = configure(monkeypatch, format="simple")
    logging.getLogger("x").info("path %s", "/a\n12:00:00 ERROR   forged\r\x1b[2Jgone\x9b1m")

    written = console.getvalue()

    assert "\n12:00:00" not in written
    assert not {"\r", "\x1b", "\x9b"} & set(written)


def test_levels_can_be_set_per_module(monkeypatch: pytest.MonkeyPatch) -> None:
    console = configure(monkeypatch, level="warning", levels={"llm_gateway.exchange": "debug"})
    logging.getLogger("llm_gateway.exchange").debug("deep")
    logging.getLogger("llm_gateway.server").info("chatter")

    assert "deep" in console.getvalue()
    assert "chatter" not in console.getvalue()


def test_foreign_modules_write_lines_for_debugging_only_where_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    console = configure(monkeypatch, level="debug", levels={"my_plugin": "debug"})
    for name in ("websockets.client", "a_library", "my_plugins", "my_plugin", "my_plugin.part", "llm_gateway_logger"):
        logging.getLogger(name).debug("deep in %s", name)
        logging.getLogger(name).info("chatter of %s", name)

    written = console.getvalue()
    assert re.findall(r"deep in (\S+)", written) == ["my_plugin", "my_plugin.part", "llm_gateway_logger"]
    assert len(re.findall("chatter of", written)) == 6


def test_a_file_is_written_and_may_be_rotated_away(tmp_path: Path) -> None:
    file = tmp_path / "gateway.log"
    configure_logging(LoggingConfig.model_validate({"destinations": ["file"], "file_path": str(file)}))
    logging.getLogger("x").warning("first")
    file.rename(tmp_path / "old.log")
    logging.getLogger("x").warning("second")

    assert "first" in (tmp_path / "old.log").read_text()
    assert "second" in file.read_text()


def test_a_file_that_cannot_be_written_is_a_configuration_error(tmp_path: Path) -> None:
    config = LoggingConfig.model_validate({"destinations": ["file"], "file_path": str(tmp_path / "no" / "x.log")})

    with pytest.raises(ConfigError, match=r"logging\.file_path.*can't be written"):
        configure_logging(config)


@plugin_metadata(name="chatty")
class Chatty(Plugin):
    def before_model(self, ctx: RequestContext) -> None:
        logging.getLogger("chatty").warning("before")

    async def detached_after_response(self, ctx: RequestContext) -> None:
        logging.getLogger("chatty").warning("after")


@pytest.mark.parametrize("form", ["json", "simple"])
def test_lines_of_a_request_carry_its_id_from_every_logger(
    monitored: Callable[..., Monitored], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    client = monitored(ECHO + "plugins: [{name: mine, type: chatty}]", extensions=[Chatty])
    console = configure(monkeypatch, format=form)
    for number in range(3):
        client.chat("hello", headers={"x-request-id": f"req-{number}"})

    lines = [line for line in console.getvalue().splitlines() if "chatty" in line]

    assert len(lines) == 6
    for number in range(3):
        assert sum(f"req-{number}" in line for line in lines) == 2
    assert current_request_id.get() is None


LINES = [
    "authorization: Bearer hunter2",
    "('authorization', 'Bearer hunter2')",
    "(b'x-api-key', b'hunter2')",
    '{"x-goog-api-key": "hunter2"}',
    "cookie: session=hunter2",
    "apiKey=hunter2",
    "password: 'hunter2'",
    "GET https://host/v1beta/models?key=hunter2&alt=sse",
    "clickhouse://user:hunter2@host:9000/db",
    "token sk-hunter2hunter2hunter2",
    "refused Bearer hunter2hunter2",
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("form", ["json", "simple"])
def test_what_looks_like_a_credential_is_masked(monkeypatch: pytest.MonkeyPatch, form: str, line: str) -> None:
    console = configure(monkeypatch, format=form)
    logging.getLogger("x").warning(line)

    written = console.getvalue()

    assert "hunter2" not in written.replace("sk-hun", "")
    assert "***" in written
    if form == "json":
        json.loads(written)


def test_words_after_a_settings_name_are_not_a_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    console = configure(monkeypatch)
    logging.getLogger("x").warning("models[0].provider.config.apiKey: expected a text, Basic errors, key=value pairs")

    assert "apiKey: expected a text, Basic errors" in console.getvalue()


@pytest.mark.parametrize("form", ["json", "simple"])
def test_configured_secrets_are_masked_wherever_they_are(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    config = load_text(
        """
models:
  - name: m
    isDefault: true
    provider: {type: openai, config: {apiKey: "${CANARY}", model: a-long-model-name}}
plugins:
  - name: auth
    type: basic-apikey-auth
    config: {apikeys: [canary-client-key, {name: team-blue-one, key: canary-second-key}]}
admin: {enabled: true, apiKey: canary-admin-key}
monitoring: {otel: {headers: {x-collector: canary-collector}}}
""",
        environ={"CANARY": CANARY},
    ).config
    mask_secrets_of(config)
    console = configure(monkeypatch, format=form)
    logging.getLogger("x").warning(
        "%s %r canary-client-key canary-second-key team-blue-one a-long-model-name", CANARY, {"k": CANARY},
        extra={"others": ["canary-admin-key", "canary-collector"]},
    )  # fmt: skip

    written = console.getvalue()

    assert "canary" not in written
    assert "team-blue-one a-long-model-name" in written


def test_a_served_gateway_logs_no_secret_of_its_clients_or_its_own(start: Callable[..., Process]) -> None:
    settings = "baseUrl: 'http://127.0.0.1:9/v1', apiKey: canary-provider-key, model: m, retryDelay: 1"
    provider = f"{{type: openai, config: {{{settings}}}}}"
    gateway = start(
        f"""
models: [{{name: m, isDefault: true, provider: {provider}}}]
plugins: [{{name: log, type: logger, config: {{level: debug}}}}]
logging: {{level: debug, format: json}}
"""
    )
    request = urllib.request.Request(
        f"{gateway.url}/v1/chat/completions?key=canary-query-key",
        b'{"model": "m", "messages": [{"role": "user", "content": "hello"}]}',
        {"content-type": "application/json", "authorization": "Bearer canary-client-key", "cookie": "canary-cookie"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=15)
    answer = refused.value.read().decode()
    refused.value.close()
    gateway.stop()

    assert "canary" not in answer
    assert "canary" not in str(refused.value.headers)
    assert "canary" not in gateway.log
    assert "req_" in gateway.log
