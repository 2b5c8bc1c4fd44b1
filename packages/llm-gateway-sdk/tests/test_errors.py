import inspect
import re

import pytest

import llm_gateway_sdk
from llm_gateway_sdk import errors
from llm_gateway_sdk.errors import (
    LONGEST_MESSAGE,
    ConfigError,
    ConfigProblem,
    DialectError,
    ErrorInfo,
    InvalidRequest,
    ModelError,
    ModelHTTPError,
    ModelNotFound,
    ModelTimeout,
    RequestRejected,
    kind_of_status,
    names_conversation,
    status_of_kind,
)


def test_the_drawing_is_the_tree():
    drawn, parents = {}, {}
    for line in errors.__doc__.splitlines():
        match = re.match(r"^([│├└─ ]*)(\w+)(?: {2,}(\d{3}))?", line)
        if match is None or not hasattr(errors, match[2]):
            continue
        depth = len(match[1]) // 4
        parents[depth] = match[2]
        drawn[match[2]] = (parents[depth - 1] if depth else "Exception", match[3])
    real = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, Exception)}
    assert set(drawn) == set(real)
    for name, (parent, status) in drawn.items():
        assert real[name].__base__.__name__ == parent, name
        assert status is None or real[name].status == int(status), name


def test_everything_that_is_exported_is_there_and_the_other_way_round():
    public = {
        name
        for name, value in vars(llm_gateway_sdk).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public == set(llm_gateway_sdk.__all__)


def test_problems_of_a_configuration_say_where_they_are():
    problem = ConfigProblem("expected a number", "models[0].timeout", "gateway.yaml", 7)

    assert str(problem) == "gateway.yaml:7: models[0].timeout: expected a number"
    assert str(ConfigError([problem, ConfigProblem("no models")])) == f"{problem}\nno models"


def test_errors_know_their_status_and_kind():
    assert ModelNotFound("gpt-9", ["gpt", "claude"]).info().param == "model"
    assert "Available models: gpt, claude." in str(ModelNotFound("gpt-9", ["gpt", "claude"]))
    assert ModelTimeout("first_token").code == "first_token_timeout"
    assert RequestRejected("No.", status=429).kind == "rate_limit"
    assert [kind_of_status(status) for status in (400, 402, 429, 500, 502, 503, 529)] == [
        "bad_request", "quota", "rate_limit", "upstream", "upstream", "overloaded", "overloaded",
    ]  # fmt: skip


def test_another_vendors_error_has_the_status_that_clients_look_for():
    def status(given, kind, usual):
        return status_of_kind(ErrorInfo("No.", given, kind), usual)

    assert status(403, "authentication", 401) == 401, "a wrong key"
    assert status(422, "bad_request", 400) == 422
    assert status(400, "not_found", 404) == 400, "a model that nobody has; the address is right"


BLAMES_THE_REQUEST = {400, 406, 411, 412, 414, 415, 416, 418, 422, 431}


def test_few_statuses_blame_the_request():
    assert {status for status in range(300, 600) if kind_of_status(status) == "bad_request"} == BLAMES_THE_REQUEST


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        ("upstream", (405, 407, 417, 421, 424, 426, 428, 499, 500, 502, 520, 599)),
        ("overloaded", (409, 423, 425, 503, 529)),
        ("not_found", (404, 410)),
        ("too_large", (413,)),
    ],
)
def test_what_other_statuses_mean(kind, statuses):
    assert {kind_of_status(status) for status in statuses} == {kind}


def test_an_error_of_http_takes_its_kind_from_the_status():
    assert [ModelHTTPError("No.", status=status).kind for status in (429, 401, 424)] == [
        "rate_limit", "authentication", "upstream",
    ]  # fmt: skip
    assert ModelHTTPError("No.", status=429, kind="quota").kind == "quota"
    assert (ModelHTTPError("No.").status, ModelHTTPError("No.").kind) == (502, "upstream")


@pytest.mark.parametrize("status", [405, 407, 421, 424, 499])
def test_clients_of_other_apis_are_not_blamed_for_what_is_the_providers(status):
    assert status_of_kind(ErrorInfo("No.", status, "upstream"), 502) == 502


@pytest.mark.parametrize("status", [405, 417, 426])
def test_a_plugins_refusal_is_the_requests_matter(status):
    assert RequestRejected("No.", status=status).kind == "bad_request"


@pytest.mark.parametrize(
    ("param", "message", "expected"),
    [
        ("messages[0].content", "", True),
        ("messages[2].content[0].text", "", True),
        ("input", "", True),
        ("input[3].output", "", True),
        ("prompt", "", True),
        (None, "Invalid 'messages[1].content': string too long.", True),
        ("tools[24].function.name", "", False),
        ("messages[0].name", "", False),
        ("user", "", False),
        ("input[0].id", "", False),
        (None, "Invalid 'tools[0].function.description': string too long.", False),
        (None, "", False),
    ],
)
def test_which_errors_are_about_the_text_of_the_conversation(param, message, expected):
    assert names_conversation(param, message) is expected


def test_a_message_that_quotes_something_long_is_cut() -> None:
    refused = InvalidRequest("no file " + "a" * 10**6, param="b" * 10**6)
    unreadable = DialectError("c" * 10**6, path="d" * 10**6)

    for text in (str(refused), refused.info().message, refused.info().param or "", unreadable.message):
        assert LONGEST_MESSAGE < len(text) < LONGEST_MESSAGE + 100
    assert "1000008 characters" in str(refused)
    assert len(str(unreadable)) < 3 * LONGEST_MESSAGE


def test_a_providers_message_is_whole_and_so_is_the_list_of_what_is_wrong_with_a_configuration() -> None:
    assert len(str(ModelError("a" * 10**6))) == 10**6
    assert len(str(ConfigError([ConfigProblem("a" * 999)] * 100))) == 10**5 - 1
