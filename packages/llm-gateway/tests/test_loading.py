import asyncio

import pytest

from llm_gateway.loading import load, load_text
from llm_gateway_sdk.errors import ConfigError

HEAD = """
availablePlugins: [{path: ./extensions.py}]
adapters: [{name: spoken}]
"""
GUARD = "{name: b, type: guard, config: {words: []}}"
MODELS = "models: [{name: gpt, isDefault: true, provider: {type: made}}]\n"


def loaded(folder, text, environ=None):
    return load_text(HEAD + text, directory=folder, environ=environ or {})


def problems_of(folder, text, environ=None):
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, environ)
    return [str(problem).removeprefix("gateway.yaml:") for problem in caught.value.problems]


def test_every_problem_is_reported_at_once_with_its_line_and_what_would_be_right(folder):
    text = """
server:
  prot: 3000
  port: high
models:
  - name: gpt
    isDefault: true
    provider: {type: maed, config: {apiKey: "${NOPE}"}}
  - name: gpt
    isDefault: true
    provider: {type: made, config: {retries: 0, modle: x}}
  - name: lame
    provider: {}
plugins:
  - {name: a, type: guard, config: {words: no-list, mode: msak}}
  - {name: b, type: gaurd}
  - {name: c, type: guard, config: {words: [x], model: gtp}}
  - {name: d, type: guard, config: {words: [""]}}
  - {name: e, type: guard}
projects:
  - name: health
  - name: a b
logging: {level: loud, destinations: [file]}
admin: {enabled: true}
"""
    found = problems_of(folder, text)
    expected = [
        '6: server.prot: unknown key "prot"; did you mean "port"?',
        '7: server.port: expected a whole number, found "high"',
        '11: models[0].provider.type: unknown provider type "maed"; did you mean "made"?',
        "11: models[0].provider.config.apiKey: the variable NOPE is not set",
        '12: models[1].name: another model is named "gpt" already (line 9); rename one',
        "13: models[1].isDefault: only one model can be the default",
        "14: models[1].provider.config.retries: expected 1 or more, found 0",
        '14: models[1].provider.config.modle: unknown key "modle"; did you mean "model"?',
        '16: models[2].provider: "type" is missing',
        '18: plugins[0].config.words: expected a list, found "no-list"',
        '18: plugins[0].config.mode: expected refuse or mask, found "msak"; did you mean "mask"?',
        '19: plugins[1].type: unknown plugin type "gaurd"; did you mean "guard"?',
        '20: plugins[2].config.model: unknown model "gtp"; did you mean "gpt"?',
        "21: plugins[3].config.words[0]: must not be empty",
        '22: plugins[4].config: "words" is missing',
        "24: projects[0].name: \"health\" can't be a project's name",
        "25: projects[1].name: expected a name of letters, digits",
        '26: logging.level: expected debug, info, warning or error, found "loud"',
        "26: logging.file_path: expected a path",
        "27: admin.apiKey: expected a credential",
    ]
    for wanted in expected:
        assert any(problem.startswith(wanted) for problem in found), wanted
    assert len(found) == len(expected) + 1  # the unknown model is reported once more, for the project `health`


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("models: []", "no models are configured"),
        (MODELS + "defaultProject: false", "nothing would be served"),
        (MODELS + "projects: [{name: x}, {name: x}]", 'another project is named "x" already'),
        (MODELS + "projects: [{name: openai}]", "its address is in use"),
        (MODELS + "projects: [{name: spoken}]", "its address is in use"),
        (MODELS + "projects: [{name: default}]", "its address is in use"),
        (MODELS + "projects: {name: x}", "projects: expected a list, found a mapping"),
        (MODELS + "server: [1]", "server: expected a mapping, found a list"),
        (MODELS + "server: {limits: {drainTimeout: soon}}", "expected a duration"),
        (MODELS + "server: {limits: {maxBodyBytes: lots}}", "expected a size"),
        (MODELS + "server: {cors: {enabled: true}}", "expected at least one origin"),
        (MODELS + "maxRetries: -1", "expected 0 or more, found -1"),
        (MODELS + "availableExtensions: [{}]", "expected either `module` or `path`"),
        (MODELS + "plugins: [{name: a, type: guard, priority: 1001, config: {words: []}}]", "expected 1000 or less"),
        (
            MODELS + "plugins: [{name: a, type: guard, config: {words: []}, conditions: {paths: ['/(/']}}]",
            "/(/ is not a regular expression",
        ),
        ("models: [{name: a, aliases: [b], provider: {type: made}}, {name: b, provider: {type: made}}]", "is taken by"),
        (MODELS + "plugins: [{name: a, type: clickhouse-tracer-x}]", "unknown plugin type"),
    ],
)
def test_settings_that_do_not_fit_together_are_reported(folder, text, wanted):
    assert any(wanted in problem for problem in problems_of(folder, text))


