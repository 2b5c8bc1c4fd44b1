"""Tries, fallbacks by cause, waits, breakers: one ledger and one deadline per request."""

from __future__ import annotations

# ruff: noqa: SIM117
import asyncio
import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from loopback import (
    ROUTES,
    Call,
    Reply,
    Script,
    answer,
    chat_event,
    chat_stream,
    config,
    error_shape,
    gateway,
    message_event,
    message_stream,
    model,
    request,
    run,
    upstream,
)


def fails(status: int, message: str = "no", code: str | None = None, **headers: str) -> Script:
    async def script(call: Call) -> None:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        await call.send(status, {"error": {"message": message, "type": "some_error", "code": code}}, given)

    return script


def by_model(**scripts: Script) -> Script:
    async def script(call: Call) -> None:
        await scripts[call.body["model"]](call)

    return script


def first_then(first: Script, then: Script) -> Script:
    seen = 0

    async def script(call: Call) -> None:
        nonlocal seen
        seen += 1
        await (first if seen == 1 else then)(call)

    return script


def router(**settings: Any) -> dict[str, Any]:
    return {"name": "router", "type": "model-router", "config": settings}


def two(url: str, **settings: Any) -> list[dict[str, Any]]:
    return [model(url, name="m", model="a", **settings), model(url, name="n", model="b", **settings)]


CAUSES = {
    "rate_limit": (429, "slow down", "rate_limit_exceeded"),
    "quota": (429, "You exceeded your current quota", "insufficient_quota"),
    "overloaded": (503, "The server is overloaded", None),
    "upstream": (500, "oops", None),
    "context_length": (400, "This model's maximum context length is 8192 tokens", "context_length_exceeded"),
    "content_policy": (400, "blocked", "content_policy_violation"),
    "authentication": (401, "Incorrect API key", "invalid_api_key"),
    "permission": (403, "not yours", None),
    "not_found": (404, "no such model", "model_not_found"),
    "bad_request": (400, "temperature must be a number", None),
}


async def each_cause(**settings: list[str]) -> dict[str, dict[str, Reply]]:
    """How a request ends whose first model fails for each cause, by the causes that a router has `on`."""

    async def script(call: Call) -> None:
        cause = call.body["model"]
        await (fails(*CAUSES[cause]) if cause in CAUSES else answer)(call)

    async with upstream(script) as up:
        models = [model(up.url, name=cause, model=cause) for cause in CAUSES] + [model(up.url, name="n")]
        projects = [
            {
                "name": f"{name}-{cause}".replace("_", "-"),
                "plugins": [router(model=cause, fallbacks=["n"], **({"on": on} if on else {}))],
            }
            for name, on in settings.items()
            for cause in CAUSES
        ]
        async with gateway(config(*models, projects=projects, breaker={"enabled": False})) as served:
            return {
                name: {
                    cause: await served.ask(request("chat"), path=f"/{name}-{cause}".replace("_", "-") + ROUTES["chat"])
                    for cause in CAUSES
                }
                for name in settings
            }


def test_each_cause_falls_back_where_it_is_listed_and_only_there() -> None:
    listed = {cause.replace("_", ""): [cause] for cause in CAUSES}
    found = run(each_cause(**listed))

    for name, (on,) in listed.items():
        for cause, reply in found[name].items():
            assert (reply.status == 200) is (cause == on), f"{cause} with on: {on}"
            assert reply.header("x-llm-gateway-model") == ("n" if cause == on else cause)
            assert reply.header("x-llm-gateway-attempts") == ("2" if cause == on else None)


def test_by_default_the_callers_own_mistakes_do_not_fall_back() -> None:
    found = run(each_cause(default=[]))

    assert {cause for cause, reply in found["default"].items() if reply.status != 200} == {
        "bad_request",
        "content_policy",
    }


def test_tries_are_bounded_and_the_last_error_advises_against_a_retry() -> None:
    async def main() -> None:
        async with upstream(fails(500)) as up:
            settings = config(model(up.url, retryAttempts=3, retryDelay="20ms"))
            async with gateway(settings) as served:
                started = time.monotonic()
                reply = await served.ask(request("chat"))
                assert len(up.calls) == 3
                assert 0.04 < time.monotonic() - started < 1
                assert reply.status == 500
                assert [value for name, value in reply.headers if name == "x-should-retry"] == ["false"]
                assert reply.header("x-llm-gateway-attempts") == "3"

    run(main())


