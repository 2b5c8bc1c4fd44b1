import pytest

from llm_gateway.testing import GatewayClient

CONFIG = """
models: [{name: secret-model, isDefault: true, provider: {type: echo}}]
projects: [{name: team}, {name: research}]
"""


@pytest.fixture(scope="module")
def client():
    with GatewayClient(CONFIG) as client:
        yield client


def test_programs_get_projects_and_addresses_as_json(client):
    answer = client.request("GET", "/")

    found = answer.json()
    assert answer.status == 200
    assert [project["path"] for project in found["projects"]] == ["/", "/team", "/research"]
    assert found["projects"][1]["apis"]["openai"] == ["/team/openai/v1/chat/completions", "/team/openai/v1/responses"]
    assert found["projects"][1]["apis"]["anthropic"] == ["/team/anthropic/v1/messages"]
    assert found["pages"]["Health"] == "/health"


def test_people_get_a_page_without_scripts(client):
    answer = client.request("GET", "/", headers={"accept": "text/html,*/*"})

    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "/team/openai/v1/chat/completions" in answer.text
    assert "<script" not in answer.text


@pytest.mark.parametrize("path", ["/team", "/team/"])
def test_the_base_url_of_a_project_shows_that_project(client, path):
    found = client.request("GET", path).json()
    page = client.request("GET", path, headers={"accept": "text/html"})

    assert [project["path"] for project in found["projects"]] == ["/team"]
    assert "/team/anthropic/v1/messages" in page.text
    assert "/research" not in page.text


@pytest.mark.parametrize("path", ["/", "/team", "/team/"])
def test_a_client_may_try_its_base_url_first(client, path):
    assert client.request("HEAD", path).status == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/tea"), ("HEAD", "/other"), ("POST", "/team"), ("GET", "/team/v1")]
)
def test_other_paths_and_methods_are_not_a_projects_page(client, method, path):
    assert client.request(method, path).status == 404


def test_only_apis_with_an_address_are_listed(client):
    apis = client.request("GET", "/").json()["projects"][0]["apis"]

    assert apis
    assert all(apis.values())


def test_models_and_plugins_are_not_named(client):
    for accept in ("text/html", "application/json"):
        assert "secret-model" not in client.request("GET", "/", headers={"accept": accept}).text


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/taem/v1/chat/completions", "/team/v1/chat/completions"),
        ("/reserach/anthropic/v1/messages", "/research/anthropic/v1/messages"),
        ("/team/v1/v1/chat/completions", "/team/v1/chat/completions"),
        ("/team/v1/chat/completion", "/team/v1/chat/completions"),
        ("/v1/mesages", "/v1/messages"),
    ],
)
def test_a_mistyped_path_is_answered_with_what_was_probably_meant(client, path, meant):
    answer = client.post(path, {"model": "x", "messages": []})

    assert answer.status == 404
    assert f"Did you mean {meant}?" in answer.text


def test_a_path_like_none_gets_no_suggestion(client):
    answer = client.post("/completely/else", {})

    assert answer.status == 404
    assert "Did you mean" not in answer.text


def test_a_request_for_a_model_at_the_root_is_answered_with_an_error_that_names_where_to_look(client):
    answer = client.post("/", {"model": "x", "messages": []})

    assert answer.status == 404
    assert "GET /" in answer.json()["error"]["message"]