def test_one_mistake_does_not_make_others(folder):
    found = problems_of(
        folder,
        "models: [{name: gpt, provider: {}}]\nplugins: [{name: a, type: guard, config: {words: [], model: gpt}}]",
    )

    assert len(found) == 1
    assert "is missing" in found[0]


def test_a_model_of_another_project_is_unknown(folder):
    text = """
models: [{name: gpt, provider: {type: made}}]
projects:
  - name: one
    models: [{name: own, aliases: [alias], provider: {type: made}}]
    plugins: [{name: a, type: guard, config: {words: [], model: alias}}]
  - name: two
    plugins: [{name: a, type: guard, config: {words: [], model: own}}]
"""
    (problem,) = problems_of(folder, text)

    assert 'projects[1].plugins[0].config.model: unknown model in the project "two" "own"' in problem


def test_a_disabled_plugin_needs_nothing(folder):
    result = loaded(
        folder, MODELS + "plugins: [{name: a, type: not-installed, enabled: false, config: {k: '${NOPE}'}}]"
    )

    assert result.config.projects["default"].plugins == []


def test_variables_reach_settings_in_their_types(folder):
    text = """
server: {port: "${PORT}", trustProxy: "${TRUST}"}
models:
  - name: gpt
    provider:
      type: made
      config: {apiKey: "${KEY}", retries: "${RETRIES}", timeout: "${TIMEOUT:-15s}"}
plugins:
  - {name: a, type: guard, config: {words: "${WORDS}", prompt: "Say ${PROMPT}"}}
"""
    result = loaded(folder, text, {"PORT": "8080", "TRUST": "yes", "KEY": "007", "RETRIES": "2", "WORDS": "a, b"})

    assert (result.config.server.port, result.config.server.trust_proxy) == (8080, True)
    project = result.config.projects["default"]
    assert project.models[0].provider.config == {"apiKey": "007", "retries": 2, "timeout": 15000}
    assert project.plugins[0].config == {"words": ["a", "b"], "prompt": "Say ${PROMPT}"}
    assert type(project.models[0].provider.config) is dict


def test_an_env_file_next_to_the_configuration_is_read(folder):
    (folder / ".env").write_text("KEY=from-file\nOTHER=from-file\n")
    (folder / "gateway.yaml").write_text(
        HEAD + "models: [{name: gpt, provider: {type: made, config: {apiKey: '${KEY}', model: '${OTHER}'}}}]"
    )

    result = load(folder / "gateway.yaml", environ={"KEY": "from-environment"})

    assert result.config.projects["default"].models[0].provider.config == {
        "apiKey": "from-environment",
        "model": "from-file",
    }


def test_json_is_read_as_json(folder):
    text = """{"availableExtensions": [{"path": "extensions.py"}], "adapters": [{"name": "spoken"}],
	"models": [{"name": "gpt", "provider": {"type": "made"}}], "server": {"port": 1e3}}"""

    assert load_text(text, directory=folder, environ={}).config.server.port == 1000