@pytest.mark.parametrize("kind", ["quota", "context_length", "content_policy", "authentication", "bad_request"])
def test_what_a_retry_cannot_fix_is_not_retried(kind: str) -> None:
    async def main() -> None:
        status, message, code = CAUSES[kind]
        async with upstream(fails(status, message, code)) as up:
            async with gateway(config(model(up.url, retryAttempts=3, retryDelay="1ms"))) as served:
                assert (await served.ask(request("chat"))).status == status
                assert len(up.calls) == 1

    run(main())


def test_an_upstream_that_states_whether_to_retry_is_believed() -> None:
    async def main() -> None:
        async with upstream(fails(500, x_should_retry="false")) as up:
            async with gateway(config(model(up.url, retryAttempts=3, retryDelay="1ms"))) as served:
                await served.ask(request("chat"))
                assert len(up.calls) == 1
        async with upstream(first_then(fails(400, x_should_retry="true"), answer)) as up:
            async with gateway(config(model(up.url, retryAttempts=3, retryDelay="1ms"))) as served:
                assert (await served.ask(request("chat"))).status == 200

    run(main())


def test_retry_after_is_waited_for_in_each_of_its_forms() -> None:
    async def main() -> None:
        for name, value in {"retry_after": "1", "retry_after_ms": "300", "Retry_After": "a date"}.items():
            if value == "a date":  # in whole seconds: between one and two of them ahead
                value = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
            limit = first_then(fails(429, code="rate_limit_exceeded", **{name: value}), answer)
            async with upstream(limit) as up:
                async with gateway(config(model(up.url, retryAttempts=2, retryDelay="1ms"))) as served:
                    started = time.monotonic()
                    assert (await served.ask(request("chat"))).status == 200
                    waited = time.monotonic() - started
                    assert (0.28 if name.endswith("ms") else 0.9) < waited < 3

    run(main())


def test_a_retry_after_beyond_the_deadline_reaches_the_client_at_once() -> None:
    async def main() -> None:
        async with upstream(fails(429, code="rate_limit_exceeded", retry_after="120")) as up:
            async with gateway(config(model(up.url, retryAttempts=3), requestTimeout="5s")) as served:
                started = time.monotonic()
                for dialect, path in ROUTES.items():
                    reply = await served.ask(request(dialect), path=path)
                    assert (reply.status, reply.header("retry-after")) == (429, "120")
                assert time.monotonic() - started < 1

    run(main())


OVERLOADED_CHAT = b'data: {"error":{"message":"overloaded","type":"server_error","code":"server_is_overloaded"}}\n\n'
OVERLOADED_MESSAGES = message_event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})


@pytest.mark.parametrize("how", ["together", "byte by byte"])
@pytest.mark.parametrize("dialect", ROUTES)
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_overload_inside_a_stream_falls_back_unseen_before_content(kind: str, dialect: str, how: str) -> None:
    async def main() -> None:
        async def overloaded(call: Call) -> None:
            await call.open_stream()
            if kind == "openai":
                pieces = [chat_event({"role": "assistant", "content": ""}), OVERLOADED_CHAT]
            else:
                pieces = [message_stream()[0], OVERLOADED_MESSAGES]
            joined = b"".join(pieces)
            pieces = [joined] if how == "together" else pieces
            for piece in pieces if how != "byte by byte" else [joined[at : at + 1] for at in range(len(joined))]:
                await call.chunk(piece)
            await call.end_stream()

        async with upstream(by_model(a=overloaded, b=answer)) as up:
            models = [model(up.url, kind, name="m", model="a"), model(up.url, kind, name="n", model="b")]
            async with gateway(config(*models, plugins=[router(model="m", fallbacks=["n"])])) as served:
                reply = await served.ask(request(dialect, stream=True), path=ROUTES[dialect])
                assert reply.status == 200
                assert b"verloaded" not in reply.body
                assert reply.header("x-llm-gateway-model") == "n"
                assert reply.header("x-llm-gateway-attempts") == "2"
                start = {"chat": b'"role":', "messages": b"message_start", "responses": b"response.created"}[dialect]
                assert reply.body.replace(b'"role": ', b'"role":').count(start) in (1, 2)

    run(main())


