import pytest

from llm_gateway.server.browser_guard import BrowserGuard
from llm_gateway.testing import GatewayClient

HERE = "127.0.0.1:3000"


@pytest.fixture
def guard():
    return BrowserGuard(["gateway.company.example"], lambda origin: origin == "https://app.example")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": HERE},
        {"host": "localhost:3000"},
        {"host": "LOCALHOST:3000"},
        {"host": "[::1]:3000"},
        {"host": "10.1.2.3"},
        {"host": "gateway"},
        {"host": "gateway.team.svc.cluster.local:80"},
        {"host": "host.docker.internal:3000"},
        {"host": "gateway.company.example"},
        {"host": HERE, "origin": f"http://{HERE}", "sec-fetch-site": "same-origin"},
        {"host": HERE, "sec-fetch-site": "none"},
        {"host": HERE, "origin": "https://app.example", "sec-fetch-site": "cross-site"},
    ],
)
def test_programs_own_pages_and_configured_origins_are_answered(guard, headers):
    for _ in range(2):
        assert guard.refusal(headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "attacker.example"},
        {"host": "attacker.example:3000"},
        {"host": "attacker.example."},
        {"host": "127.0.0.1.attacker.example"},
        {"host": "localhost.attacker.example"},
        {"host": "gateway.company.example.attacker.example"},
        {"host": "attacker.example", "origin": "http://attacker.example"},
        {"host": HERE, "origin": "https://attacker.example"},
        {"host": HERE, "origin": "null"},
        {"host": HERE, "origin": "http://127.0.0.1:8080"},
        {"host": HERE, "origin": "http://["},
        {"host": HERE, "sec-fetch-site": "cross-site"},
        {"host": HERE, "sec-fetch-site": "same-site"},
        {"origin": "https://attacker.example"},
    ],
)
def test_pages_of_strangers_are_refused(guard, headers):
    for _ in range(2):
        assert guard.refusal(headers).status == 403


def test_a_wildcard_allows_any_host():
    assert BrowserGuard(["*"], lambda _: False).refusal({"host": "attacker.example"}) is None


def test_what_strangers_send_does_not_fill_the_memory(guard):
    for number in range(2000):
        guard.refusal({"host": f"10.0.{number // 250}.{number % 250}"})

    assert len(guard.known_hosts) <= 256


OPEN = "models: [{name: a, isDefault: true, provider: {type: echo}}]\n"
CLOSED = OPEN + "plugins: [{name: auth, type: basic-apikey-auth, config: {apikeys: [key-of-the-team]}}]\n"
STRANGER = {"host": "attacker.example", "origin": "https://attacker.example", "content-type": "text/plain"}


@pytest.mark.parametrize(
    ("path", "shape"),
    [("/v1/chat/completions", {"error"}), ("/v1/messages", {"type", "error"}), ("/v1/embeddings", {"error"})],
)
def test_a_project_without_authentication_refuses_in_the_clients_shape(path, shape):
    with GatewayClient(OPEN) as client:
        answer = client.post(path, {"model": "a", "messages": []}, headers=STRANGER)
        listed = client.get("/v1/models", headers=STRANGER)

    assert answer.status == listed.status == 403
    assert answer.json().keys() >= shape


def test_a_project_with_authentication_goes_by_the_credential_alone():
    with GatewayClient(CLOSED) as client:
        body = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}
        refused = client.post("/v1/chat/completions", body, headers=STRANGER)
        served = client.post(
            "/v1/chat/completions", body, headers={**STRANGER, "authorization": "Bearer key-of-the-team"}
        )

    assert refused.status == 401
    assert served.status == 200
