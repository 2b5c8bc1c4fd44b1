from types import SimpleNamespace

import pytest

from llm_gateway.adapters.anthropic import AnthropicAdapter
from llm_gateway.adapters.openai import OpenAIAdapter
from llm_gateway.spellings import Spellings

SPELLINGS = Spellings([OpenAIAdapter(), AnthropicAdapter()])
CHAT = {
    prefix + path
    for prefix in ("", "/openai", "/team", "/team/openai")
    for path in ("/v1/chat/completions", "/chat/completions")
}


def request(path, *, adapter="openai", operation="generate", project="team"):
    http_request = SimpleNamespace(path=path)
    return SimpleNamespace(http_request=http_request, adapter=adapter, operation=operation, project=project)


@pytest.mark.parametrize("path", [spelling + end for spelling in sorted(CHAT) for end in ("", "/")])
def test_each_spelling_of_a_route_knows_all_others(path):
    assert set(SPELLINGS.of(request(path))) - {path} >= CHAT - {path}


def test_the_path_as_written_comes_first():
    assert SPELLINGS.of(request("/team/openai/chat/completions/"))[0] == "/team/openai/chat/completions/"


def test_other_endpoints_are_not_meant():
    found = SPELLINGS.of(request("/v1/chat/completions"))
    assert not any("responses" in path or "messages" in path or "embeddings" in path for path in found)


def test_names_in_paths_are_kept():
    found = SPELLINGS.of(request("/models/meta-llama/Llama-3:free", operation="models"))
    assert "/openai/v1/models/meta-llama/Llama-3:free" in found


def test_a_vendors_other_endpoints():
    found = SPELLINGS.of(request("/openai/files/f-1/content", operation="native"))
    assert "/v1/files/f-1/content" in found
    assert "/files/f-1/content" not in found  # that route is not on a bare path


def test_few_paths_are_remembered():
    spellings = Spellings([OpenAIAdapter()])
    for number in range(2000):
        spellings.of(request(f"/v1/models/{number}", operation="models"))
    assert len(spellings._remembered) <= 512
