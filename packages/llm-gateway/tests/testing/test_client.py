import asyncio
import contextlib
import gc

import pytest

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import (
    Choice,
    ConfigError,
    LLMResponse,
    Message,
    Plugin,
    PluginResult,
    Provider,
    TextPart,
    plugin_metadata,
)

ECHO = "models: [{name: echo, isDefault: true, provider: {type: echo}}]\n"


@plugin_metadata(name="shout")
class Shout(Plugin):
    def before_model(self, ctx):
        ctx.reply_headers["X-Shouted"] = "yes\r\nset-cookie: no"
        ctx.reply_headers["content-length"] = "1"

    def after_model(self, ctx):
        ctx.response.map_text(str.upper)

    def after_chunk(self, ctx):
        ctx.buffered_chunk.map_text(str.upper)

    def detached_after_response(self, ctx):
        ctx.metadata["seen"] = ctx.response.text


SHOUTING = ECHO + "plugins: [{name: shout, type: shout}]"


@pytest.fixture
def client():
    with GatewayClient(SHOUTING, extensions=[Shout]) as made:
        yield made


def test_chat_goes_through_the_whole_gateway(client):
    answer = client.chat("hello")

    assert answer.status == 200
    assert answer.json()["choices"][0]["message"]["content"] == "HELLO"
    assert answer.headers["x-llm-gateway-model"] == "echo"
    assert answer.context.metadata["seen"] == "HELLO"


def test_streams_are_kept_piece_by_piece(client):
    answer = client.chat("hello there", stream=True)

    words = [event["choices"][0]["delta"].get("content", "") for event in answer.events if event != "[DONE]"]
    assert "".join(words) == "HELLO THERE"
    assert answer.events[-1] == "[DONE]"
    assert len(answer.pieces) > 1


def test_messages_go_through_too(client):
    assert client.message("hello").json()["content"] == [{"type": "text", "text": "HELLO"}]


def test_headers_of_plugins_reach_the_client_and_can_not_break_the_reply(client):
    for stream in (False, True):
        answer = client.chat("hello", stream=stream)

        assert answer.headers["x-shouted"].split() == ["yes", "set-cookie:", "no"]
        assert "set-cookie" not in answer.headers
        assert answer.headers.get("content-length") in (None, str(len(answer.body)))


def test_management_pages_answer(client):
    assert client.get("/health").json()["status"] == "ok"


def test_paths_that_are_none_have_no_context(client):
    answer = client.get("/nowhere")

    assert (answer.status, answer.context) == (404, None)


def test_a_configuration_that_is_wrong_is_refused():
    with pytest.raises(ConfigError, match='unknown plugin type "shuot"; did you mean "shout"'):
        GatewayClient(SHOUTING.replace("type: shout", "type: shuot"), extensions=[Shout])


def test_a_class_that_is_wrong_is_refused():
    wrong = plugin_metadata(name="wrong")(type("Wrong", (Plugin,), {"afterModel": lambda self, ctx: None}))

    with pytest.raises(ConfigError, match="did you mean `after_model`"):
        GatewayClient(ECHO, extensions=[wrong])


def test_closing_closes_plugins_once():
    closed = []

    class Closing(Plugin):
        def before_model(self, ctx):
            return PluginResult(success=False, status=451)

        async def close(self):
            closed.append(1)

    with GatewayClient(SHOUTING, extensions=[plugin_metadata(name="shout")(Closing)]) as client:
        assert client.chat().status == 451
    client.close()

    assert closed == [1]


@pytest.mark.parametrize("status", [400, 402, 403, 413, 418, 422, 429, 451, 500, 503])
def test_a_client_gets_the_status_that_a_plugin_sets(status):
    class Refusing(Plugin):
        def before_model(self, ctx):
            return PluginResult(success=False, status=status, error="No.")

    with GatewayClient(SHOUTING, extensions=[plugin_metadata(name="shout")(Refusing)]) as client:
        for answer in (client.chat(), client.chat(stream=True), client.message(), client.message(stream=True)):
            assert answer.status == status
            assert answer.json()["error"]["message"] == "No."


def broken():
    async def slow(self, ctx):
        ctx.request.map_text(lambda text: "changed")
        await asyncio.sleep(5)

    return plugin_metadata(name="broken")(type("Broken", (Plugin,), {"before_model": slow}))


@pytest.mark.parametrize(("policy", "status"), [("fail_closed", 500), ("fail_open", 200)])
def test_what_breaks_or_takes_too_long_is_refused_or_undone_as_configured(policy, status):
    plugins = f"plugins: [{{name: guard, type: broken, timeout: 20ms, onError: {policy}}}]"

    with GatewayClient(ECHO + plugins, extensions=[broken()]) as client:
        answer = client.chat("hello")

    assert answer.status == status
    if status == 200:
        assert answer.json()["choices"][0]["message"]["content"] == "hello"
    else:
        assert answer.json()["error"]["message"] == "Plugin 'guard' failed in before_model."


def test_a_plugin_that_can_not_be_loaded_is_one_problem(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from llm_gateway_sdk import Plugin, plugin_metadata\n"
        "@plugin_metadata(name='mine')\n"
        "class Mine(Plugin):\n"
        "    def afterModel(self, ctx): ...\n"
    )
    configuration = ECHO + "availablePlugins: [{path: ./mine.py}]\nplugins: [{name: mine, type: mine}]"

    with pytest.raises(ConfigError) as reported:
        GatewayClient(configuration, directory=tmp_path)

    (problem,) = reported.value.problems
    assert f"{tmp_path}/mine.py:4: Mine has `afterModel`" in problem.message


def test_the_fixture_makes_clients_and_closes_them(gateway_client):
    assert gateway_client(ECHO).chat("hello").json()["choices"][0]["message"]["content"] == "hello"


@pytest.mark.parametrize("leaves_early", [False, True])
def test_a_providers_stream_is_closed_when_the_reply_ends(leaves_early):
    closed = []

    class Endless(Provider):
        name = "endless"

        async def execute_streaming(self, request, call):
            try:
                for number in range(1000):
                    part = TextPart(f"{number} ", index=0)
                    yield LLMResponse(choices=[Choice(0, Message("assistant", [part]))], final=number == 5)
            finally:
                closed.append(True)

    class Stop(Plugin):
        def after_chunk(self, ctx):
            return PluginResult(terminate=leaves_early and "3" in ctx.chunk.text)

    configuration = (
        "models: [{name: m, isDefault: true, provider: {type: endless}}]\nplugins: [{name: stop, type: stop}]"
    )
    with GatewayClient(configuration, extensions=[Endless, plugin_metadata(name="stop")(Stop)]) as client:
        assert client.chat(stream=True).status == 200
        assert closed == [True]


@pytest.mark.parametrize("is_running", [False, True], ids=["no loop runs", "another loop runs"])
def test_a_client_that_is_dropped_without_being_closed_ends_its_tasks(caplog, is_running):
    client = GatewayClient(ECHO)
    loop = client._loop
    tasks = asyncio.all_tasks(loop)
    assert tasks  # the gateway polls the status of batches

    async def drop():
        nonlocal client
        del client
        gc.collect()

    if is_running:
        asyncio.run(drop())
    else:
        with contextlib.suppress(StopIteration):
            drop().send(None)

    assert loop.is_closed()
    assert all(task.done() for task in tasks)
    del tasks
    gc.collect()
    assert "destroyed" not in caplog.text
