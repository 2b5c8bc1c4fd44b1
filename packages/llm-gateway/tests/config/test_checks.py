"""What no single value shows: each problem between settings is found, at its place, and all at once."""

from __future__ import annotations

import pytest

from llm_gateway.loading import load_text
from llm_gateway_sdk.errors import ConfigError

ECHO = "{type: echo}"
MODEL = "models: [{name: a, provider: {type: echo}}]\n"


def problems(text: str) -> list[str]:
    try:
        load_text(text, environ={})
    except ConfigError as error:
        return [f"{problem.path}: {problem.message}" for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("models: [{name: a, provider: {type: echo}}, {name: a, provider: {type: echo}}]", "models[1].name",
         'another model is named "a" already (line 1); rename one'),
        ("models: [{name: a, aliases: [''], provider: {type: echo}}]", "models[0].aliases[0]", "can't be empty"),
        ("models: [{name: a, aliases: [b], provider: {type: echo}}, {name: b, provider: {type: echo}}]",
         "models[0].aliases[0]", 'the alias "b" is taken by the model "b"'),
        ("models: [{name: a, isDefault: true, provider: {type: echo}}, "
         "{name: b, isDefault: true, provider: {type: echo}}]",
         "models[1].isDefault", 'only one model can be the default, and "a" is already'),
        (MODEL + "plugins: [{name: l, type: logger}, {name: l, type: logger}]", "plugins[1].name", "another plugin"),
        (MODEL + "plugins: [{name: l, type: logger, conditions: {paths: ['/(/']}}]",
         "plugins[0].conditions.paths[0]", "is not a regular expression"),
        (MODEL + "projects: [{name: v1}]", "projects[0].name", "its address is in use"),
        (MODEL + "projects: [{name: openai}]", "projects[0].name", "its address is in use"),
        (MODEL + "projects: [{name: health}]", "projects[0].name", "its address is in use"),
        (MODEL + "projects: [{name: default}]", "projects[0].name", "its address is in use"),
        (MODEL + "monitoring: {metrics: {path: /figures/all}}\nprojects: [{name: figures}]",
         "projects[0].name", "in use"),
        (MODEL + "projects: [{name: x}, {name: x}]", "projects[1].name", "another project"),
        ("server: {port: 1}", "", "no models are configured"),
        (MODEL + "defaultProject: false", "defaultProject", "nothing would be served"),
        (MODEL + "admin: {enabled: true}", "admin.apiKey", "expected a credential"),
        (MODEL + "requestTimeout: 0", "", "0 would end every request at once"),
        (MODEL + "logging: {destinations: [file]}", "logging.file_path", "expected a path"),
        (MODEL + "server: {cors: {enabled: true}}", "server.cors.origins", "at least one origin"),
        (MODEL + "server: {cors: {enabled: true, credentials: true, origins: ['*']}}",
         "server.cors.origins", "can't be combined"),
    ],
    ids=lambda value: None if not isinstance(value, str) or "\n" in value or len(value) > 40 else value,
)  # fmt: skip
def test_a_problem_is_found_at_its_place(text: str, path: str, message: str) -> None:
    found = problems(text)

    assert any(each.startswith(path) and message in each for each in found), found


@pytest.mark.parametrize(
    ("origin", "remedy"),
    [
        ("https://app.example.com", None),
        ("https://app.example.com:8443", None),
        ("http://[::1]:3000", None),
        ("*", None),
        ("null", None),
        ("https://app.example.com/", "write https://app.example.com"),
        ("https://app.example.com:443", "write https://app.example.com"),
        ("HTTPS://APP.example.com", "write https://app.example.com"),
        ("https://*.example.com", "only `*` alone is a wildcard"),
        ("app.example.com", "expected scheme://host"),
        ("https://app.example.com:port", "expected scheme://host"),
        ("https://münchen.example", "expected scheme://host"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(origin: str, remedy: str | None) -> None:
    found = problems(MODEL + f"server: {{cors: {{enabled: true, origins: ['{origin}']}}}}")

    assert (found == []) if remedy is None else (len(found) == 1 and remedy in found[0])


def test_all_problems_are_reported_at_once() -> None:
    models = "models: [{name: a, provider: {type: echo}}, {name: a, provider: {type: echo}}]\n"
    text = models + "projects: [{name: v1}, {name: v1}]"

    assert len(problems(text)) >= 3
