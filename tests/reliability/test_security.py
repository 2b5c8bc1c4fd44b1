"""Secrets stay where they belong, callers reach nothing but what is configured, and the admin pages want their key."""

from __future__ import annotations

# ruff: noqa: SIM117
import asyncio
import io
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from loopback import (
    ROUTES,
    Call,
    answer,
    chat_event,
    config,
    gateway,
    message_event,
    model,
    request,
    run,
    until,
    upstream,
)

KEY = "sk-canary-upstream-4f9a8b7c6d5e4f3a2b1c"
CLIENT_KEY = "sk-canary-client-0a1b2c3d4e5f6a7b8c9d"
ADMIN_KEY = "canary-admin-1122334455667788"
HEADER_KEY = "canary-header-99887766554433221100"
CANARIES = (KEY, CLIENT_KEY, ADMIN_KEY, HEADER_KEY)

TRACER = """
from llm_gateway_sdk import Plugin, plugin_metadata

SEEN = []

@plugin_metadata(name="spy", version="1.0.0", description="Keeps what a trace may hold", configuration_schema={})
class Spy(Plugin):
    def detached_after_response(self, ctx):
        self.seen = SEEN
        sent = ctx.upstream_request
        SEEN.append(repr((
            [(a.error, a.target, a.model) for a in ctx.attempts], str(ctx.error), ctx.metadata, ctx.caller, ctx.losses,
            sent and (sent.headers.items, sent.path, sent.query, sent.body),
            ctx.upstream_response and ctx.upstream_response.headers.items,
        )))
"""


def quoting(status: int) -> Any:
    """A provider that states what it was sent, as some do in their errors."""

    async def script(call: Call) -> None:
        sent = call.headers.get("authorization", "") + call.headers.get("x-api-key", "")
        key = sent.removeprefix("Bearer ")
        masked = f"{key[:7]}{'*' * 12}{key[-4:]}"
        message = f"Incorrect API key provided: {sent} (key {key}, {masked}). You can find your key at ..."
        error = {
            "message": message,
            "type": "invalid_request_error",
            "code": "x",
            "param": None,
            "detail": [sent, call.headers],
        }
        body = {"type": "error", "error": error}
        if status == 200:
            await call.open_stream({"x-debug-key": "none"})
            event = chat_event({"role": "assistant", "content": ""})
            failure = b"data: " + json.dumps(body).encode() + b"\n\n"
            if call.path.endswith("/messages"):
                event, failure = b"", message_event(body)
            await call.chunk(event + failure)
            await call.end_stream()
        else:
            await call.send(status, body, {"www-authenticate": f"Bearer realm={key}"})

    return script


def spied(folder: Path) -> dict[str, Any]:
    (folder / "spy.py").write_text(TRACER)
    return {"availablePlugins": [{"path": str(folder / "spy.py")}], "plugins": [{"name": "spy", "type": "spy"}]}