def test_after_content_nothing_is_tried_again() -> None:
    async def main() -> None:
        async def breaks(call: Call) -> None:
            await call.open_stream()
            await call.chunk(b"".join(chat_stream("one", done=False)))
            await asyncio.sleep(0.05)
            call.reset()

        async with upstream(by_model(a=breaks, b=answer)) as up:
            settings = config(*two(up.url, retryAttempts=3), plugins=[router(model="m", fallbacks=["n"])])
            async with gateway(settings) as served:
                for dialect, path in ROUTES.items():
                    reply = await served.ask(request(dialect, stream=True), path=path)
                    assert reply.whole
                    assert b"one" in reply.body
                    assert b"rror" in reply.body
                assert len(up.calls) == 3

    run(main())


# Breakers.


def test_an_open_breaker_diverts_and_a_probe_closes_it() -> None:
    async def main() -> None:
        healthy = False

        async def sick(call: Call) -> None:
            await (answer if healthy else fails(500))(call)

        async with upstream(by_model(a=sick, b=answer)) as up:
            breaker = {"failures": 2, "cooldown": "300ms"}
            settings = config(*two(up.url), plugins=[router(model="m", fallbacks=["n"])], breaker=breaker)
            async with gateway(settings) as served:
                for _ in range(5):
                    assert (await served.ask(request("chat"))).header("x-llm-gateway-model") == "n"
                assert Counter(call.body["model"] for call in up.calls) == {"a": 2, "b": 5}
                assert served.targets()["m"].breaker.state == "open"

                await asyncio.sleep(0.35)
                # One probe at a time, however many ask.
                replies = await asyncio.gather(*(served.ask(request("chat")) for _ in range(8)))
                assert {reply.status for reply in replies} == {200}
                assert Counter(call.body["model"] for call in up.calls)["a"] == 3
                healthy = True
                await asyncio.sleep(0.65)
                await served.ask(request("chat"))
                assert served.targets()["m"].breaker.state == "closed"
                assert (await served.ask(request("chat"))).header("x-llm-gateway-model") == "m"

    run(main())


@pytest.mark.parametrize("kind", ["bad_request", "context_length", "content_policy", "not_found", "authentication"])
def test_callers_mistakes_never_open_a_breaker(kind: str) -> None:
    async def main() -> None:
        status, message, code = CAUSES[kind]
        async with upstream(fails(status, message, code)) as up:
            async with gateway(config(model(up.url), breaker={"failures": 2})) as served:
                for _ in range(5):
                    await served.ask(request("chat"))
                await served.ask(b"{no json")
                assert served.targets()["m"].breaker.state == "closed"

    run(main())


@pytest.mark.parametrize("dialect", ["messages", "responses"])
def test_a_conversation_at_which_the_models_output_breaks_opens_no_breaker(dialect: str) -> None:
    async def broken(call: Call) -> None:
        message = {"role": "assistant", "content": ""}
        choice = {"index": 0, "message": message, "finish_reason": "insufficient_system_resource"}
        await call.send(200, {"id": "c", "object": "chat.completion", "model": "a", "choices": [choice]})

    async def main() -> None:
        async with upstream(by_model(a=broken, b=answer)) as up:
            settings = config(*two(up.url), plugins=[router(model="m", fallbacks=["n"])], breaker={"failures": 2})
            async with gateway(settings) as served:
                for _ in range(5):
                    reply = await served.ask(request(dialect), path=ROUTES[dialect])
                    assert reply.header("x-llm-gateway-model") == "n"
                assert [call.body["model"] for call in up.calls] == ["a", "b"] * 5
                assert served.targets()["m"].breaker.state == "closed"

    run(main())


def test_a_callers_own_rate_limit_is_not_held_against_the_provider() -> None:
    async def main() -> None:
        async with upstream(fails(429, code="rate_limit_exceeded")) as up:
            settings = config(model(up.url, credentials="client"), breaker={"failures": 2})
            async with gateway(settings) as served:
                for _ in range(4):
                    await served.ask(request("chat"), headers={"authorization": "Bearer mine"})
                assert served.targets()["m"].breaker.state == "closed"

    run(main())


