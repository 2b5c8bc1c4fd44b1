import logging

import pytest
from llm_gateway_logger import RequestLogger

from llm_gateway_sdk import Attempt, ConfigError, RequestContext
from llm_gateway_sdk.testing import PluginHarness, assert_survives_every_part


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.DEBUG, "llm_gateway.requests")

    def read():
        return [record for record in caplog.records if record.name == "llm_gateway.requests"]

    return read


def test_each_request_is_one_line_with_its_outcome(lines):
    PluginHarness(RequestLogger, project="shop").ask("How are you?", reply="Fine, thanks.", caller="ann")

    (record,) = lines()
    text = record.getMessage()
    assert record.levelno == logging.INFO
    for field in ("project=shop", "status=200", "model=model", "caller=ann", "input_tokens=3", "output_tokens=2"):
        assert field in text.split()
    assert "How" not in text


def test_streams_have_a_time_of_the_first_token(lines):
    PluginHarness(RequestLogger).stream(["a", "b"])

    assert lines()[0].request["first_token_ms"] >= 0
    assert lines()[0].request["stream"] is True


@pytest.mark.parametrize(("status", "level"), [(400, logging.WARNING), (429, logging.WARNING), (503, logging.ERROR)])
def test_failures_are_graver_and_say_why(lines, status, level):
    PluginHarness(RequestLogger).fail(status)

    (record,) = lines()
    assert (record.levelno, record.request["status"]) == (level, status)
    assert record.request["error"] == f"The scripted model fails with {status}."


def test_what_failed_at_which_provider_is_there_though_another_has_answered(lines):
    first = Attempt("claude", "anthropic/c", status=502, kind="upstream", error="x", reason="api.x.com: refused")
    context = RequestContext(
        request_id="r", project="p", adapter="openai", operation="generate", http_request=None, started=0.0
    )
    context.status = 200
    context.attempts = [first, Attempt("gpt", "openai/gpt", status=200)]
    PluginHarness(RequestLogger).plugin.detached_after_response(context)

    (record,) = lines()
    assert record.levelno == logging.INFO
    assert record.request["failed_attempts"] == ["claude (anthropic/c): 502 upstream (api.x.com: refused)"]
    assert "api.x.com: refused" in record.getMessage()


def test_a_stream_that_broke_is_an_error(lines):
    PluginHarness(RequestLogger).fail(503, after=["half"])

    assert lines()[0].levelno == logging.ERROR


@pytest.mark.parametrize(("level", "written"), [("debug", 3), ("info", 3), ("warning", 2), ("warn", 2), ("error", 1)])
def test_the_level_states_what_is_written(lines, level, written):
    harness = PluginHarness(RequestLogger, {"level": level})
    harness.ask()
    harness.fail(400)
    harness.fail(500)

    assert len(lines()) == written


def test_debug_adds_texts_and_headers_with_secrets_masked(lines):
    secrets = {"authorization": "Bearer sk-1", "x-api-key": "sk-2", "cookie": "sk-3", "x-team": "blue"}
    PluginHarness(RequestLogger, {"level": "debug"}).ask("How are you?", reply="Fine.", headers=secrets)

    fields = lines()[0].request
    assert fields["request"] == "user: How are you?"
    assert fields["response"] == "Fine."
    assert fields["headers"] == {"authorization": "***", "x-api-key": "***", "cookie": "***", "x-team": "blue"}
    assert "sk-" not in lines()[0].getMessage()


def test_what_is_written_may_be_chosen_and_is_cut(lines):
    PluginHarness(RequestLogger, {"include": ["response"], "maxLength": 4}).ask(reply="Fine, thanks.")

    assert lines()[0].request["response"] == "Fine… (13 characters)"
    assert "input_tokens" not in lines()[0].request


def test_a_client_can_not_forge_fields_or_lines(lines):
    PluginHarness(RequestLogger, {"level": "debug"}).ask("a\nb", model="gpt status=500\nlevel=error")

    text = lines()[0].getMessage()
    assert "\n" not in text
    assert 'model_asked="gpt status=500\\nlevel=error"' in text


def test_it_survives_everything():
    assert_survives_every_part(RequestLogger, {"level": "debug"})


def test_unknown_settings_are_refused():
    with pytest.raises(ConfigError, match="'loud' is not one of"):
        PluginHarness(RequestLogger, {"level": "loud"})
