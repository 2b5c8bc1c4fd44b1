from __future__ import annotations

from types import SimpleNamespace

import pytest

from llm_gateway_sdk import Headers, Plugin, PluginResult, Principal, RequestContext, RequestRejected, plugin_metadata
from llm_gateway_sdk.context import HTTPRequest
from llm_gateway_sdk.principal import credentials_of, has_own_form, owner_of
from llm_gateway_sdk.testing import Mount, PluginHarness


def test_models_and_projects_narrow_by_patterns() -> None:
    one = Principal("i", "n", models=("claude-*", "gpt-5"), projects=("team-*",))

    assert [one.may_use(name) for name in ("claude-x", "gpt-5", "gpt-5.1", "")] == [True, True, False, False]
    assert [one.may_enter(name) for name in ("team-a", "default")] == [True, False]
    assert Principal("i", "n").may_use("anything")
    assert not Principal("i", "n", models=()).may_use("anything")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([("authorization", "Bearer a")], ["a"]),
        ([("authorization", "bearer   a "), ("x-api-key", "b"), ("api-key", "b")], ["a", "b"]),
        ([("x-goog-api-key", " c ")], ["c"]),
        ([("authorization", "Basic a"), ("x-api-key", "")], []),
        ([], []),
    ],
)
def test_every_credential_of_a_request_is_found_once(headers: list[tuple[str, str]], found: list[str]) -> None:
    ctx = SimpleNamespace(http_request=SimpleNamespace(raw_headers=Headers(headers)))

    assert credentials_of(ctx) == found


@pytest.mark.parametrize(
    ("credential", "own"), [("gw_abc_def", True), ("eyJhbGc.eyJpc3M.c2ln", True), ("sk-123", False), ("gw_", False)]
)
def test_forms_that_other_plugins_read(credential: str, own: bool) -> None:
    assert has_own_form(credential) is own


def knows(key: str, name: str) -> type[Plugin]:
    @plugin_metadata(name=name)
    class Knows(Plugin):
        authenticates = True

        def before_model(self, ctx: RequestContext) -> PluginResult | None:
            if key in credentials_of(ctx):
                ctx.principal = Principal(key, name)
                return None
            error = RequestRejected(f"{name} does not know it", status=403 if key == "strict" else 401)
            return PluginResult(success=False, error=error)

    return Knows


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_the_order_of_plugins_that_authenticate_is_free(order: tuple[str, str]) -> None:
    harness = PluginHarness([Mount(knows(key, f"knows-{key}")) for key in order])

    assert harness.ask(headers={"x-api-key": "a"}).status == 200
    assert harness.ask(headers={"x-api-key": "b"}).status == 200
    refused = harness.ask(headers={"x-api-key": "c"})
    assert refused.status == 401
    assert f"knows-{order[0]}" in refused.error.message
    assert harness.ask().status == 401


def test_a_refusal_that_is_not_about_the_credential_stays_a_refusal() -> None:
    harness = PluginHarness([Mount(knows("a", "first")), Mount(knows("strict", "second"))])

    assert harness.ask(headers={"x-api-key": "a"}).status == 403


def test_the_owner_is_the_principal_or_else_the_credential():
    def context(principal=None, caller=None, headers=()):
        ctx = RequestContext(request_id="r", http_request=HTTPRequest("POST", "/", "", Headers(headers), b""))
        ctx.caller, ctx.principal = caller, principal
        return ctx

    key = [("authorization", "Bearer secret-key")]
    anna, bert = (Principal(id=name, name=name, source="keys") for name in ("anna", "bert"))

    assert owner_of(context(anna)) == owner_of(context(anna, headers=key)) != owner_of(context(bert))
    assert owner_of(context(headers=key)) == owner_of(context(headers=[("x-api-key", "secret-key")]))
    assert owner_of(context(headers=key)) != owner_of(context())
    assert "secret-key" not in owner_of(context(headers=key))