def test_when_all_are_cooling_the_earliest_recovery_is_waited_for() -> None:
    async def main() -> None:
        healthy = False

        async def sick(call: Call) -> None:
            await (answer if healthy else fails(503, code="overloaded"))(call)

        # The last one asks for a much longer pause than the first.
        slow = fails(429, code="rate_limit_exceeded", retry_after="300")
        async with upstream(by_model(a=sick, b=slow)) as up:
            breaker = {"failures": 1, "cooldown": "600ms"}
            plugins = [router(model="m", fallbacks=["n"])]
            async with gateway(config(*two(up.url), plugins=plugins, breaker=breaker)) as served:
                assert (await served.ask(request("chat"))).status == 429
                assert [served.targets()[name].breaker.state for name in "mn"] == ["open", "open"]
                healthy = True
                started = time.monotonic()
                reply = await served.ask(request("chat"))
                assert (reply.status, reply.header("x-llm-gateway-model")) == (200, "m")
                assert 0.3 < time.monotonic() - started < 3

    run(main())


def test_when_all_are_cooling_beyond_the_deadline_the_client_learns_when_to_come_back() -> None:
    async def main() -> None:
        async with upstream(fails(503, "overloaded", retry_after="40")) as up:
            plugins = [router(model="m", fallbacks=["n"])]
            settings = config(*two(up.url), plugins=plugins, breaker={"failures": 1}, requestTimeout="5s")
            async with gateway(settings) as served:
                await served.ask(request("chat"))
                for dialect, path in ROUTES.items():
                    started = time.monotonic()
                    reply = await served.ask(request(dialect), path=path)
                    assert time.monotonic() - started < 4
                    assert reply.status == (529 if dialect == "messages" else 503)
                    assert 35 <= int(reply.header("retry-after") or 0) <= 41
                    error_shape(dialect, reply.body)
                assert len(up.calls) == 2

    run(main())


def test_a_sole_target_is_called_though_its_breaker_is_open() -> None:
    async def main() -> None:
        healthy = False

        async def sick(call: Call) -> None:
            await (answer if healthy else fails(500))(call)

        async with upstream(sick) as up, gateway(config(model(up.url), breaker={"failures": 2})) as served:
            for _ in range(4):
                assert (await served.ask(request("chat"))).status == 500
            healthy = True
            assert (await served.ask(request("chat"))).status == 200
            assert served.targets()["m"].breaker.state == "closed"

    run(main())


# Balancing.


def balanced(url: str, count: int = 3) -> list[dict[str, Any]]:
    return [model(url, name="mnopq"[number], model="mnopq"[number]) for number in range(count)]


def test_weights_are_shares() -> None:
    async def main() -> None:
        async with upstream(answer) as up:
            weights = [{"name": "m", "weight": 3}, {"name": "n", "weight": 1}, {"name": "o", "weight": 0}]
            async with gateway(config(*balanced(up.url), plugins=[router(models=weights)])) as served:
                for number in range(200):
                    await served.ask(request("chat", text=f"question {number}"))
                shares = Counter(call.body["model"] for call in up.calls)
                assert 120 <= shares["m"] <= 180
                assert shares["o"] == 0

    run(main())


def test_a_model_without_weight_is_not_a_fallback_either() -> None:
    async def main() -> None:
        async with upstream(fails(503, "overloaded")) as up:
            weights = [{"name": "m"}, {"name": "n"}, {"name": "o", "weight": 0}]
            async with gateway(config(*balanced(up.url), plugins=[router(models=weights)])) as served:
                await served.ask(request("chat"))
                assert sorted(call.body["model"] for call in up.calls) == ["m", "n"]

    run(main())


