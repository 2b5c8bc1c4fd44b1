"""The endpoints of what is kept, as a client of plain HTTP sees them."""

import pytest

from llm_gateway.testing import GatewayClient

CONFIG = """
models: [{name: echo, isDefault: true, provider: {type: echo}}]
store: {url: "memory:"}
"""


@pytest.fixture(scope="module")
def gateway():
    return GatewayClient(CONFIG)


def test_a_stored_response_has_its_endpoints_and_no_others(gateway):
    path = f"/v1/responses/{gateway.post('/v1/responses', {'model': 'echo', 'input': 'hi'}).json()['id']}"

    assert gateway.get(path).status == 200
    assert gateway.get(f"{path}?stream=true").status == 400
    assert gateway.post(f"{path}/cancel").status == 400
    assert gateway.get(f"{path}/input_items?limit=0").json()["error"]["param"] == "limit"
    assert gateway.request("DELETE", path).json() == {
        "id": path.rpartition("/")[2],
        "object": "response",
        "deleted": True,
    }
    assert gateway.get(path).status == 404


def test_a_conversation_is_checked(gateway):
    for body in ({"metadata": 1}, {"metadata": {"a": 1}}, {"items": "x"}, {"items": [1]}, {"items": [{}] * 21}):
        assert gateway.post("/v1/conversations", body).status == 400
    assert gateway.post("/v1/conversations", body=b"{").status == 400
    assert gateway.post("/v1/conversations", body=b"[]").status == 400
    for path in ("/v1/conversations/none", "/v1/conversations/none/items", "/v1/conversations/none/items/x"):
        assert gateway.get(path).status == 404


@pytest.mark.parametrize("name", ["id", "role", "status", "type"])
@pytest.mark.parametrize("value", [1, True, ["x"], {"a": "b"}], ids=str)
def test_what_an_item_is_has_to_be_a_text(gateway, name, value):
    refused = gateway.post("/v1/conversations", {"items": [{"role": "user", "content": "hi", name: value}]})

    assert refused.status == 400
    assert refused.json()["error"]["param"] == f"items[0].{name}"


def test_items_of_a_conversation(gateway):
    path = f"/v1/conversations/{gateway.post('/v1/conversations', body=b'').json()['id']}"
    added = gateway.post(f"{path}/items", {"items": [{"role": "user", "content": text} for text in "ab"]}).json()

    assert [item["content"][0]["text"] for item in added["data"]] == ["a", "b"]
    item = f"{path}/items/{added['first_id']}"
    assert gateway.get(item).json()["content"][0]["text"] == "a"
    assert gateway.request("DELETE", item).json()["object"] == "conversation"
    assert gateway.get(item).status == gateway.request("DELETE", item).status == 404
    assert gateway.request("DELETE", path).json()["object"] == "conversation.deleted"
    assert gateway.get(path).status == 404
