"""Settings that work and are probably not meant; typical ones are in tests/configuration/mistakes.txt."""

import pytest
from pydantic import BaseModel, Field

from llm_gateway.loading import load_text
from llm_gateway_sdk import Plugin, plugin_metadata

MODEL = "models: [{name: a, isDefault: true, provider: {type: echo}}]\n"


class Mask(BaseModel):
    width: int = 4


@plugin_metadata(
    name="sender",
    configuration_schema={
        "type": "object",
        "properties": {
            "url": {"type": "string", "x-doubtful": {"^http:": "write https://"}},
            "by": {"type": "string", "x-llm-gateway-caller": {"team": "team"}},
        },
    },
)
class Sender(Plugin):
    pass


def _authentication(fields):
    @plugin_metadata(name="door")
    class Door(Plugin):
        authenticates = True
        principal_fields = fields

    return Door


def notices(text, *classes, **environ):
    return load_text(MODEL + text, environ=environ, classes=classes).notices


def test_a_plugin_names_texts_that_are_probably_not_meant():
    (found,) = notices("plugins: [{name: s, type: sender, config: {url: '${URL}'}}]", Sender, URL="http://secret")

    assert found == "gateway.yaml:2: plugins[0].config.url: write https://"
    assert notices("plugins: [{name: s, type: sender, config: {url: 'https://x'}}]", Sender) == []


class Settings(BaseModel):
    words: int = Field(1000, alias="wordsPerCaller")
    masks: list[Mask] = Field([])


@plugin_metadata(name="counter", configuration_schema=Settings)
class Counter(Plugin):
    pass


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ("{wordsPerCaler: 3}", 'wordsPerCaler: there is no setting "wordsPerCaler"'),
        ("{masks: [{wiht: x}]}", 'masks[0].wiht: there is no setting "wiht"'),
        ("{wordsPerCaller: 3, masks: [{width: 5}], note: ours}", ""),
    ],
)
def test_a_key_that_is_nearly_a_setting_of_a_model_which_ignores_others(config, place):
    found = notices(f"plugins: [{{name: c, type: counter, config: {config}}}]", Counter)

    assert [each for each in found if f"plugins[0].config.{place}" in each] == found
    assert bool(found) is bool(place)


@pytest.mark.parametrize(
    ("fields", "noticed"), [(None, False), (frozenset({"team"}), False), (frozenset({"id"}), True)]
)
def test_what_needs_a_field_of_the_caller_that_no_plugin_finds_out(fields, noticed):
    text = "plugins: [{name: d, type: door}, {name: s, type: sender, config: {by: team}}]"

    found = notices(text, Sender, _authentication(fields))

    assert any('no request has a "team" here' in each for each in found) is noticed


def test_a_project_that_finds_it_out_is_enough():
    project = "projects: [{name: p, plugins: [{name: d, type: door}]}]"
    text = f"plugins: [{{name: s, type: sender, config: {{by: team}}}}]\n{project}"

    assert [each for each in notices(text, Sender, _authentication(None)) if "team" in each] == []


@pytest.mark.parametrize(
    "text",
    [
        "store: {url: 'redis://cache:6379/0'}",
        "store: {url: 'rediss://cache:6380/0'}",
        "store: {url: 'memory:'}",
        "server: {workers: 2}\nstore: {url: 'sqlite:./state.db'}",
        "server: {allowedHosts: ['*', gateway.example, '::1', '[::1]', 192.0.2.7]}",
        "monitoring: {otel: {enabled: true, endpoint: 'http://collector:4318'}}",
        "logging: {destinations: [console, file], file_path: gateway.log}",
        "admin: {enabled: true, apiKey: e0c3d94d7b}",
        "plugins: [{name: k, type: basic-apikey-auth, config: {apikeys: [e0c3d94d7b]}}]",
        r"plugins: [{name: r, type: regex-hider, config: {patterns: [{pattern: '\d/\d'}, {pattern: 'C:\\data'}]}}]",
        "plugins: [{name: l, type: limits, config: {limits: [{name: a, per: [key], requests: 5, window: 1m}]}}]",
    ],
)
def test_what_is_plausible(text):
    pytest.importorskip("llm_gateway_redis_store")
    assert notices(text) == []


@pytest.mark.parametrize(
    ("second", "noticed"),
    [
        ("table: traces", True),  # that of the first by default
        ("url: 'http://ch:8123/'", True),
        ("table: others", False),
        ("url: 'http://elsewhere:8123'", False),
    ],
)
def test_two_plugins_that_record_each_request_at_the_same_place(second, noticed):
    pytest.importorskip("llm_gateway_clickhouse_tracer")
    url = "" if "url" in second else "url: 'http://ch:8123', "
    tracer = "{{name: {}, type: clickhouse-tracer, config: {{clickhouse: {{{}}}}}}}"
    one, two = tracer.format("first", "url: 'http://ch:8123'"), tracer.format("second", url + second)

    found = notices(f"projects: [{{name: p, plugins: [{one}, {two}]}}]")
    assert [each.split(": ", 2)[1] for each in found] == ["projects[0].plugins[1]"] * noticed
    assert all('it records to the same place as "first"' in each for each in found)
    # Of two projects each has its requests.
    assert notices(f"projects: [{{name: p, plugins: [{one}]}}, {{name: q, plugins: [{two}]}}]") == []


@pytest.mark.parametrize(
    ("prices", "noticed"),
    [
        ("{input: 8, output: 2}", True),
        ("{input: 2, output: 8}", False),
        ("{input: 2.5, output: 2}", False),
        ("{input: 2, output: 0}", False),
        ("{input: 2}", False),
    ],
)
def test_prices_of_input_and_output_that_are_swapped(prices, noticed):
    model = "{name: b, isDefault: true, provider: {type: echo}, prices: " + prices + "}"
    found = load_text(f"models: [{model}]", environ={}).notices

    place = "gateway.yaml:1: models[0].prices: "
    assert [each.startswith(place) and each.endswith("probably swapped") for each in found] == [True] * noticed


@pytest.mark.parametrize(("price", "noticed"), [(2, False), (1.2, False), (6, False), (0, False), (0.002, True)])
def test_prices_of_another_unit_than_the_model_books(price, noticed):
    provider = "{type: openai, config: {apiKey: a-key-of-ours, model: gpt-4.1}}"
    text = f"models: [{{name: b, provider: {provider}, prices: {{input: {price}}}}}]"

    found = load_text(text.replace("name: b", "name: b, isDefault: true"), environ={}).notices

    assert any("US dollars per million tokens" in each for each in found) is noticed
