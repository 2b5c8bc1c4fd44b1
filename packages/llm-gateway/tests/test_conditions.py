import pytest

from llm_gateway.testing import GatewayClient

PREFIXES = ("", "/openai", "/team", "/team/openai")
PATHS = ("/v1/chat/completions", "/chat/completions")
SPELLED = [prefix + path + slash for prefix in PREFIXES for path in PATHS for slash in ("", "/")]

CONFIGURATION = """
models:
  - {{name: fast, aliases: ["quick", "gpt-4*"], isDefault: true, provider: {{type: echo}}}}
  - {{name: secret, aliases: [hush], provider: {{type: echo}}}}
plugins:
  - {{name: auth, type: basic-apikey-auth, conditions: {conditions}, config: {{apikeys: [the-only-key]}}}}
projects: [{{name: team}}]
"""


@pytest.fixture(scope="module")
def gateways():
    made = {}

    def gateway(conditions):
        if conditions not in made:
            made[conditions] = GatewayClient(CONFIGURATION.format(conditions=conditions))
        return made[conditions]

    yield gateway
    for client in made.values():
        client.close()


def status(client, path, **body):
    asked = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, **body}
    return client.post(path, asked).status


@pytest.mark.parametrize("path", SPELLED)
@pytest.mark.parametrize(
    "conditions",
    [
        "{paths: [/v1/chat/completions]}",
        "{paths: [/v1/chat]}",
        "{paths: [/chat/completions]}",
        "{paths: [/openai]}",
        "{paths: [/openai/v1/chat/completions]}",
        "{paths: ['/^.v1.chat.completions$/']}",
        "{paths: ['/^.openai.chat.completions$/']}",
        "{paths: ['/chat/', /anthropic]}",
    ],
)
def test_no_spelling_of_a_path_goes_around_a_guard(gateways, conditions, path):
    assert status(gateways(conditions), path, model="fast") == 401


@pytest.mark.parametrize("path", ["/v1/messages", "/anthropic/v1/messages", "/team/v1/messages"])
def test_other_routes_are_not_concerned(gateways, path):
    assert status(gateways("{paths: [/v1/chat/completions]}"), path, model="fast") == 200


def test_a_path_of_one_project_is_of_that_project_alone(gateways):
    client = gateways("{paths: [/team/v1/chat]}")
    assert status(client, "/team/openai/chat/completions", model="fast") == 401
    assert status(client, "/v1/chat/completions", model="fast") == 200


@pytest.mark.parametrize("model", ["secret", "hush"])
def test_a_model_is_guarded_under_all_its_names(gateways, model):
    client = gateways("{models: [secret]}")
    assert status(client, "/v1/chat/completions", model=model) == 401
    assert status(client, "/v1/chat/completions", model="fast") == 200


@pytest.mark.parametrize("asked", [{"model": "fast"}, {"model": "quick"}, {"model": "gpt-4o"}, {"model": "new"}, {}])
def test_the_default_model_is_guarded_when_another_name_leads_to_it(gateways, asked):
    assert status(gateways("{models: [fast]}"), "/v1/chat/completions", **asked) == 401


def test_a_name_that_was_asked_for_counts_as_it_was_written(gateways):
    client = gateways("{models: [gpt-4]}")
    assert status(client, "/v1/chat/completions", model="gpt-4o") == 401
    assert status(client, "/v1/chat/completions", model="fast") == 200


class TestOfPrincipals:
    """`principals`, `teams` and `labels`, which are known only after authentication."""

    CONFIGURED = """
store: {{url: "memory:"}}
availablePlugins: [{{path: "{folder}/who.py"}}]
models: [{{name: fast, isDefault: true, provider: {{type: echo}}}}]
plugins:
  - {{name: who, type: who}}
  - {{name: refuse, type: refuse, conditions: {conditions}}}
"""
    PLUGINS = """
from llm_gateway_sdk import Plugin, PluginResult, Principal, plugin_metadata

@plugin_metadata(name="who")
class Who(Plugin):
    authenticates = True

    def before_model(self, ctx):
        ctx.principal = Principal("id-1", "ann", team="research", labels={"env": "prod"})

@plugin_metadata(name="refuse")
class Refuse(Plugin):
    def before_model(self, ctx):
        return PluginResult(success=False, status=418)
"""

    @pytest.mark.parametrize(
        ("conditions", "met"),
        [
            ("{principals: [id-1]}", True),
            ("{principals: [ann]}", True),
            ("{principals: [bob]}", False),
            ("{teams: [research]}", True),
            ("{teams: [sales, rese]}", True),
            ("{teams: ['/^res$/']}", False),
            ("{labels: {env: prod}}", True),
            ("{labels: {env: test}}", False),
            ("{labels: {env: prod, tier: gold}}", False),
            ("{teams: [research], labels: {env: prod}, principals: [ann]}", True),
            ("{teams: [research], principals: [bob]}", False),
            ("{teams: [research], models: [slow]}", False),
        ],
    )
    def test_they_go_by_who_is_asking(self, tmp_path, conditions, met):
        (tmp_path / "who.py").write_text(self.PLUGINS)
        with GatewayClient(self.CONFIGURED.format(folder=tmp_path, conditions=conditions)) as client:
            assert status(client, "/openai/v1/chat/completions", model="fast") == (418 if met else 200)
