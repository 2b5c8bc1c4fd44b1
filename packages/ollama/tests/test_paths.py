from llm_gateway_ollama.paths import CHAT, GENERATE, is_generate


def test_the_endpoint_of_prompts_is_known_by_its_path() -> None:
    assert is_generate(GENERATE)
    assert is_generate(f"/ollama{GENERATE}")
    assert not is_generate(CHAT)
