from llm_gateway_ollama import OllamaNativeProvider
from llm_gateway_ollama.quirks import QUIRKS


def test_each_quirk_can_be_configured_and_is_described() -> None:
    offered = OllamaNativeProvider.configuration_schema["properties"]["quirks"]["properties"]

    assert {name.replace("_", "") for name in QUIRKS} <= {name.lower().replace("_", "") for name in offered}
    assert all(quirk["description"] for quirk in QUIRKS.values())
