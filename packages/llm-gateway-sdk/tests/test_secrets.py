import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.secrets import is_secret_header, is_secret_name, mask, mask_text, secrets_in_text


@pytest.mark.parametrize(
    "name",
    [
        "apiKey",
        "apikeys",
        "api_key",
        "access_token",
        "secretAccessKey",
        "password",
        "Authorization",
        "key",
        "sig",
        "OPENAI_API_KEY",
        "x-vault-token",
        "x-sessiontoken",
        "cookie",
        "set-cookie",
        "x-csrf-token",
        "proxyPassword",
        "X-Auth-Request-Access-Token",
        "cf-access-jwt-assertion",
        "x-goog-api-key",
        "sentryDsn",
        "tls_private",
    ],
)
def test_names_of_secrets_are_known(name):
    assert is_secret_name(name)
    assert is_secret_header(name)


@pytest.mark.parametrize(
    "name",
    [
        "name",
        "max_tokens",
        "monkey",
        "accessKeyId",
        "credentials",
        "caFile",
        "keepAlive",
        "tokens",
        "author",
        "x-ratelimit-remaining-tokens",
        "idempotency-key",
        "prompt_cache_key",
        "keyHeader",
        "passThrough",
    ],
)
def test_other_names_are_not_taken_for_secrets(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["x-amzn-oidc-data", "x-ms-client-principal", "x-forwarded-client-cert", "x-goog-iap-jwt-assertion"]
)
def test_headers_in_which_proxies_pass_credentials(name):
    assert is_secret_header(name)
    assert is_secret_header(name.upper())


@pytest.mark.parametrize(
    ("text", "shown", "secret"),
    [
        ("http://user:hunter2@proxy:3128", "http://…@proxy:3128", "hunter2"),
        ("http://us%40er:hun%2Fter2@proxy:3128", "http://…@proxy:3128", "hun/ter2"),
        ("postgres://u:hunt/er2@db/x", "postgres://…@db/x", "hunt/er2"),
        ("postgres://u:hunt#er2@db/x", "postgres://…@db/x", "hunt#er2"),
        ("redis://:hunter2@cache:6379/0", "redis://…@cache:6379/0", "hunter2"),
        ("https://publickey@sentry.example/1", "https://…@sentry.example/1", "publickey"),
        ("host=db user=u password=hunter2", "host=db user=u password=…", "hunter2"),
        ("Server=db;Password=hunter2;Timeout=3", "Server=db;Password=…;Timeout=3", "hunter2"),
        ("https://api.example/v1?api_key=hunter2&x=1", "https://api.example/v1?api_key=…&x=1", "hunter2"),
        ("socks5://a:b@h, http://c:d@e", "socks5://…@h, http://…@e", "d"),
    ],
)
def test_secrets_inside_addresses(text, shown, secret):
    assert mask_text(text) == shown
    assert secret in secrets_in_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://api.example/v1",
        "http://host:8080/models/@cf/meta",
        "https://api.example/@scope/x",
        "a=b",
        "max_tokens=5",
        "http://[::1]:8080/v1",
        "user@example.com",
        "https://api.example/v1?model=a@b",
    ],
)
def test_other_texts_stay_as_they_are(text):
    assert mask_text(text) == text


def test_a_masked_secret_shows_at_most_two_characters():
    assert mask("short") == "…"
    assert mask("sk-0123456789abcdefghij") == "…ij"


@given(st.from_regex(r"[A-Za-z0-9]{8,20}", fullmatch=True), st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True))
def test_no_password_of_an_address_is_shown(password, user):
    assert password not in mask_text(f"http://{user}:{password}@127.0.0.1:1/p").replace("http://…@127.0.0.1:1/p", "")


@given(st.text(max_size=200))
def test_any_text_is_masked_without_an_error(text):
    mask_text(text)
    secrets_in_text(text)
