"""What attacks and operators found, one request or start each, on a gateway over sockets.

`ATTACKED_PYTHON` of an installation from before they were corrected makes them fail. Kinds with many inputs have files
of their own.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from under_attack import (
    PATHS,
    Attacked,
    Provider,
    Reply,
    Sent,
    answering,
    asking,
    chat_reply,
    comes_true,
    command,
    environment,
    free_port,
    model,
)

from llm_gateway.testing.processes import GatewayProcess

KEY = "gw-key-of-the-team"
AUTHENTICATION = {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": [KEY]}}
HIDER = {"name": "hide", "type": "regex-hider", "config": {"patterns": [{"pattern": "secret-\\d+"}]}}
KNOWN = {"authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def provider(provide: Callable[..., Provider]) -> Provider:
    return provide()


@pytest.fixture(scope="module")
def second(provide: Callable[..., Provider]) -> Provider:
    return provide(answering("the second answers"))


@pytest.fixture(scope="module")
def gateway(attack: Callable[..., Attacked], provider: Provider, second: Provider) -> Attacked:
    """`chat`, `anthropic`; `first`, which falls back to `second`; projects that ask for a key, or redact."""
    route = {
        "name": "route",
        "type": "model-router",
        "config": {"model": "first", "fallbacks": ["second"]},
    }
    guard = {**AUTHENTICATION, "conditions": {"paths": ["/v1/chat/completions"]}}
    slashed = model("chat", provider.url, "meta-llama/Llama-3:free")
    return attack(
        {
            "server": {
                "trustProxy": True,
                "limits": {"maxHeaderBytes": "128KiB"},
                "cors": {"enabled": True, "origins": ["https://app.example"]},
            },
            "models": [
                model("chat", provider.url, "chat"),
                model("anthropic", provider.url, "anthropic"),
                model("chat", provider.url, "first"),
                model("chat", second.url, "second"),
                slashed,
            ],
            "projects": [
                {"name": "known", "plugins": [AUTHENTICATION]},
                {"name": "guarded", "plugins": [guard]},
                {"name": "hiding", "plugins": [HIDER, route]},
                {"name": "routed", "plugins": [route]},
                {"name": "native", "nativePaths": ["/v1/files/*"]},
            ],
            "plugins": [],
        }
    )


def ask(gateway: Attacked, name: str, project: str = "", *, client: str = "chat", **headers: str) -> httpx.Response:
    prefix = f"/{project}" if project else ""
    return gateway.http.post(f"{prefix}{PATHS[client]}", json=asking(client, name=name), headers=headers)


def whole(body: Any, status: int = 200, **headers: str) -> Callable[[Sent], Reply]:
    return lambda sent: Reply(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("client", ["chat", "anthropic"])
def test_a_redirect_leads_no_client_elsewhere(gateway: Attacked, provider: Provider, status: int, client: str) -> None:
    provider.answer = whole({"x": 1}, status, location="http://127.0.0.1:9/elsewhere")

    reply = ask(gateway, client, client=client)

    assert reply.status_code == 502
    assert "location" not in reply.headers


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "TEXT/HTML; charset=utf-8", "application/xml", "x"])
@pytest.mark.parametrize("status", [200, 404])
def test_a_page_of_a_provider_runs_no_script_at_the_address_of_the_console(
    gateway: Attacked, provider: Provider, kind: str, status: int
) -> None:
    provider.answer = whole(b"<script>fetch('/console/keys')</script>", status, content_type=kind)

    reply = gateway.http.get("/native/v1/files/page/content")

    assert reply.status_code == status
    is_json = reply.headers["content-type"].startswith("application/json")
    assert is_json or (reply.headers["content-security-policy"], reply.headers["x-content-type-options"]) == (
        "sandbox", "nosniff",
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["x-forwarded-access-token", "x-forwarded-user", "x-forwarded-client-cert", "cf-access-jwt-assertion",
     "x-amzn-oidc-data", "x-goog-iap-jwt-assertion", "x-auth-request-email", "cf-connecting-ip", "x-vault-token",
     "x-litellm-api-key", "baggage", "true-client-ip"],
)  # fmt: skip
def test_what_a_proxy_put_on_a_request_stays_here(gateway: Attacked, provider: Provider, name: str) -> None:
    provider.answer = answering()
    provider.texts()

    assert ask(gateway, "chat", **{name: "identity-4711"}).status_code == 200

    assert "identity-4711" not in provider.texts()


def test_a_key_in_a_query_stays_here(gateway: Attacked, provider: Provider) -> None:
    provider.answer = answering()
    provider.texts()

    gateway.http.post(f"{PATHS['chat']}?key=query-4711&api_key=query-4711", json=asking("chat", name="chat"))

    assert "query-4711" not in provider.texts()


@pytest.mark.parametrize(
    "name", ["access-control-allow-origin", "x-accel-redirect", "clear-site-data", "refresh", "www-authenticate", "via"]
)
def test_directives_of_a_provider_do_not_reach_the_client(gateway: Attacked, provider: Provider, name: str) -> None:
    provider.answer = lambda sent: Reply(chat_reply({"content": "fine"}), 200, {name: "4711"})

    reply = ask(gateway, "chat")

    assert reply.status_code == 200
    assert reply.headers.get(name) != "4711"


@pytest.mark.parametrize(("length", "status"), [(100_000, 200), (140_000, 502)])
def test_a_providers_head_is_bounded_as_configured(
    gateway: Attacked, provider: Provider, length: int, status: int
) -> None:
    provider.answer = lambda sent: Reply(chat_reply({"content": "fine"}), 200, {"x-long": "v" * length})

    assert ask(gateway, "chat").status_code == status


def test_a_rate_limit_in_a_header_costs_no_answer(gateway: Attacked, provider: Provider) -> None:
    provider.answer = lambda sent: Reply(
        chat_reply({"content": "fine"}), 200, {"x-ratelimit-reset-tokens": "300000000d"}
    )

    assert ask(gateway, "chat", client="anthropic").status_code == 200


@pytest.mark.parametrize(
    "body",
    [{"choices": []}, {"choices": None}, {"choices": None, "base_resp": {"status_code": 1008}}],
    ids=["no choices", "null", "an error inside"],
)
def test_a_success_without_an_answer_is_a_failure(gateway: Attacked, provider: Provider, body: Any) -> None:
    provider.answer = whole(body)

    assert "the second answers" in ask(gateway, "first", "routed").text


@pytest.mark.parametrize("status", [405, 407, 409, 410, 421, 423, 424, 425])
def test_a_status_that_blames_no_request_is_a_failure(gateway: Attacked, provider: Provider, status: int) -> None:
    provider.answer = whole({"error": {"message": "no"}}, status)

    assert "the second answers" in ask(gateway, "first", "routed").text


def test_an_unreadable_reply_is_not_the_plugins_failure(gateway: Attacked, provider: Provider) -> None:
    provider.answer = whole({"foo": 1})

    assert "the second answers" in ask(gateway, "first", "hiding").text


def test_a_page_in_place_of_an_answer_is_a_failure(gateway: Attacked, provider: Provider) -> None:
    provider.answer = lambda sent: Reply(b"<html>log in</html>", 200, {"content-type": "text/html"})

    assert "the second answers" in ask(gateway, "first", "routed").text


@pytest.mark.parametrize("path", ["/chat/completions", "/openai/v1/chat/completions", "/v1/chat/completions/"])
def test_no_spelling_of_a_path_goes_around_a_guard(gateway: Attacked, provider: Provider, path: str) -> None:
    provider.answer = answering()

    assert gateway.http.post(f"/guarded{path}", json=asking("chat", name="chat")).status_code == 401


def test_a_client_writes_no_address_for_itself(gateway: Attacked) -> None:
    statuses = [
        ask(
            gateway, "chat", "known", authorization=f"Bearer wrong-{number}",
            **{"x-forwarded-for": f"9.9.9.{number}, 10.0.0.7"},
        ).status_code
        for number in range(60)
    ]  # fmt: skip

    assert 429 in statuses


@pytest.mark.parametrize("headers", [{"host": "attacker.example"}, {"origin": "https://attacker.example"}])
def test_pages_of_strangers_spend_nothing(gateway: Attacked, provider: Provider, headers: dict[str, str]) -> None:
    provider.answer = answering()

    assert ask(gateway, "chat", **headers).status_code == 403


def test_a_model_with_a_slash_and_a_colon_is_found(gateway: Attacked) -> None:
    assert gateway.http.get("/openai/v1/models/meta-llama/Llama-3:free").status_code == 200


def test_cors_shows_what_clients_read(gateway: Attacked, provider: Provider) -> None:
    provider.answer = answering()

    shown = ask(gateway, "chat", origin="https://app.example").headers["access-control-expose-headers"].lower()

    assert {"retry-after-ms", "x-should-retry"} <= {name.strip() for name in shown.split(",")}


def test_a_coding_that_was_not_undone_is_named(gateway: Attacked, provider: Provider) -> None:
    provider.answer = lambda sent: Reply(b"\x0b\x02\x80{}\x03", 200, {"content-encoding": "br"})

    reply = gateway.http.post("/v1/embeddings", json={"model": "chat", "input": "x"})

    assert reply.status_code == 502 or reply.headers.get("content-encoding") == "br"


@pytest.mark.parametrize(
    "head",
    [b"POST /v1/chat/completions HTTP/1.1\r\n\r\n", b"GET /health/live HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
     b"POST /health/live HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
    ids=["no host", "two hosts", "two codings"],
)  # fmt: skip
def test_odd_heads_are_refused(gateway: Attacked, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head)
        status = connection.recv(4096).split(b" ")[1]

    assert status == b"400"


def test_an_open_breaker_is_not_open_for_ever(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    provider = provide(whole({"error": {"message": "no"}}, 429, retry_after="99999999"))
    breaker = {"cooldown": "200ms", "maxCooldown": "300ms"}
    gateway = attack({"models": [model("chat", provider.url, "chat")], "plugins": [], "breaker": breaker})
    for _ in range(8):
        ask(gateway, "chat")
    provider.answer = answering()

    assert gateway.wait_for(lambda: ask(gateway, "chat").status_code == 200, 15)


@pytest.mark.parametrize(
    "change",
    [{"baseUrl": "http://127.0.0.1:99999/v1"}, {"baseUrl": "http://127.0.0.1:1/v1#x"}, {"baseUrl": "http://[::1"},
     {"headers": {"x": "1\n"}}, {"apiKey": "k\nx"}, {"caFile": "missing.pem"}, {"baseUrl": "http://"}],
    ids=["port", "fragment", "bracket", "header", "key", "file", "no host"],
)  # fmt: skip
def test_settings_that_can_not_work_are_found_by_check(change: dict[str, Any], tmp_path: Path) -> None:
    upstream = {"upstream": {"caFile": change.pop("caFile")}} if "caFile" in change else {}
    target = model("chat", "http://127.0.0.1:1", "chat")
    target["provider"]["config"] |= change
    config = {"models": [target], "plugins": [], **upstream}
    (tmp_path / "gateway.yaml").write_text(json.dumps(config))

    assert command("check", "--config", "gateway.yaml", folder=tmp_path).returncode != 0


@pytest.mark.parametrize("keys", [["abc\n\tx"], ["ключ"], ["\ufeffabc"]], ids=["a line break", "letters", "a mark"])
def test_keys_that_can_not_be_sent_are_found_by_check(keys: list[str], tmp_path: Path) -> None:
    plugin = {**AUTHENTICATION, "config": {"apikeys": keys}}
    (tmp_path / "gateway.yaml").write_text(json.dumps({"models": [model("chat", "http://a")], "plugins": [plugin]}))

    assert command("check", "--config", "gateway.yaml", folder=tmp_path).returncode != 0


def test_a_quoted_variable_goes_over_several_lines(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    provider = provide()
    gateway = attack(
        {"models": [model("chat", provider.url, model="${NAME}")], "plugins": []},
        files={".env": 'NAME="-----BEGIN-----\nabc\n-----END-----"\n'},
    )

    assert ask(gateway, "m").status_code == 200
    assert provider.sent[-1].json["model"] == "-----BEGIN-----\nabc\n-----END-----"


@pytest.mark.parametrize("value", ["", "auto"])
def test_variables_of_the_server_library_do_not_stop_the_start(value: str, tmp_path: Path) -> None:
    config = {"models": [model("chat", "http://127.0.0.1:1", "chat")], "plugins": []}
    (tmp_path / "gateway.yaml").write_text(json.dumps(config))
    port = free_port()
    started = GatewayProcess(
        ["start", "--config", "gateway.yaml", "--host", "127.0.0.1", "--port", str(port)],
        cwd=tmp_path, env=environment({"WEB_CONCURRENCY": value}),
    )  # fmt: skip
    try:
        assert comes_true(lambda: answers(port) or started.poll() is not None, 60)
        assert answers(port)
    finally:
        started.terminate()
        started.wait(20)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/live", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_only_the_star_of_an_alias_is_special(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    provider = provide()
    aliased = {**model("chat", provider.url, "chat"), "aliases": ["claude-*[1m]"]}
    gateway = attack({"models": [aliased], "plugins": []})

    assert ask(gateway, "claude-sonnet[1m]").status_code == 200
    assert ask(gateway, "claude-sonnet1").status_code == 404


def test_a_managed_prompt_stays_where_instructions_are(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    provider = provide()
    prompt = {"name": "prompt", "type": "prompt-manager", "config": {"mode": "before", "prompt": "P"}}
    gateway = attack({"models": [model("responses", provider.url)], "plugins": [prompt]})

    reply = gateway.http.post(PATHS["responses"], json={**asking("responses"), "instructions": "S"})

    assert reply.status_code == 200
    assert provider.sent[-1].json["instructions"].split() == ["P", "S"]


def test_a_fallback_for_some_causes_leaves_the_retries_of_others(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    failed: list[Sent] = []

    def once(sent: Sent) -> Reply:
        failed.append(sent)
        return Reply({"error": {"message": "no"}}, 500) if len(failed) == 1 else answering()(sent)

    provider, second = provide(once), provide(answering("the second answers"))
    config = {"model": "a", "fallbacks": ["b"], "on": ["rate_limit"]}
    route = {"name": "route", "type": "model-router", "config": config}
    models = [model("chat", provider.url, "a", retryAttempts=2, retryDelay="10ms"), model("chat", second.url, "b")]
    gateway = attack({"models": models, "plugins": [route]})

    assert "fine" in ask(gateway, "a").text


def test_administration_redirects_nowhere(attack: Callable[..., Attacked], provider: Provider) -> None:
    config = {"models": [model("chat", provider.url)], "admin": {"enabled": True, "apiKey": "admin-key-4711-4711"}}
    gateway = attack({**config, "plugins": []})

    reply = gateway.http.post("/admin/reload/", headers={"host": "localhost"})

    assert reply.status_code < 300 or reply.status_code >= 400
    assert "location" not in reply.headers
