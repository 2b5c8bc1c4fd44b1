import pytest

from llm_gateway.loading import load_text
from llm_gateway_sdk.errors import ConfigError

MODEL = "models: [{name: a, isDefault: true, provider: {type: echo}}]\n"


def notices(text, **environ):
    return load_text(text, environ=environ).notices


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("server: {limits: {drainTimeout: 30}}", "server.limits.drainTimeout: 30 is 30 milliseconds; write 30s"),
        ("server: {limits: {headerTimeout: 15}}", "write 15s"),
        ("server: {limits: {maxBodyBytes: 64}}", "64 is 64 bytes (the default is 64MiB); write 64MiB"),
        ("plugins: [{name: l, type: logger}]\nupstream: {idleTimeout: 90}", "upstream.idleTimeout"),
        ("breaker: {cooldown: 150000000}", "150000s, for a bare number is in milliseconds"),
    ],
)
def test_numbers_that_were_probably_meant_in_another_unit(text, words):
    (found,) = notices(MODEL + text)

    assert words in found
    assert found.startswith("gateway.yaml:")


@pytest.mark.parametrize(
    "text",
    [
        "server: {limits: {drainTimeout: 30s}}",
        "server: {limits: {drainTimeout: 30000}}",
        "server: {limits: {drainTimeout: 0}}",
        "server: {limits: {drainTimeout: 30ms}}",
        "server: {limits: {drainTimeout: 500}}",
        "server: {limits: {maxBodyBytes: 1048576}}",
        "breaker: {cooldown: 1000}",
    ],
)
def test_numbers_that_are_plausible(text):
    assert notices(MODEL + text) == []


def test_settings_of_extensions_are_looked_at_too():
    provider = "{type: anthropic, config: {apiKey: sk-1, streamIdleTimeout: 30}}"
    (found,) = notices(f"models: [{{name: a, isDefault: true, provider: {provider}}}]")

    assert "streamIdleTimeout: 30 is 30 milliseconds" in found


@pytest.mark.parametrize("value", ["$OPENAI_API_KEY", "%OPENAI_API_KEY%", "{{ OPENAI_API_KEY }}"])
def test_the_name_of_a_variable_in_place_of_its_value(value):
    (found,) = notices(
        f"models: [{{name: a, isDefault: true, provider: {{type: openai, config: {{apiKey: '{value}'}}}}}}]"
    )

    assert 'write "${OPENAI_API_KEY}"' in found


def test_a_variable_that_is_filled_in_is_not_suspicious():
    text = "models: [{name: a, isDefault: true, provider: {type: openai, config: {apiKey: '${KEY}'}}}]"

    assert notices(text, KEY="$weird") == []


@pytest.mark.parametrize("config", ["{}", "{baseUrl: 'https://api.openai.com/v1'}"])
def test_a_provider_without_its_key(config):
    (found,) = notices(f"models: [{{name: a, isDefault: true, provider: {{type: openai, config: {config}}}}}]")

    assert (
        'models[0].provider: no `apiKey`: openai will refuse every request; add `apiKey: "${OPENAI_API_KEY}"`' in found
    )


@pytest.mark.parametrize("config", ["{baseUrl: 'http://127.0.0.1:8000/v1'}", "{apiKey: sk-1}", "{credentials: client}"])
def test_a_provider_that_needs_no_key_of_the_configuration(config):
    found = notices(f"models: [{{name: a, isDefault: true, provider: {{type: openai, config: {config}}}}}]")

    assert not [notice for notice in found if "no `apiKey`" in notice]


def test_a_plugin_of_a_project_that_replaces_the_default_projects():
    plugin = "plugins: [{name: hide, type: logger}]"
    (found,) = notices(f"{MODEL}{plugin}\nprojects:\n  - name: p\n    {plugin}\n")

    assert found.startswith('gateway.yaml:5: projects[0].plugins[0]: replaces the default project\'s plugin "hide"')


def test_a_project_without_models():
    text = "defaultProject: true\nprojects: [{name: p}, {name: q, models: [{name: a, provider: {type: echo}}]}]"

    found = notices(text)
    assert any('project "p" has no models' in notice for notice in found)
    assert any('project "q" has no default model' in notice for notice in found)


def test_a_plugin_of_one_process_excludes_several_workers(folder):
    (folder / "alone.py").write_text(
        "from llm_gateway_sdk import Plugin, plugin_metadata\n\n\n"
        "@plugin_metadata(name='alone', version='1.0.0', description='Runs alone.')\n"
        "class Alone(Plugin):\n    single_process = True\n\n"
        "    async def before_model(self, ctx):\n        pass\n"
    )
    text = (
        f"{MODEL}availablePlugins: [{{path: ./alone.py}}]\nplugins: [{{name: x, type: alone}}]\nserver: {{workers: 2}}"
    )

    with pytest.raises(ConfigError) as caught:
        load_text(text, directory=folder, environ={})
    (problem,) = caught.value.problems
    assert problem.line == 3
    assert "runs in one process only, but `server.workers` is 2" in problem.message


