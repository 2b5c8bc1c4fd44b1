"""Sign-in with a stand-in issuer: the whole way of a browser, and every way in which it must not work."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from llm_gateway_console.app import ConsoleApp
from llm_gateway_console.oidc import OIDC, SignInFailure
from llm_gateway_console.sessions import Sessions
from llm_gateway_console.settings import Settings

from llm_gateway_sdk.page_host import PAGE_HOST

ISSUER = "https://login.example.com"
CONFIG: dict[str, Any] = {
    "oidc": {
        "issuer": ISSUER,
        "clientId": "gateway",
        "clientSecret": "client-secret",
        "roles": {"staff": "viewer", "on-call": "operator", "admins": "admin"},
        "publicUrl": "https://gateway.example.com/console",
    }
}


class Issuer:
    """A provider that keeps to the rules: one use of a code, PKCE, the client's secret."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"sub": "1", "email": "ann@example.com", "groups": ["staff", "on-call"]}
        self.document = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
        }
        self.challenges: dict[str, str] = {}
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def approve(self, address: str) -> str:
        """The person signs in; the query with which the browser comes back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["redirect_uri"] == "https://gateway.example.com/console/oidc/back"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.challenges)}"
        self.challenges[code] = asked["code_challenge"]
        return f"code={code}&state={asked['state']}"

    def _answer(self, request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self.document)
            case "/token":
                given = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
                challenge = self.challenges.pop(given.get("code", ""), None)
                digest = hashlib.sha256(given["code_verifier"].encode()).digest()
                proof = base64.urlsafe_b64encode(digest).decode().rstrip("=")
                if challenge != proof or given.get("client_secret") != "client-secret":
                    return httpx.Response(400, json={"error": "invalid_grant"})
                return httpx.Response(200, json={"access_token": "token", "token_type": "Bearer"})
            case "/userinfo" if request.headers.get("authorization") == "Bearer token":
                return httpx.Response(200, json=self.claims)
        return httpx.Response(401)


class Browser:
    """Goes to the console's addresses, with cookies."""

    def __init__(self, issuer: Issuer) -> None:
        self.sessions = Sessions(b"secret", 3600)
        self._app = ConsoleApp(Settings.load(CONFIG), self.sessions, lambda: issuer.client)
        self.cookies: dict[str, str] = {}

    def get(self, path: str, query: str = "") -> tuple[int, dict[str, str], str]:
        return asyncio.run(self._get(path, query))

    async def _get(self, path: str, query: str) -> tuple[int, dict[str, str], str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        scope = {
            "type": "http", "method": "GET", "path": f"/console{path}", "root_path": "/console", "scheme": "https",
            "query_string": query.encode(),
            "headers": [(b"host", b"gateway.example.com"), (b"cookie", cookies.encode())],
            "client": ("192.0.2.1", 1), "server": ("gateway.example.com", 443), PAGE_HOST: object(),
        }  # fmt: skip
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        await self._app(scope, receive, send)
        for name, value in sent[0]["headers"]:
            if name == b"set-cookie":
                key, _, content = value.decode().partition(";")[0].partition("=")
                self.cookies[key] = content.strip('"')
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, b"".join(part.get("body", b"") for part in sent[1:]).decode()

    @property
    def session(self) -> Any:
        return self.sessions.read(self.cookies.get("llm_gateway_console", ""))


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def browser(issuer: Issuer) -> Browser:
    return Browser(issuer)


def test_somebody_signs_in_with_the_highest_of_their_roles(issuer: Issuer, browser: Browser) -> None:
    status, headers, _ = browser.get("/oidc", "next=/limits")
    assert status == 303
    assert headers["location"].startswith(f"{ISSUER}/authorize?")
    assert "samesite=lax" in headers["set-cookie"].lower()
    assert "httponly" in headers["set-cookie"].lower()

    status, headers, body = browser.get("/oidc/back", issuer.approve(headers["location"]))
    assert status == 200
    assert "url=/console/limits" in body
    assert (browser.session.name, browser.session.role) == ("ann@example.com", "operator")


@pytest.mark.parametrize("groups", [[], ["others"], None, "other", 5 * ["x"], 7, True, [["staff"]], {"x": "staff"}])
def test_somebody_without_a_role_stays_outside(issuer: Issuer, browser: Browser, groups: Any) -> None:
    issuer.claims["groups"] = groups
    _, headers, _ = browser.get("/oidc")

    status, _, body = browser.get("/oidc/back", issuer.approve(headers["location"]))
    assert status == 403
    assert "ann@example.com has no role here" in body
    assert browser.session is None


def test_a_code_is_of_no_use_in_another_browser(issuer: Issuer, browser: Browser) -> None:
    _, headers, _ = browser.get("/oidc")
    back = issuer.approve(headers["location"])
    victim = Browser(issuer)

    assert victim.get("/oidc/back", back)[0] == 403
    victim.get("/oidc")
    assert victim.get("/oidc/back", back)[0] == 403
    assert victim.session is None


@pytest.mark.parametrize(
    "query", ["", "code=code-0", "code=code-0&state=wrong", "state=&code=x", "error=access_denied"]
)
def test_a_way_back_without_its_state_is_refused(issuer: Issuer, browser: Browser, query: str) -> None:
    _, headers, _ = browser.get("/oidc")
    issuer.approve(headers["location"])

    assert browser.get("/oidc/back", query)[0] == 403
    assert browser.session is None


def test_another_code_is_refused_for_want_of_its_verifier(issuer: Issuer, browser: Browser) -> None:
    _, mine, _ = browser.get("/oidc")
    state = parse_qs(issuer.approve(mine["location"]))["state"][0]
    _, other, _ = Browser(issuer).get("/oidc")
    stolen = parse_qs(issuer.approve(other["location"]))["code"][0]

    assert browser.get("/oidc/back", f"code={stolen}&state={state}")[0] == 403
    assert browser.session is None


def test_an_answer_of_another_issuer_is_refused(issuer: Issuer, browser: Browser) -> None:
    _, headers, _ = browser.get("/oidc")

    assert browser.get("/oidc/back", issuer.approve(headers["location"]) + "&iss=https://evil.example")[0] == 403


@pytest.mark.parametrize("change", [{"issuer": "https://evil.example"}, {"token_endpoint": None}])
def test_a_document_that_is_not_the_issuers_is_not_trusted(issuer: Issuer, change: dict[str, Any]) -> None:
    issuer.document = {name: value for name, value in {**issuer.document, **change}.items() if value}
    oidc = Settings.load(CONFIG).oidc
    assert oidc is not None

    with pytest.raises(SignInFailure):
        asyncio.run(OIDC(oidc, lambda: issuer.client).begin(""))


def test_a_provider_that_does_not_answer_is_reported(issuer: Issuer, browser: Browser) -> None:
    issuer.document = {}
    status, _, body = browser.get("/oidc")

    assert status == 403
    assert "provider" in body


def test_a_way_back_leads_in_once(issuer: Issuer, browser: Browser) -> None:
    _, headers, _ = browser.get("/oidc")
    kept, back = browser.cookies.copy(), issuer.approve(headers["location"])
    assert browser.get("/oidc/back", back)[0] == 200

    assert browser.get("/oidc/back", back)[0] == 403
    browser.cookies = kept
    assert browser.get("/oidc/back", back)[0] == 403
    assert browser.session is None


@pytest.mark.parametrize("query", ["state=&code=code-0", "code=code-0", "state=%ED%A0%80&code=code-0"])
def test_a_session_is_not_the_beginning_of_a_sign_in(issuer: Issuer, browser: Browser, query: str) -> None:
    browser.get("/oidc")
    name = next(iter(browser.cookies))
    browser.cookies[name] = browser.sessions.begin("bob", "viewer")

    assert browser.get("/oidc/back", query)[0] == 403


def test_the_beginning_of_a_sign_in_is_not_a_session(browser: Browser) -> None:
    browser.get("/oidc")
    [begun] = browser.cookies.values()

    assert browser.sessions.read(begun) is None


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/%5C%5Cevil.example", "%2F%2Fevil.example", "/%09/evil.example",
     "javascript:alert(1)", "/x%0D%0Aset-cookie:a=b", "@evil.example", ".evil.example"],
)  # fmt: skip
def test_a_sign_in_ends_in_the_console(issuer: Issuer, browser: Browser, wanted: str) -> None:
    _, headers, _ = browser.get("/oidc", f"next={wanted}")

    status, _, body = browser.get("/oidc/back", issuer.approve(headers["location"]))

    assert status == 200
    assert "url=/console/" in body
    assert "evil" not in body
