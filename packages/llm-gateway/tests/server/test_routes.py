import pytest

from llm_gateway.testing import GatewayClient

NAMES = [
    "meta-llama/Llama-3:free",
    "hf.co/org/model:Q4_K_M",
    "a/b/c",
    "qwen2.5:7b",
    "anthropic.claude-v1:0",
    "s3://bucket/a//model",
]


@pytest.fixture(scope="module")
def client():
    models = "\n".join(
        f"  - {{name: '{name}', isDefault: {str(not index).lower()}, provider: {{type: echo}}}}"
        for index, name in enumerate(NAMES)
    )
    with GatewayClient(f"models:\n{models}\n") as client:
        yield client


def spellings(name):
    return {name, name.replace("/", "%2F"), name.replace(":", "%3A"), name.replace("/", "%2f").replace(":", "%3a")}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("prefix", "key"),
    [("/openai/v1/models/", "id"), ("/v1/models/", "id"), ("/anthropic/v1/models/", "id")],
)
def test_a_model_that_is_listed_can_be_fetched_in_every_spelling(client, name, prefix, key):
    for spelling in spellings(name):
        answer = client.get(prefix + spelling)

        assert answer.status == 200, spelling
        assert answer.json()[key] == name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent"])
def test_a_gemini_client_calls_it_in_every_spelling(client, name, method):
    for spelling in spellings(name):
        answer = client.post(
            f"/gemini/v1beta/models/{spelling}:{method}", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        )

        assert answer.status == 200, spelling
        assert answer.headers["x-llm-gateway-model"] == name


@pytest.mark.parametrize("name", NAMES)
def test_a_gemini_client_fetches_it(client, name):
    for spelling in spellings(name):
        answer = client.get(f"/gemini/v1beta/models/{spelling}")

        assert answer.status == 200, spelling
        assert answer.json()["name"] == f"models/{name}"


@pytest.mark.parametrize("path", ["..", ".", "a/../b", "a//b", "%2e%2e", "a/%2e%2e/b", "a/%2E"])
def test_steps_to_other_folders_are_not_names(client, path):
    assert client.get(f"/openai/v1/models/{path}").status == 404
