"""Each kind of condition, where it holds and where it does not. A plugin that takes part leaves its mark."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_upstream import ScriptedUpstream
from served_gateway import ServedGateway, model

CONDITIONS: dict[str, dict[str, Any]] = {
    "path": {"paths": ["/anthropic"]},
    "path-in-project": {"paths": ["/team/openai"]},
    "path-expression": {"paths": ["/completions$/"]},
    "method": {"methods": ["post"]},
    "another-method": {"methods": ["GET", "DELETE"]},
    "header": {"headers": {"X-Team": "blue"}},
    "header-expression": {"headers": {"user-agent": "/curl|wget/"}},
    "user": {"user_ids": ["alice", "/^bo[bB]$/"]},
    "model": {"models": ["gpt-4"]},
    "all-of-them": {"paths": ["/anthropic"], "headers": {"x-team": "blue"}, "models": ["gpt-4"]},
    "empty": {"paths": [], "methods": [], "headers": {}, "user_ids": [], "models": []},
}


@pytest.fixture(scope="module")
def conditional(upstream: ScriptedUpstream, serve: Any) -> ServedGateway:
    def marking(name: str, **settings: Any) -> dict[str, Any]:
        return {"name": name, "type": "prompt-manager", "config": {"prompt": f"<{name}>", "mode": "after"}, **settings}

    keys = [{"name": "alice", "key": "key-of-alice"}, {"name": "carol", "key": "key-of-carol"}]
    auth = {"name": "auth", "type": "basic-apikey-auth", "priority": 1, "config": {"apikeys": keys}}
    return serve(  # type: ignore[no-any-return]
        {
            "models": [
                {**model("chat", "openai", baseUrl=f"{upstream.url}/v1"), "isDefault": True, "aliases": ["gpt-4*"]}
            ],
            "plugins": [
                marking("off", enabled=False),
                *(marking(name, conditions=conditions) for name, conditions in CONDITIONS.items()),
            ],
            "projects": [{"name": "team"}, {"name": "known", "plugins": [auth]}],
        }
    )


def marks(
    served: ServedGateway,
    path: str = "/openai/v1/chat/completions",
    headers: dict[str, str] | None = None,
    **body: Any,
) -> set[str]:
    """The names of the plugins that took part."""
    asked = {"model": "other", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], **body}
    with served.http() as http:
        reply = http.post(path, json=asked, headers={"user-agent": "test", **(headers or {})})
    assert reply.status_code == 200, reply.text
    return {name for name in (*CONDITIONS, "off") if f"<{name}>" in reply.text}


MESSAGES = "/anthropic/v1/messages"
ALWAYS = {"method", "empty"}
CHAT = ALWAYS | {"path-expression"}

CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing special": ({}, CHAT),
    "another path": ({"path": MESSAGES}, ALWAYS | {"path"}),
    "a path in a project": ({"path": "/team/openai/v1/chat/completions"}, CHAT | {"path-in-project"}),
    "a path behind a project": ({"path": "/team/anthropic/v1/messages"}, ALWAYS | {"path"}),
    "a header": ({"headers": {"x-team": "BLUE-1"}}, CHAT | {"header"}),
    "another value of a header": ({"headers": {"x-team": "red"}}, CHAT),
    "a header that an expression finds": ({"headers": {"user-agent": "something/Curl"}}, CHAT | {"header-expression"}),
    "a user named by header": ({"headers": {"x-user-id": "alice-7"}}, CHAT | {"user"}),
    "a user that an expression finds": ({"headers": {"x-user-id": "bob"}}, CHAT | {"user"}),
    "another user": ({"headers": {"x-user-id": "mallory"}}, CHAT),
    "a user named by the body": ({"user": "alice"}, CHAT | {"user"}),
    "a user named by a message's metadata": (
        {"path": MESSAGES, "metadata": {"user_id": "alice"}},
        ALWAYS | {"path", "user"},
    ),
    "an authenticated caller": (
        {"path": "/known/openai/v1/chat/completions", "headers": {"x-api-key": "key-of-alice"}},
        CHAT | {"user"},
    ),
    "a caller that only says to be another": (
        {
            "path": "/known/openai/v1/chat/completions",
            "headers": {"x-api-key": "key-of-carol", "x-user-id": "alice"},
            "user": "alice",
        },
        CHAT,
    ),
    "a model": ({"model": "gpt-4o"}, CHAT | {"model"}),
    "another model": ({"model": "gpt-5"}, CHAT),
    "all kinds at once": (
        {"path": MESSAGES, "headers": {"x-team": "blue"}, "model": "gpt-4o"},
        ALWAYS | {"path", "header", "model", "all-of-them"},
    ),
    "all kinds but one": (
        {"path": MESSAGES, "headers": {"x-team": "blue"}, "model": "o3"},
        ALWAYS | {"path", "header"},
    ),
}


@pytest.mark.parametrize(("asked", "expected"), CASES.values(), ids=CASES)
def test_those_plugins_take_part_whose_conditions_hold(
    conditional: ServedGateway, asked: dict[str, Any], expected: set[str]
) -> None:
    assert marks(conditional, **asked) == expected
