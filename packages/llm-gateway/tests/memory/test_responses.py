"""Which requests have to do with what is kept, and what a gateway without store or authentication does."""

import pytest

from llm_gateway.testing import GatewayClient

CONFIG = "models: [{{name: echo, isDefault: true, provider: {{type: echo}}}}]\nstore: {{url: '{store}'}}\n{more}"


def client(store="memory:", more=""):
    return GatewayClient(CONFIG.format(store=store, more=more))


def ask(gateway, text="hi", key=None, **more):
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return gateway.post("/v1/responses", {"model": "echo", "input": text, **more}, headers=headers)


@pytest.mark.parametrize("store", [None, True])
def test_by_the_default_of_the_api_responses_are_kept(store):
    gateway = client()
    more = {} if store is None else {"store": store}
    first = ask(gateway, **more).json()

    assert first["store"] is True
    second = ask(gateway, "again", previous_response_id=first["id"])
    assert [message.text for message in second.context.request.messages] == ["hi", "hi", "again"]
    assert gateway.get(f"/v1/responses/{first['id']}").json() == first


def test_a_nested_store_is_not_the_requests_own():
    tool = {"type": "function", "name": "t", "parameters": {"properties": {"store": False}}, "strict": False}

    assert ask(client(), tools=[tool]).json()["store"] is True


def test_without_authentication_a_credential_is_whose_it_is():
    gateway = client()
    of_one = ask(gateway, key="one").json()["id"]

    assert gateway.get(f"/v1/responses/{of_one}").status == 404
    assert gateway.get(f"/v1/responses/{of_one}", headers={"authorization": "Bearer two"}).status == 404
    assert gateway.get(f"/v1/responses/{of_one}", headers={"authorization": "Bearer one"}).status == 200


def test_a_project_may_keep_nothing():
    gateway = client(more="responses: {store: false}")
    response = ask(gateway).json()

    assert response["store"] is False
    assert gateway.get(f"/v1/responses/{response['id']}").status == 404
    refused = ask(gateway, previous_response_id=response["id"])
    assert (refused.status, refused.json()["error"]["code"]) == (400, "previous_response_not_found")


def test_a_request_without_a_memory_opens_no_store(tmp_path):
    gateway = client(store=f"sqlite:{tmp_path}/state.db")

    assert ask(gateway, store=False).status == 200
    assert gateway.chat("Hello").status == 200
    assert not (tmp_path / "state.db").exists()
    assert ask(gateway).status == 200
    assert (tmp_path / "state.db").exists()


def test_what_can_not_be_kept_is_answered_all_the_same(tmp_path):
    gateway = client(store=f"sqlite:{tmp_path}/state.db")
    (tmp_path / "state.db").write_bytes(b"not a database" * 100)

    assert ask(gateway).status == 200
    assert ask(gateway, stream=True).events[-1]["type"] == "response.completed"
    refused = ask(gateway, previous_response_id="resp_1")
    assert refused.status in (500, 503)


def test_too_large_a_response_is_answered_and_not_kept():
    gateway = client(more="responses: {maxBytes: 2000}")
    response = ask(gateway, "x" * 5000)

    assert response.status == 200
    assert gateway.get(f"/v1/responses/{response.json()['id']}").status == 404