@pytest.mark.parametrize("credentials", ["gateway", "client"])
@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500])
def test_no_key_gets_into_answers_logs_or_traces(status: int, credentials: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with upstream(quoting(status)) as up:
            models = [
                model(
                    up.url, kind, name=kind, apiKey=KEY, credentials=credentials, headers={"x-other-token": HEADER_KEY}
                )
                for kind in ("openai", "anthropic")
            ]
            admin = {"enabled": True, "apiKey": ADMIN_KEY}
            async with gateway(
                config(*models, admin=admin, **spied(tmp_path)) | {"logging": {"level": "debug"}}
            ) as served:
                plugin = served.plugin
                words: list[str] = []
                for dialect, path in ROUTES.items():
                    for kind in ("openai", "anthropic"):
                        body = request(dialect, stream=status == 200) | {"model": kind}
                        reply = await served.ask(body, path=path, headers={"authorization": f"Bearer {CLIENT_KEY}"})
                        assert (reply.status == 200) is (status == 200 and b"rror" in reply.body) or reply.status >= 400
                        assert reply.status != 500 or status in (200, 500), reply
                        words.append(repr((reply.headers, reply.body)))
                await until(lambda: len(getattr(plugin, "seen", [])) == len(words))
                words += plugin.seen
                for page in ("/health", "/health/ready", "/metrics"):
                    words.append(repr(await served.ask(path=page, method="GET")))
                for page in ("/admin/config", "/admin/config/version", "/admin/breakers"):
                    reply = await served.ask(path=page, method="GET", headers={"x-api-key": ADMIN_KEY})
                    assert reply.status == 200
                    words.append(repr(reply))
                for canary in CANARIES:
                    for text in words:
                        assert canary not in text
                        assert canary[:20] not in text
                        assert canary[-16:] not in text
                        assert not re.search(r"\*{4,}" + re.escape(canary[-4:]), text)

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    logging.getLogger("llm_gateway").addHandler(handler)
    try:
        run(main())
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger("llm_gateway").removeHandler(handler)
    for canary in CANARIES:
        assert canary not in stream.getvalue()


def test_the_callers_credentials_go_no_further_unless_that_is_configured() -> None:
    async def main() -> None:
        async with upstream(answer) as up:
            models = [
                model(up.url, kind, name=f"{kind}-{whose}", credentials=whose, apiKey=KEY)
                for kind in ("openai", "anthropic")
                for whose in ("gateway", "client")
            ]
            async with gateway(config(*models)) as served:
                given = {
                    "authorization": f"Bearer {CLIENT_KEY}", "x-goog-api-key": CLIENT_KEY, "api-key": CLIENT_KEY,
                    "cookie": f"session={CLIENT_KEY}", "proxy-authorization": f"Basic {CLIENT_KEY}",
                }  # fmt: skip
                for dialect, path in ROUTES.items():
                    for target in models:
                        await served.ask(request(dialect) | {"model": target["name"]}, path=path, headers=given)
                        sent = repr(up.calls[-1].headers)
                        if target["name"].endswith("gateway"):
                            assert CLIENT_KEY not in sent
                            assert KEY in sent
                        else:
                            assert KEY not in sent
                            assert CLIENT_KEY in sent
                        for name in ("cookie", "proxy-authorization", "x-forwarded-for", "x-forwarded-host"):
                            assert name not in up.calls[-1].headers

    run(main())


ANSWER = {
    "id": "x",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
}


def test_hop_by_hop_headers_end_here_in_both_directions() -> None:
    async def main() -> None:
        async def talkative(call: Call) -> None:
            hops = {"keep-alive": "timeout=1", "proxy-authenticate": "Basic", "upgrade": "h2c", "set-cookie": "a=b"}
            await call.send(200, ANSWER, {**hops, "trailer": "x-t", "openai-version": "yes", "te": "trailers"})

        async with upstream(talkative) as up, gateway(config(model(up.url))) as served:
            given = {
                "connection": "keep-alive, x-secret-hop", "x-secret-hop": "1", "te": "trailers", "trailer": "x",
                "keep-alive": "timeout=5", "proxy-connection": "keep-alive", "x-stainless-os": "kept",
                "x-llm-gateway-x": "own",
                "x-forwarded-for": "1.2.3.4", "via": "1.1 x",
            }  # fmt: skip
            reply = await served.ask(request("chat"), headers=given)
            sent = up.calls[0].headers
            assert sent["x-stainless-os"] == "kept"
            assert not {
                "x-secret-hop",
                "te",
                "trailer",
                "keep-alive",
                "proxy-connection",
                "x-llm-gateway-x",
                "via",
            } & set(sent)
            assert reply.header("openai-version") == "yes"
            for name in ("keep-alive", "proxy-authenticate", "upgrade", "set-cookie", "trailer", "te"):
                assert reply.header(name) is None

    run(main())


def test_a_caller_cannot_choose_where_requests_go() -> None:
    async def main() -> None:
        async with upstream(answer) as elsewhere, upstream(answer) as up:
            there = elsewhere.url.removeprefix("http://")
            settings = config(model(up.url, bypassModel=True), nativePaths=["/files"])
            async with gateway(settings) as served:
                tries: list[tuple[str, str, dict[str, str], Any]] = [
                    ("POST", ROUTES["chat"], {"host": there}, request("chat")),
                    ("POST", f"{elsewhere.url}{ROUTES['chat']}", {"host": there}, request("chat")),
                    (
                        "POST",
                        ROUTES["chat"],
                        {"x-forwarded-host": there, "forwarded": f"host={there}"},
                        request("chat"),
                    ),
                    ("POST", ROUTES["chat"], {"x-llm-gateway-base-url": elsewhere.url}, request("chat")),
                    (
                        "POST",
                        ROUTES["chat"],
                        {},
                        request("chat") | {"base_url": elsewhere.url, "api_base": elsewhere.url},
                    ),
                    ("POST", ROUTES["chat"], {}, request("chat") | {"model": f"@{there}/x"}),
                    ("POST", ROUTES["chat"], {}, request("chat") | {"model": "../../../files"}),
                    ("GET", f"/openai/v1/files/@{there}/", {}, None),
                    ("GET", f"/openai/v1/files//{there}/", {}, None),
                    ("GET", "/openai/v1/files/../chat/completions", {}, None),
                    ("GET", "/openai/v1/files/%2e%2e/chat/completions", {}, None),
                    ("GET", "/openai/v1/files/a%0d%0ax-evil:%201%0d%0a", {}, None),
                    ("GET", "/openai/v1/files/a%20HTTP/1.1%0d%0ahost:%20evil", {}, None),
                    ("GET", "/openai/v1/files/a%3fkey=1%23f", {}, None),
                ]
                for method, path, headers, body in tries:
                    await served.ask(body, path=path, method=method, headers=headers)
                assert elsewhere.calls == []
                for call in up.calls:
                    assert call.path.startswith(("/v1/chat/completions", "/v1/files/"))
                    assert "/.." not in call.path
                    assert "x-evil" not in call.headers
                    assert call.headers["host"] == up.url.removeprefix("http://")

    run(main())


def test_images_by_address_are_passed_on_and_never_fetched() -> None:
    async def main() -> None:
        async with upstream(answer) as images, upstream(answer) as up:
            models = [model(up.url, kind, name=kind) for kind in ("openai", "anthropic")]
            async with gateway(config(*models)) as served:
                url = f"{images.url}/image.png"
                content = [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": url}}]
                for kind in ("openai", "anthropic"):
                    body = {"model": kind, "messages": [{"role": "user", "content": content}]}
                    assert (await served.ask(body)).status == 200
                    assert url in up.calls[-1].raw.decode()
                assert images.calls == []
                assert images.open == 0

    run(main())


def test_the_admin_pages_are_off_unless_they_are_configured() -> None:
    async def main() -> None:
        async with upstream(answer) as up:
            async with gateway(config(model(up.url))) as served:
                for path in ("/admin", "/admin/config", "/admin/reload", "/admin/config/version"):
                    for method in ("GET", "POST"):
                        assert (await served.ask(path=path, method=method)).status == 404

    run(main())


def test_the_admin_pages_take_their_own_key_alone_and_limit_wrong_ones() -> None:
    async def main() -> None:
        auth = {"name": "auth", "type": "basic-apikey-auth", "config": {"apikeys": [CLIENT_KEY]}}
        admin = {"enabled": True, "apiKey": ADMIN_KEY}
        async with upstream(answer) as up:
            async with gateway(config(model(up.url, apiKey=KEY), plugins=[auth], admin=admin)) as served:
                for path, method in (("/admin/config", "GET"), ("/admin/reload", "POST")):
                    for wrong in (
                        "",
                        "Bearer ",
                        f"Bearer {CLIENT_KEY}",
                        f"Bearer {KEY}",
                        f"Basic {ADMIN_KEY}",
                        "Bearer é",
                    ):
                        reply = await served.ask(path=path, method=method, headers={"authorization": wrong})
                        assert reply.status == 401, wrong
                        assert ADMIN_KEY not in reply.body.decode()
                right = {"authorization": f"Bearer {ADMIN_KEY}"}
                assert (await served.ask(path="/admin/config", method="GET", headers=right)).status == 200
                # The key of the admin pages opens nothing else.
                assert (await served.ask(request("chat"), headers=right)).status == 401
                statuses = [
                    (await served.ask(path="/admin/config", method="GET", headers={"x-api-key": f"wrong-{n}"})).status
                    for n in range(30)
                ]
                assert set(statuses) == {401, 429}
                assert (await served.ask(path="/admin/config", method="GET", headers=right)).status == 200

    run(main())


def test_secrets_of_the_environment_are_not_shown_by_a_failing_start(tmp_path: Path) -> None:
    async def main() -> None:
        from llm_gateway.loading import load_text
        from llm_gateway_sdk import ConfigError

        settings = config(model("http://x", apiKey=KEY, timeout="not a duration"))
        with pytest.raises(ConfigError) as caught:
            load_text(json.dumps(settings))
        assert KEY not in str(caught.value)
        await asyncio.sleep(0)

    run(main())