def test_least_in_flight_spreads_what_runs_and_forgets_what_ended() -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def wait(call: Call) -> None:
            await go_on.wait()
            await answer(call)

        async with upstream(wait) as up:
            plugins = [router(models=[{"name": name} for name in "mno"], strategy="least_in_flight")]
            async with gateway(config(*balanced(up.url), plugins=plugins)) as served:
                asked = [asyncio.ensure_future(served.ask(request("chat", text=str(n)))) for n in range(9)]
                await up.wait_for(9)
                assert Counter(call.body["model"] for call in up.calls) == {"m": 3, "n": 3, "o": 3}
                leaving = await served.connect()
                await leaving.send("POST", ROUTES["chat"], request("chat"))
                await up.wait_for(10)
                leaving.abort()
                go_on.set()
                await asyncio.gather(*asked)
                plugin = served.plugin
                async with asyncio.timeout(2):
                    while any(plugin._in_flight.values()):  # noqa: ASYNC110
                        await asyncio.sleep(0.01)

    run(main())


@pytest.mark.parametrize("by", ["header:x-tenant", "caller", "conversation"])
def test_sticky_requests_stay_and_others_spread(by: str) -> None:
    async def main() -> None:
        async with upstream(answer) as up:
            keys = [{"name": f"caller-{n}", "key": f"key-of-caller-{n}"} for n in range(12)]
            plugins = [
                {"name": "auth", "type": "basic-apikey-auth", "config": {"apikeys": keys}},
                router(models=[{"name": name} for name in "mno"], strategy="sticky", stickyBy=by),
            ]
            async with gateway(config(*balanced(up.url), plugins=plugins)) as served:
                went: dict[int, set[str]] = {}
                for _ in range(3):
                    for number in range(12):
                        text = f"conversation {number}" if by == "conversation" else f"{time.monotonic()}"
                        headers = {
                            "authorization": f"Bearer key-of-caller-{number if by == 'caller' else 0}",
                            "x-tenant": f"tenant-{number}",
                        }
                        await served.ask(request("chat", text=text), headers=headers)
                        went.setdefault(number, set()).add(up.calls[-1].body["model"])
                assert all(len(models) == 1 for models in went.values())
                assert len(set.union(*went.values())) >= 2

    run(main())


def test_a_sticky_request_falls_over_to_the_others() -> None:
    async def main() -> None:
        async with upstream(by_model(m=fails(503, "overloaded"), n=answer, o=fails(503, "overloaded"))) as up:
            plugins = [router(models=[{"name": name} for name in "mno"], strategy="sticky")]
            async with gateway(config(*balanced(up.url), plugins=plugins)) as served:
                for number in range(6):
                    reply = await served.ask(request("chat", text=f"conversation {number}"))
                    assert (reply.status, reply.header("x-llm-gateway-model")) == (200, "n")

    run(main())


def test_a_conversation_with_signed_reasoning_returns_to_where_it_was_signed() -> None:
    async def main() -> None:
        async with upstream(answer) as up:
            models = [model(up.url, "anthropic", name=name, model=name) for name in "mno"]
            plugins = [router(models=[{"name": name} for name in "mno"])]
            async with gateway(config(*models, plugins=plugins)) as served:
                for number in range(8):
                    first = request("messages", text=f"think {number}")
                    await served.ask(first, path=ROUTES["messages"])
                    signed_by = up.calls[-1].body["model"]
                    thinking = {"type": "thinking", "thinking": "hm", "signature": "c2lnbmF0dXJl"}
                    words = {"role": "assistant", "content": [thinking, {"type": "text", "text": "hi"}]}
                    later = json.loads(json.dumps(first))
                    later["messages"] += [words, {"role": "user", "content": "go on"}]
                    for _ in range(3):
                        await served.ask(later, path=ROUTES["messages"])
                        assert up.calls[-1].body["model"] == signed_by

    run(main())


@pytest.mark.parametrize("status", [500, 503, 504])
def test_a_fallback_for_some_causes_leaves_the_retries_of_all_others(status: int) -> None:
    async def main() -> None:
        script = by_model(a=first_then(fails(status), answer), b=answer)
        async with upstream(script) as up:
            models = two(up.url, retryDelay="1ms")
            for each in models:
                del each["provider"]["config"]["retryAttempts"]
            plugins = [router(model="m", fallbacks=["n"], on=["rate_limit"])]
            async with gateway(config(*models, plugins=plugins)) as served:
                reply = await served.ask(request("chat"))
                assert reply.status == 200
                assert [call.body["model"] for call in up.calls] == ["a", "a"]

    run(main())
