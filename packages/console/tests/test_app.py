"""The console's edge: signing in and out, roles, forged requests, guesses, and what browsers may do with its pages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from llm_gateway_console.app import _PAGES

from llm_gateway.testing import GatewayClient

PAGES = ["/", *(path for method, path in _PAGES if method == "GET"), "/nothing"]
FORMS = [*(path for method, path in _PAGES if method == "POST"), "/sign-out"]


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_is_led_to_the_sign_in_and_on_to_where_they_wanted(stranger: Any, path: str) -> None:
    answer = stranger.get(path)

    assert (answer.status, answer.body) == (303, b"")
    assert answer.headers["location"] == f"/console/sign-in?next={path}"


@pytest.mark.parametrize("path", FORMS)
def test_a_stranger_changes_nothing(stranger: Any, path: str) -> None:
    assert stranger.post(path, {"name": "x", "id": "x"}).status == 401


def test_signing_in_leads_on_and_signing_out_ends_it(stranger: Any) -> None:
    answer = stranger.post("/sign-in", {"credential": "viewer-credential-01234567", "next": "/limits?request=r"})
    assert (answer.status, answer.headers["location"]) == (303, "/console/limits?request=r")
    assert stranger.get("/health").status == 200

    assert stranger.post("/sign-out", {"token": stranger.token}).status == 303
    assert stranger.get("/health").status == 303


def test_a_cookie_that_was_copied_is_of_no_use_after_signing_out(viewer: Any) -> None:
    copied = dict(viewer.cookies)
    viewer.post("/sign-out", {"token": viewer.token})
    viewer.cookies = copied

    assert viewer.get("/health").status == 303
    assert viewer.post("/keys", {"name": "x"}).status == 401


def test_the_playground_s_session_ends_with_it(operator: Any) -> None:
    headers = {
        "cookie": f"llm_gateway_console={operator.cookies['llm_gateway_console']}",
        "x-llm-gateway-console": operator.token,
    }
    ask = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    assert operator.gateway.post("/v1/chat/completions", ask, headers=headers).status == 200
    operator.post("/sign-out", {"token": operator.token})

    assert operator.gateway.post("/v1/chat/completions", ask, headers=headers).status == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(stranger: Any) -> None:
    answer = stranger.post("/sign-in", {"credential": "viewer-credential-01234567"}, x_forwarded_proto="https")
    cookie = answer.headers["set-cookie"].lower()

    assert all(part in cookie for part in ("httponly", "samesite=strict", "secure", "max-age=28800"))
    assert "viewer-credential" not in cookie


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "evil"])
def test_signing_in_leads_to_no_other_site(stranger: Any, target: str) -> None:
    answer = stranger.post("/sign-in", {"credential": "viewer-credential-01234567", "next": target})

    assert answer.headers["location"] == "/console/"


@pytest.mark.parametrize("credential", ["", "wrong", "viewer-credential-0123456", "ü"])
def test_a_wrong_credential_opens_nothing(stranger: Any, credential: str) -> None:
    answer = stranger.post("/sign-in", {"credential": credential})

    assert answer.status == 401
    assert "set-cookie" not in answer.headers


def test_guesses_are_limited(stranger: Any) -> None:
    answers = [stranger.post("/sign-in", {"credential": f"guess {n}"}).status for n in range(30)]

    assert answers[0] == 401
    assert answers[-1] == 429
    assert stranger.post("/sign-in", {"credential": "viewer-credential-01234567"}).status == 429


@pytest.mark.parametrize("change", ["", "x", "cut"])
def test_a_forged_cookie_is_not_a_session(viewer: Any, change: str) -> None:
    cookie = viewer.cookies["llm_gateway_console"]
    viewer.cookies["llm_gateway_console"] = {"": "", "x": "x" + cookie, "cut": cookie[:-1]}[change]

    assert viewer.get("/health").status == 303


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("token", ["", "wrong", "ü"])
def test_a_form_without_its_token_is_refused(admin: Any, path: str, token: str) -> None:
    assert admin.post(path, {"name": "forged", "token": token}).status == 403
    assert "forged" not in admin.get("/keys").text


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_a_form_of_another_site_is_refused(admin: Any, headers: dict[str, str]) -> None:
    token = admin.token
    for path in [*FORMS, "/sign-in"]:
        fields = {"name": "forged", "token": token, "credential": "viewer-credential-01234567"}
        answer = admin.post(path, fields, **headers)
        assert (answer.status, "set-cookie" in answer.headers) == (403, False), path

    assert "forged" not in admin.get("/keys").text


def test_a_token_of_another_session_is_refused(admin: Any, operator: Any) -> None:
    assert admin.post("/keys", {"name": "forged", "token": operator.token}).status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(gateway: GatewayClient, method: str) -> None:
    assert gateway.request(method, "/console/keys").status == 405


@pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/static/style.css", "/static/nothing.js"])
def test_every_answer_is_kept_out_of_frames_caches_and_other_origins(admin: Any, path: str) -> None:
    headers = admin.get(path).headers

    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", [path for path in PAGES if path not in ("/", "/nothing")])
def test_pages_have_no_inline_script_and_no_inline_style(admin: Any, path: str) -> None:
    text = admin.get(path).text

    assert "<script>" not in text
    assert " style=" not in text
    assert " onclick=" not in text


def test_each_role_sees_what_it_may_do(viewer: Any, operator: Any, admin: Any) -> None:
    made = admin.post("/keys", {"name": "reports", "token": admin.token})
    assert made.status == 200
    pages = {person: person.get("/keys").text for person in (viewer, operator, admin)}

    actions = ("Revoke permanently", "Rotate reports", "Create key")
    assert [tuple(action in text for action in actions) for text in pages.values()] == [
        (False, False, False),
        (True, False, False),
        (True, True, True),
    ]
    denied = [re.findall(r'<button [^>]*disabled[^>]*title="([^"]*)"[^>]*>([^<]+)<', text) for text in pages.values()]
    revoke, rotate, make = (
        ("needs the role operator", "Revoke…"),
        *(("needs the role admin", label) for label in ("Rotate…", "New key…")),
    )
    assert [sorted(found) for found in denied] == [sorted([revoke, rotate, make]), sorted([rotate, make]), []]
    assert viewer.get("/playground").status == 403
    assert [person.get("/audit").status for person in pages] == [403, 403, 200]


def test_without_administration_the_page_states_what_to_set(tmp_path: Any) -> None:
    with GatewayClient(
        "models: [{name: e, isDefault: true, provider: {type: echo}}]\nplugins: [{name: c, type: console}]",
        directory=tmp_path,
    ) as client:
        answer = client.get("/console")

    assert answer.status == 503
    assert "admin.enabled" in answer.text