@pytest.mark.parametrize(
    ("url", "noticed"),
    [
        ("https://api.openai.com", True),
        ("https://api.openai.com/", True),
        ("https://api.openai.com/v1", False),
        ("https://api.groq.com", True),
        ("https://proxy.example", False),
    ],
)
def test_an_address_of_a_vendor_without_its_version(url, noticed):
    provider = f"{{type: openai, config: {{apiKey: sk-1, baseUrl: '{url}'}}}}"
    found = notices(f"models: [{{name: a, isDefault: true, provider: {provider}}}]")

    assert any("answers below" in notice for notice in found) is noticed


@pytest.mark.parametrize(("declared", "noticed"), [("", True), ("    on_stream = 'skip'\n", False)])
def test_a_plugin_that_takes_no_part_in_streams(tmp_path, declared, noticed):
    (tmp_path / "guard.py").write_text(
        "from llm_gateway_sdk import Plugin, plugin_metadata\n\n@plugin_metadata(name='guard')\n"
        f"class Guard(Plugin):\n{declared}    async def after_model(self, ctx):\n        return None\n"
    )
    text = MODEL + "availablePlugins: [{path: guard.py}]\nplugins: [{name: g, type: guard}]"
    found = load_text(text, directory=tmp_path, environ={}).draft.notices

    assert ["is left out of streamed replies" in notice for notice in found] == [True] * noticed


def problems(text, directory):
    with pytest.raises(ConfigError) as caught:
        load_text(text, directory=directory, environ={})
    return [problem.message for problem in caught.value.problems]


def test_each_wrong_pattern_is_a_separate_problem(tmp_path):
    patterns = "[{pattern: '(a', replacement: x}, {pattern: '[b', replacement: y}]"
    found = problems(MODEL + f"plugins: [{{name: r, type: regex-hider, config: {{patterns: {patterns}}}}}]", tmp_path)

    assert len(found) == 2


@pytest.mark.parametrize("interval", ["-1", "-5000"])
def test_a_negative_interval_is_refused(tmp_path, interval):
    tracer = f"{{name: t, type: clickhouse-tracer, config: {{flushInterval: {interval}}}}}"

    assert problems(MODEL + f"plugins: [{tracer}]", tmp_path) == ["a duration is not negative, and finite"]


def test_the_embedded_engine_and_several_workers_exclude_each_other(tmp_path):
    tracer = "{name: t, type: clickhouse-tracer, config: {clickhouse: {url: 'chdb:///tmp/traces'}}}"
    found = problems(f"server: {{workers: 2}}\n{MODEL}plugins: [{tracer}]", tmp_path)

    assert len(found) == 1
    assert "runs in one process only" in found[0]


def test_that_is_reported_next_to_other_mistakes_but_where_the_plugins_own_settings_are_wrong(tmp_path):
    tracer = "{name: t, type: clickhouse-tracer, config: {clickhouse: {url: 'chdb:///tmp/traces'}%s}}"
    text = f"server: {{workers: 2}}\nlogging: {{level: loud}}\n{MODEL}plugins: [{tracer}]"
    found = problems(text % "", tmp_path)
    with_a_wrong_setting = problems(text % ", flushInterval: -1", tmp_path)

    assert len(found) == 2
    assert sum("runs in one process only" in message for message in found) == 1
    assert not any("runs in one process only" in message for message in with_a_wrong_setting)


def test_the_tracers_address_is_shown_as_it_is_written(tmp_path):
    for written, shown in (("localhost:8123", "localhost:8123"), ("tcp://user:pass@db:9000", "tcp://…@db:9000")):
        tracer = f"{{name: t, type: clickhouse-tracer, config: {{clickhouse: {{url: '{written}'}}}}}}"
        (found,) = problems(MODEL + f"plugins: [{tracer}]", tmp_path)
        assert f"found '{shown}'" in found


def test_settings_of_a_part_that_is_off_are_noticed_unless_its_switch_is_written():
    text = "models: [{name: m, isDefault: true, provider: {type: echo}}]\n"
    found = load_text(text + 'server: {cors: {origins: ["https://a.example"]}}\n').notices
    assert [each for each in found if "server.cors: it is off" in each]
    for written in ("true", "false"):
        silent = load_text(text + f'server: {{cors: {{enabled: {written}, origins: ["https://a.example"]}}}}\n').notices
        assert not [each for each in silent if "it is off" in each]
