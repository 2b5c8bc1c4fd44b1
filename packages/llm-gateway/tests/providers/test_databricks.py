import pytest

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk.errors import ConfigError


def test_a_workspace_has_an_address():
    with pytest.raises(ConfigError, match="baseUrl"):
        GatewayClient("models: [{name: m, provider: {type: databricks, config: {apiKey: k}}}]")
