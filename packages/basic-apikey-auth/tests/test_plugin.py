import hashlib

import pytest
from llm_gateway_basic_apikey_auth import BasicApiKeyAuth

from llm_gateway_sdk import ConfigError
from llm_gateway_sdk.testing import PluginHarness

KEYS = {"apikeys": ["your-api-key-1", {"name": "reports", "key": "your-api-key-2"}]}


@pytest.fixture
def harness():
    return PluginHarness(BasicApiKeyAuth, KEYS)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer your-api-key-1"},
        {"authorization": "bearer   your-api-key-1 "},
        {"x-api-key": "your-api-key-1"},
        {"api-key": "your-api-key-1"},
        {"x-goog-api-key": "your-api-key-1"},
        {"authorization": "Bearer of-another-service", "x-api-key": "your-api-key-1"},
    ],
)
def test_a_known_key_is_let_in_from_any_header(harness, headers):
    assert harness.ask(headers=headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic your-api-key-1"},
        {"authorization": "your-api-key-1"},
        {"x-api-key": "your-api-key-1x"},
        {"x-api-key": "YOUR-API-KEY-1"},
        {"x-api-key": ""},
    ],
)
def test_anything_else_is_refused_before_the_model_is_asked(harness, headers):
    reply = harness.ask(headers=headers)

    assert (reply.status, reply.error.code, reply.error.kind) == (401, "invalid_api_key", "authentication")
    assert reply.requests == []


@pytest.mark.parametrize("operation", ["generate", "count_tokens", "embed", "models", "native"])
def test_every_operation_needs_a_key(harness, operation):
    assert harness.ask(operation=operation).status == 401
    assert harness.ask(operation=operation, headers={"x-api-key": "your-api-key-1"}).status == 200


def test_streams_need_a_key_too(harness):
    assert harness.stream().status == 401


def test_without_a_key_the_error_explains_how_to_send_one(harness):
    assert "`Authorization: Bearer …` or `x-api-key`" in str(harness.ask().error)
    assert str(harness.ask(headers={"x-api-key": "wrong"}).error) == "The API key is not valid."


def test_the_holder_is_the_caller_and_the_key_is_nowhere(harness):
    named = harness.ask(headers={"x-api-key": "your-api-key-2"})
    nameless = harness.ask(headers={"x-api-key": "your-api-key-1"})

    assert (named.context.caller, nameless.context.caller) == ("reports", "key-1")
    assert "your-api-key-2" not in repr((named.context.metadata, named.context.plugin_data))


def test_a_key_without_a_name_stays_its_own_wherever_it_is_in_the_list():
    def holder_of(key, keys):
        return PluginHarness(BasicApiKeyAuth, {"apikeys": keys}).ask(headers={"x-api-key": key}).context.principal

    before, after = holder_of("second-key", ["first-key", "second-key"]), holder_of("second-key", ["second-key"])
    other = holder_of("first-key", ["first-key", "second-key"])

    assert (before.name, after.name, other.name) == ("key-2", "key-1", "key-1")
    assert before.id == after.id != other.id


def test_a_digest_may_replace_a_key():
    digest = hashlib.sha256(b"schl\xc3\xbcssel").hexdigest().upper()
    harness = PluginHarness(BasicApiKeyAuth, {"apikeys": [{"name": "ann", "sha256": digest}]})

    assert harness.ask(headers={"x-api-key": "schlüssel"}).context.caller == "ann"
    assert harness.ask(headers={"x-api-key": digest}).status == 401


def test_guessing_is_slowed_down_and_those_who_know_are_let_in():
    harness = PluginHarness(BasicApiKeyAuth, {**KEYS, "maxFailures": 2})
    wrong = {"x-api-key": "wrong"}

    assert [harness.ask(headers=wrong, client_ip="10.0.0.1").status for _ in range(3)] == [401, 401, 429]
    assert harness.ask(headers=wrong, client_ip="10.0.0.1").error.retry_after == 60.0
    assert harness.ask(headers=wrong, client_ip="10.0.0.2").status == 401
    assert harness.ask(headers={"x-api-key": "your-api-key-1"}, client_ip="10.0.0.1").status == 200


def test_guessing_has_no_limit_where_that_is_wished():
    harness = PluginHarness(BasicApiKeyAuth, {**KEYS, "maxFailures": 0})

    assert {harness.ask(headers={"x-api-key": "wrong"}).status for _ in range(50)} == {401}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "'apikeys' is a required property"),
        ({"apikeys": []}, "apikeys"),
        ({"apikeys": [""]}, r"apikeys\.0"),
        ({"apikeys": ["  "]}, "an empty key would accept any caller"),
        ({"apikeys": ["a", {"name": "b", "key": "${KEY}"}]}, r"apikeys\[1\]: the key holds an unresolved"),
        ({"apikeys": [{"key": "nameless"}]}, r"apikeys\.0"),
        ({"apikeys": [{"name": "both", "key": "a", "sha256": "0" * 64}]}, r"apikeys\.0"),
        ({"apiKeys": ["a"]}, "apiKeys"),
    ],
)
def test_settings_that_would_not_protect_are_refused(config, words):
    with pytest.raises(ConfigError, match=words):
        PluginHarness(BasicApiKeyAuth, config)


def test_the_holder_is_the_principal(harness):
    reply = harness.ask(headers={"x-api-key": "your-api-key-2"})

    principal = reply.context.principal
    assert (principal.id, principal.name, principal.source) == ("reports", "reports", "basic-apikey-auth")
    assert (principal.models, reply.context.caller) == (None, "reports")


@pytest.mark.parametrize("credential", ["gw_abcdefghijkl_" + "x" * 33, "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln"])
def test_forms_of_other_plugins_are_refused_without_one_and_never_count_as_guesses(harness, credential):
    for _ in range(30):
        assert harness.ask(headers={"x-api-key": credential}).status == 401
    assert harness.ask(headers={"x-api-key": "wrong"}).status == 401
