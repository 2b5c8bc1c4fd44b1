import pytest

from llm_gateway.authenticating import is_authenticating
from llm_gateway_sdk import Plugin, plugin_metadata


@plugin_metadata(name="declared")
class Declared(Plugin):
    authenticates = True


@plugin_metadata(name="keyword", keywords=("authentication",))
class Keyword(Plugin):
    pass


@plugin_metadata(name="other", keywords=("logging",))
class Other(Plugin):
    pass


@pytest.mark.parametrize(
    ("plugin", "authenticates"), [(Declared, True), (Keyword, True), (Other, False), (object, False)]
)
def test_a_plugin_authenticates_where_it_declares_so(plugin, authenticates):
    assert is_authenticating(plugin) is authenticates