def test_both_names_of_available_plugins_are_joined(folder):
    (folder / "more.py").write_text(
        "from llm_gateway_sdk import Plugin, plugin_metadata\n@plugin_metadata(name='more')\nclass More(Plugin): pass\n"
    )
    result = loaded(
        folder,
        MODELS + f"availableExtensions: [{{path: more.py}}]\nplugins: [{{name: a, type: more}}, {GUARD}]",
    )

    assert [plugin.type for plugin in result.config.projects["default"].plugins] == ["more", "guard"]


def test_sections_with_nothing_in_them_have_their_defaults(folder):
    result = loaded(folder, MODELS + "server:\nplugins:\nprojects:\nlogging:\nmonitoring: {health_check: }\n")

    assert result.config.server.port == 3000
    assert result.config.monitoring.health_check.endpoint == "/health"


def test_durations_and_sizes_are_loaded_as_seconds_and_bytes(folder):
    limits = loaded(
        folder, MODELS + "server: {limits: {drainTimeout: 1500, keepAlive: 5s, maxBodyBytes: 1MiB}}"
    ).config.server.limits

    assert (limits.drain_timeout_seconds, limits.keep_alive_seconds, limits.max_body_bytes) == (1.5, 5.0, 1 << 20)
    assert (limits.queue_timeout_seconds, limits.max_concurrent, limits.max_queued) == (30.0, 4096, 1024)


def test_settings_tell_where_they_are_written(folder):
    result = loaded(folder, MODELS + "projects: [{name: x, plugins: [{name: a, type: guard, config: {words: []}}]}]")

    assert result.config.projects["x"].plugins[0].where == "projects[0].plugins[0]"
    assert result.config.projects["x"].models[0].where == "models[0]"
    assert result.config.logging.where == ""


def test_without_the_default_project_bare_addresses_have_nothing_but_inheritance_stays(folder):
    result = loaded(folder, MODELS + "defaultProject: false\nprojects: [{name: x}]")

    assert result.config.default_project is None
    assert [model.name for model in result.config.projects["x"].models] == ["gpt"]


def test_the_version_changes_with_values_and_with_code_only(folder):
    first = loaded(folder, MODELS).version

    assert loaded(folder, MODELS + "# a comment").version == first
    assert loaded(folder, MODELS + "maxRetries: 1").version != first
    (folder / "extensions.py").write_text((folder / "extensions.py").read_text() + "\nCHANGED = 1\n")
    assert loaded(folder, MODELS).version != first


def test_a_configuration_can_be_loaded_while_an_event_loop_runs(folder):
    async def inside():
        return loaded(folder, MODELS + "plugins: [{name: a, type: guard, config: {words: [x]}}]")

    assert asyncio.run(inside()).config.projects["default"].plugins[0].config == {"words": ["x"]}


def test_a_missing_file_is_reported_with_the_one_that_was_meant(tmp_path):
    (tmp_path / "gateway.yaml").write_text("")

    with pytest.raises(ConfigError, match=r"there is no such file; did you mean .*gateway\.yaml"):
        load(tmp_path / "gatewy.yaml")


def test_secrets_are_not_in_messages(folder):
    text = """
models: [{name: gpt, provider: {type: made, config: {apiKey: [sk-canary-0123456789], model: {a: 1}}}}]
admin: {apiKey: [canary]}
server: {port: "${SECRET}"}
plugins: [{name: a, type: guard, config: {words: [], mode: "${SECRET}"}}]
"""
    found = problems_of(folder, text, {"SECRET": "canary"})

    assert not any("canary" in problem for problem in found)
    assert any("server.port: expected a whole number, found the value of ${SECRET}" in problem for problem in found)


def test_a_project_without_a_default_model_is_noticed(folder):
    result = loaded(folder, "models: [{name: gpt, provider: {type: made}}]")

    assert result.notices == ['the project "default" has no default model: requests must name one of its models']
    assert loaded(folder, MODELS).notices == []
