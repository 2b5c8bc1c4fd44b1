import pytest

from llm_gateway.providers.databricks import DatabricksProvider
from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import Target
from llm_gateway_sdk.errors import ConfigError


def test_a_workspace_has_an_address():
    with pytest.raises(ConfigError, match="baseUrl"):
        GatewayClient("models: [{name: m, provider: {type: databricks, config: {apiKey: k}}}]")


def test_of_the_endpoints_next_to_conversations_only_embeddings_are_there():
    provider = DatabricksProvider()

    form = provider.form_for("embed", "openai", "databricks-gte-large-en")
    assert form is not None
    assert form.most_inputs(Target("m", "databricks", None, False)) == 150
    for operation in ("moderate", "image", "speech", "transcribe", "rerank"):
        assert provider.form_for(operation, "openai", "m") is None
