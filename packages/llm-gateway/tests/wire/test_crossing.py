# ruff: noqa: SIM905
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.wire.crossing import Crossing, never_forwarded, upstream_to_client

OF_PROXIES = """
    authorization proxy-authorization x-api-key x-goog-api-key api-key cookie forwarded via
    x-forwarded-access-token x-forwarded-user x-forwarded-email x-forwarded-groups x-forwarded-client-cert
    x-forwarded-preferred-username x-forwarded-for x-forwarded-host x-forwarded-port x-original-forwarded-for
    x-auth-request-access-token x-auth-request-user x-auth-request-email cf-access-jwt-assertion cf-ray
    cf-connecting-ip true-client-ip x-client-ip x-real-ip x-cluster-client-ip fastly-client-ip x-amzn-oidc-data
    x-amzn-oidc-accesstoken x-amzn-oidc-identity x-amzn-mtls-clientcert x-amzn-trace-id x-goog-iap-jwt-assertion
    x-goog-authenticated-user-email x-goog-authenticated-user-id x-amz-security-token x-ms-token-aad-access-token
    x-ms-client-principal x-ms-client-principal-name x-vault-token x-csrf-token x-litellm-api-key x-remote-user
    remote-user x-webauth-user x-authentik-username x-user-id baggage origin referer sec-fetch-site
    sec-websocket-key x-request-id x-llm-gateway-timeout x-anything openai-api-key anthropic-auth-token
    x-stainless-secret host content-length te expect upgrade
""".split()
OF_SERVERS = """
    access-control-allow-origin access-control-allow-credentials access-control-expose-headers location
    content-location refresh link x-accel-redirect x-accel-buffering x-sendfile x-lighttpd-send-file x-reproxy-url
    clear-site-data www-authenticate proxy-authenticate authentication-info via server set-cookie set-cookie2
    cf-ray strict-transport-security content-security-policy alt-svc nel report-to service-worker-allowed
    x-frame-options transfer-encoding content-length content-encoding connection keep-alive upgrade trailer date
    vary x-request-id x-llm-gateway-model x-powered-by x-goog-upload-url openai-organization openai-project
    anthropic-organization-id sourcemap p3p openai-session-token x-anything
""".split()


@pytest.mark.parametrize("name", OF_PROXIES)
def test_what_proxies_and_browsers_put_on_a_request_stays_here(name):
    assert Crossing().headers([(name, "x")]) == []


@pytest.mark.parametrize(
    "name",
    """
    anthropic-version anthropic-beta openai-beta x-stainless-retry-count user-agent accept
    content-type idempotency-key x-goog-api-client http-referer x-goog-upload-protocol
    x-codex-turn-state x-client-request-id
""".split(),
)
def test_what_the_vendors_apis_know_goes_on(name):
    assert Crossing().headers([(name, "x")]) == [(name, "x")]


@pytest.mark.parametrize("name", ["openai-organization", "openai-project", "anthropic-workspace-id"])
def test_an_account_goes_along_with_its_credential_alone(name):
    headers = [(name, "mine"), ("authorization", "Bearer key")]

    assert Crossing().headers(headers) == []
    assert Crossing().headers(headers, credentials=True) == headers


@pytest.mark.parametrize("name", OF_SERVERS)
def test_what_is_meant_for_servers_and_browsers_does_not_reach_the_client(name):
    assert upstream_to_client([(name, "x")]) == []


@pytest.mark.parametrize(
    "name",
    """
    request-id retry-after retry-after-ms x-should-retry x-ratelimit-remaining-tokens openai-version
    openai-processing-ms anthropic-ratelimit-tokens-reset ratelimit-reset apim-request-id x-amzn-requestid
    content-disposition etag
""".split(),
)
def test_what_an_apis_client_reads_reaches_it(name):
    assert upstream_to_client([(name, "x")]) == [(name, "x")]


def test_headers_named_by_connection_are_for_one_hop():
    headers = [("connection", "close, Anthropic-Beta"), ("anthropic-beta", "x"), ("accept", "y")]
    assert Crossing().headers(headers) == [("accept", "y")]
    given = [("connection", "x-ratelimit-limit"), ("connection", "etag"), ("x-ratelimit-limit", "1"), ("etag", "2")]
    assert upstream_to_client([*given, ("request-id", "3")]) == [("request-id", "3")]


@pytest.mark.parametrize(
    ("parent", "valid"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", True),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", False),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", False),
        ("nonsense", False),
        ("", False),
        (None, False),
    ],
)
def test_a_trace_state_goes_on_with_a_valid_parent_alone(parent, valid):
    headers = [("tracestate", "a=b"), *([("traceparent", parent)] if parent is not None else []), ("accept", "x")]
    assert Crossing().headers(headers) == (headers if valid else [("accept", "x")])


def test_an_operator_names_further_headers():
    crossing = Crossing(["X-Team-*", "x-tenant"])
    kept = [("x-team-name", "a"), ("x-tenant", "b")]
    assert crossing.headers([*kept, ("x-tenants", "c"), ("x-team", "d")]) == kept


def test_no_setting_forwards_credentials_or_framing():
    crossing = Crossing(["*", "a*", "x-*", "c*", "t*", "h*"])
    names = [
        "authorization",
        "api-key",
        "x-api-key",
        "cookie",
        "transfer-encoding",
        "host",
        "content-length",
        "x-llm-gateway-a",
    ]
    assert crossing.headers([(name, "x") for name in names]) == []
    assert all(never_forwarded(name.upper()) for name in names)


def test_the_clients_credential_goes_only_where_it_is_to_be_used():
    headers = [("authorization", "Bearer k"), ("cookie", "c")]
    assert Crossing().headers(headers, credentials=True) == [("authorization", "Bearer k")]


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", ""),
        ("beta=true", "beta=true"),
        ("key=K", ""),
        ("api_key=K&beta=true", "beta=true"),
        ("alt=sse&key=K", "alt=sse"),
        ("%6bey=K", ""),
        ("access_token=K&limit=5&after=a%20b", "limit=5&after=a%20b"),
        ("api-version=2024-10-21&subscription-key=K", "api-version=2024-10-21"),
        ("code=K&x", ""),
        ("include[]=a&include[]=b", "include[]=a&include[]=b"),
        ("include%5B%5D=a", "include%5B%5D=a"),
        ("metadata[team]=a", "metadata[team]=a"),
        ("metadata[token]=a", ""),
        ("&&limit=1", "limit=1"),
    ],
)
def test_query_parameters(query, kept):
    assert Crossing().query(query) == kept


def test_an_operator_names_further_query_parameters():
    assert Crossing(query=["x_*", "tenant"]).query("x_a=1&tenant=2&tenants=3") == "x_a=1&tenant=2"


def test_a_key_in_the_query_is_a_credential_of_the_client():
    assert Crossing().query("key=K&alt=sse", credentials=True) == "key=K&alt=sse"


@given(st.lists(st.tuples(st.text(max_size=80), st.text(max_size=20)), max_size=20), st.text(max_size=200))
def test_whatever_comes_is_only_ever_left_out(headers, query):
    crossing = Crossing()
    assert [item for item in headers if item in crossing.headers(headers)] == crossing.headers(headers)
    assert set(upstream_to_client(headers)) <= set(headers)
    assert set(crossing.query(query).split("&")) <= set(query.split("&")) | {""}
