import asyncio

import pytest

from llm_gateway.loading import load_text
from llm_gateway.provider_checks import problem_of_credential
from llm_gateway_sdk import ConfigError

BROKEN = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
CORS = """\
server: {{cors: {{enabled: true, origins: ["{origin}"]}}}}
models: [{{name: e, provider: {{type: echo}}}}]
"""
TEMPLATE = """\
models:
  - name: m
    isDefault: true
    provider:
      type: {type}
      config:
        {settings}
"""


def loaded(settings, *, type="openai", environ=None):
    text = TEMPLATE.format(type=type, settings=settings)
    return load_text(text, environ=environ or {})


def problems(settings, **options):
    with pytest.raises(ConfigError) as caught:
        loaded(settings, **options)
    found = [str(problem) for problem in caught.value.problems]
    assert all(problem.startswith("gateway.yaml:") for problem in found), found
    return found


@pytest.mark.parametrize("type", ["openai", "anthropic", "azure-openai", "gemini", "groq"])
@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://user:pass@host/v1", "user and password"),
        ("http://token@host/v1", "user and password"),
        ("http://host/v1 ", "white space"),
        ("http://ho st/v1", "white space"),
        ("http://host:99999/v1", "Port out of range"),
        ("http://host:x/v1", "not an address"),
        ("http://host:0/v1", "port 0"),
        ("http://", "no host"),
        ("https:///v1", "no host"),
        ("http://[::1", "not an address"),
        ("http://[zz]/v1", "not an address"),
        ("https://bücher.example/v1", "ASCII"),
        ("https://host/v1?api-version=2024-10-21", "query"),
        ("https://host/v1?", "query"),
        ("https://host/v1#x", "fragment"),
        ("https://host/v1#", "fragment"),
    ],
)
def test_addresses_that_can_not_work(type, url, wanted):
    [found] = problems(f'baseUrl: "{url}"', type=type)
    assert found.startswith("gateway.yaml:7: models[0].provider.config.baseUrl:")
    assert wanted in found
    assert "pass@" not in found


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "https://[::1]:8443/v1",
        "https://xn--bcher-kva.example/v1/",
        "http://host:8080/models/@cf/x",
    ],
)
def test_addresses_that_work(url):
    loaded(f'baseUrl: "{url}"')


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("apiKey", "k\n"), ("apiKey", " k"), ("apiKey", "a b"), ("apiKey", "\ufeffk"), ("apiKey", "ключ"),
        ("apiKey", "k\r\n\r\n"), ("apiKey", "a\x00b"), ("organization", "o\n"),
    ],
)  # fmt: skip
def test_credentials_that_can_not_be_sent(setting, value):
    [found] = problems(f'{setting}: "${{KEY}}"', environ={"KEY": value})
    assert f"config.{setting}:" in found
    assert value not in found or len(value) < 2


@pytest.mark.parametrize("value", ["sk-abc_DEF.123+/=", "k", "a" * 5000])
def test_credentials_that_can_be_sent(value):
    assert problem_of_credential(value) is None


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [("x-a", "1\\n", "CR, LF or NUL"), ("x-a", "1\\r\\nx-b: 2", "CR, LF or NUL"), ("x a", "1", "header name"),
     ("x-a", "\\0", "NUL"), ("x-a", "ключ", "Latin-1")],
)  # fmt: skip
def test_headers_that_can_not_be_sent(name, value, wanted):
    [found] = problems(f'headers: {{"{name}": "{value}", "x-good": "ü"}}')
    assert wanted in found


@pytest.mark.parametrize(
    "proxy",
    ["https://proxy:3128", "socks5://proxy:1080", "http://", "http://proxy:99999", "http://proxy:0", "http://pro xy:1",
     "http://proxy:3128/path", "http://u:secretpassword@"],
)  # fmt: skip
def test_proxies_that_can_not_work(proxy):
    [found] = problems(f'proxy: "{proxy}"')
    assert "expected http://[user:password@]host:port" in found
    assert "secretpassword" not in found


@pytest.mark.parametrize("proxy", ["http://proxy:3128", "http://u:p@proxy", "proxy:3128", "http://[::1]:3128/"])
def test_proxies_that_work(proxy):
    loaded(f'proxy: "{proxy}"')


@pytest.mark.parametrize("setting", ["caFile: {0}", "clientCert: {0}", "clientCert: [{0}, {0}]"])
@pytest.mark.parametrize("content", [None, "", "not PEM", BROKEN])
def test_certificates_that_can_not_be_loaded(tmp_path, setting, content):
    file = tmp_path / "c.pem"
    if content is not None:
        file.write_text(content)
    [found] = problems(setting.format(file))
    assert "expected a PEM file" in found
    assert setting.partition(":")[0] in found


@pytest.mark.parametrize("limit", ["timeout", "connectTimeout", "firstTokenTimeout", "streamIdleTimeout"])
@pytest.mark.parametrize("value", ["0", "0s", '"0ms"'])
def test_limits_of_nothing(limit, value):
    [found] = problems(f"{limit}: {value}")
    assert "a limit of 0" in found


@pytest.mark.parametrize(
    ("type", "url", "wanted"),
    [
        ("openai", "https://host/v1/chat/completions", "ends with /chat/completions"),
        ("openai", "https://host/v1/responses/", "ends with /responses"),
        ("anthropic", "https://host/v1/messages", "ends with /messages"),
        ("openai", "https://host/v1/v1", "/v1 is in the address twice"),
    ],
)
def test_addresses_that_are_probably_not_meant_give_a_notice(type, url, wanted):
    notices = loaded(f"baseUrl: {url}\n        apiKey: k", type=type).notices
    assert any(wanted in notice and "baseUrl" in notice for notice in notices), notices


def test_several_problems_are_found_at_once():
    found = problems('{baseUrl: "http://h#", apiKey: "a b", proxy: "socks5://p", timeout: 0, caFile: /nowhere}')
    assert len(found) == 5


@pytest.mark.parametrize(
    "origin",
    ["https://*.example", "https://app.example/", "app.example", "https://APP.example", "https://app.example:443", "",
     "https://app.example/path", "https://u@app.example", "https://app.example:x"],
)  # fmt: skip
def test_origins_that_no_browser_sends(origin):
    text = (
        f'server: {{cors: {{enabled: true, origins: ["{origin}"]}}}}\nmodels: [{{name: e, provider: {{type: echo}}}}]'
    )
    with pytest.raises(ConfigError, match=r"origins\[0\]: expected scheme://host"):
        load_text(text, environ={})


@pytest.mark.parametrize("origin", ["*", "https://app.example", "http://localhost:5173", "http://[::1]:3000", "null"])
def test_origins_that_browsers_send(origin):
    text = (
        f'server: {{cors: {{enabled: true, origins: ["{origin}"]}}}}\nmodels: [{{name: e, provider: {{type: echo}}}}]'
    )
    assert load_text(text, environ={}).config.server.cors.origins == [origin]


def test_checking_works_inside_a_running_loop():
    async def check():
        return problems('baseUrl: "http://h#"')

    assert len(asyncio.run(check())) == 1
