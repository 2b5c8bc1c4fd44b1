import pytest

from llm_gateway.config.secrets import is_secret_name, mask


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
        "OPENAI_API_KEY",
        "key",
    ],
)
def test_names_of_secrets_are_known(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["name", "max_tokens", "monkey", "accessKeyId", "credentials", "caFile", "keepAlive", "tokens"]
)
def test_names_of_other_settings_are_not_taken_for_secrets(name):
    assert not is_secret_name(name)


def test_a_masked_secret_shows_at_most_two_of_its_signs():
    assert mask("short") == "…"
    assert mask("sk-0123456789abcdefghij") == "…ij"
