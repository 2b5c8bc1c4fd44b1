import logging
import socket

import pytest

from llm_gateway.monitoring.failure_log import FailureLog
from llm_gateway_sdk import Attempt, NotFound, Overloaded, RequestContext


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "llm_gateway.requests")

    def taken():
        found = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return found

    return taken


def context(*attempts, error=None, project="team"):
    ctx = RequestContext(
        request_id="r", project=project, adapter="openai", operation="generate", http_request=None, started=0.0
    )
    ctx.attempts.extend(attempts)
    ctx.error = error
    return ctx


GOOD = Attempt("gpt", "openai/gpt-4.1", status=200)
BAD = Attempt("claude", "anthropic/claude", status=529, kind="overloaded", error="secret words of the provider")


def test_a_success_is_silent(clock, lines):
    FailureLog(clock=clock).ended(context(GOOD), 200)

    assert lines() == []


def test_a_fallback_names_both_models_and_why(clock, lines):
    FailureLog(clock=clock).ended(context(BAD, GOOD), 200)

    assert lines() == ["fallback: project team, claude (anthropic/claude): 529 overloaded; gpt answered"]


def test_a_retry_of_the_same_model_is_called_so(clock, lines):
    failed = Attempt("gpt", "openai/gpt-4.1", status=500, kind="upstream", error="x")
    FailureLog(clock=clock).ended(context(failed, GOOD), 200)

    assert lines() == ["retried: project team, gpt (openai/gpt-4.1): 500 upstream; gpt answered"]


def test_a_failure_names_status_kind_and_attempts_but_no_text_of_the_provider(clock, lines):
    FailureLog(clock=clock).ended(context(BAD, error=Overloaded("secret words of the provider")), 529)

    (line,) = lines()
    assert line == "failed: 529 overloaded, project team, openai generate, claude (anthropic/claude): 529 overloaded"


def test_a_cause_that_repeats_is_logged_once_in_a_while_with_a_count(clock, lines):
    failures = FailureLog(clock=clock)
    for _ in range(5):
        failures.ended(context(BAD, GOOD), 200)
    assert len(lines()) == 1

    clock.now = 11.0
    failures.ended(context(BAD, GOOD), 200)
    assert lines()[0].endswith("gpt answered (and 4 more like it)")


def test_another_cause_is_not_held_back(clock, lines):
    failures = FailureLog(clock=clock)
    failures.ended(context(BAD, GOOD), 200)
    failures.ended(context(BAD, error=Overloaded("x")), 529)

    assert len(lines()) == 2


def test_refusals_of_the_server_are_logged(clock, lines):
    FailureLog(clock=clock).refused("", "POST", "/nowhere" + "x" * 1000, NotFound("There is no route."))

    (line,) = lines()
    assert line.startswith("refused: 404 not_found, POST /nowhere")
    assert len(line) < 300


def test_a_misspelled_path_is_logged_with_the_one_that_was_meant_whatever_scanners_ask_for(clock, lines):
    failures = FailureLog(clock=clock)
    for path in ("/wp-login.php", "/.env"):
        failures.refused("", "POST", path, NotFound("There is no route."))
    failures.refused("", "POST", "/suport/v1/messages", NotFound("There is no route."), "/support/v1/messages")

    assert lines() == [
        "refused: 404 not_found, POST /wp-login.php",
        "refused: 404 not_found, POST /suport/v1/messages; probably meant: /support/v1/messages",
    ]


def test_refusals_of_the_server_are_logged_where_a_plugin_logs_exchanges(clock, lines):
    FailureLog({"team"}, clock=clock).refused("team", "POST", "/v1/messages", NotFound("There is no route."))

    assert len(lines()) == 1


def test_a_client_that_left_is_silent(clock, lines):
    FailureLog(clock=clock).ended(context(GOOD, error=Overloaded("x")), 499)

    assert lines() == []


def test_a_project_with_a_line_per_request_is_left_to_it(clock, lines):
    FailureLog({"team"}, clock=clock).ended(context(BAD, GOOD), 200)

    assert lines() == []


def test_causes_are_bounded(clock, lines):
    failures = FailureLog(clock=clock)
    for number in range(5000):
        failures.ended(context(BAD, error=Overloaded("x"), project=f"p{number}"), 529)

    assert len(failures._causes) <= 1000


def test_what_failed_on_the_way_to_which_host_is_named(clock, lines):
    unreachable = Attempt(
        "claude", "anthropic/claude", status=502, kind="upstream", reason="api.anthropic.com: connection refused"
    )
    FailureLog(clock=clock).ended(context(unreachable, GOOD), 200)

    failed = "claude (anthropic/claude): 502 upstream (api.anthropic.com: connection refused)"
    assert lines() == [f"fallback: project team, {failed}; gpt answered"]


@pytest.mark.parametrize("engine", ["httptools", "aiohttp"])
def test_a_provider_that_cant_be_reached_is_named_in_the_log_and_not_to_the_client(
    engine, gateway_client, lines, caplog
):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]  # bound and not listening: connections are refused
        gateway = gateway_client(
            f"""
            maxRetries: 1
            upstream: {{engine: {engine}}}
            models:
              - name: gpt
                isDefault: true
                provider:
                  type: openai
                  config:
                    baseUrl: "http://127.0.0.1:{port}/v1"
                    apiKey: sk-x
                    retryAttempts: 2
                    retryDelay: 1ms
            """
        )
        caplog.set_level(logging.INFO, "llm_gateway.exchange")
        reply = gateway.post(
            "/v1/chat/completions", json={"model": "gpt", "messages": [{"role": "user", "content": "Hello"}]}
        )

    FailureLog().ended(reply.context, reply.status)
    assert reply.status == 502
    assert str(port) not in reply.text
    assert "connection refused. The gateway's log has its address." in reply.text
    found = lines()
    assert [f"127.0.0.1:{port}: connection refused" in line for line in found] == [True] * len(found)
    assert len(found) == 2  # the retry, and the failure
