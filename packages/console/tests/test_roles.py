"""What each role may do: everything that a page offers, and nothing of what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest
from console_people import ADMIN, CONFIGURATION, OPERATOR, VIEWER, Person
from console_recorded import Recorded
from llm_gateway_console.app import _PAGES

from llm_gateway.testing import GatewayClient

ROLES = {"viewer": VIEWER, "operator": OPERATOR, "admin": ADMIN}
NEEDED = {
    ("GET", "/keys"): "viewer",
    ("POST", "/keys"): "admin",
    ("POST", "/keys/search"): "viewer",
    ("POST", "/keys/rotate"): "admin",
    ("POST", "/keys/revoke"): "operator",
    ("GET", "/limits"): "viewer",
    ("POST", "/limits/raise"): "admin",
    ("POST", "/limits/end"): "operator",
    ("GET", "/limits/simulate"): "viewer",
    ("POST", "/limits/simulate"): "viewer",
    ("GET", "/teams"): "viewer",
    ("GET", "/usage"): "viewer",
    ("GET", "/usage.csv"): "viewer",
    ("GET", "/team"): "viewer",
    ("GET", "/configuration"): "viewer",
    ("GET", "/playground"): "operator",
    ("GET", "/health"): "viewer",
    ("GET", "/audit"): "admin",
}


class Offered(HTMLParser):
    """The links and forms of a page; fields that a person fills in get an `x`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.forms: dict[tuple[str, str], dict[str, str]] = {}
        self._fields: dict[str, str] | None = None
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and given.get("href", "").startswith("/console"):
            self.links.add(given["href"].removeprefix("/console") or "/")
        elif tag == "form" and given.get("action", "").startswith("/console"):
            where = (given.get("method", "get").upper(), given["action"].removeprefix("/console"))
            self._fields = self.forms.setdefault(where, {})
        elif self._fields is not None and given.get("name"):
            if tag == "input":
                self._fields.setdefault(given["name"], given.get("value") or ("x" if "required" in given else ""))
            elif tag == "select":
                self._select = given["name"]
        elif tag == "option" and self._fields is not None and self._select:
            chosen = given.get("value", "")
            self._fields[self._select] = chosen if "selected" in given else self._fields.get(self._select, chosen)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._fields = None
        elif tag == "select":
            self._select = ""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayClient]:
    folder: Path = tmp_path_factory.mktemp("roles")
    text = CONFIGURATION + "  - {name: recorded, type: recorded}\n"
    with GatewayClient(text, directory=folder, extensions=[Recorded]) as client:
        admin = Person(client).sign_in(ADMIN)
        for name in ("one", "two"):
            made = admin.post("/keys", {"name": name, "team": "search", "token": admin.token})
            assert made.status == 200
        override = {"limit": "few", "whom": "key=k", "amount": "5", "token": admin.token}
        assert admin.post("/limits/raise", override).status == 303
        yield client


@pytest.mark.parametrize("role", ROLES)
def test_no_link_and_no_form_that_a_role_sees_is_refused_to_it(gateway: GatewayClient, role: str) -> None:
    person = Person(gateway).sign_in(ROLES[role])
    seen: set[str] = set()
    waiting = {"/keys"}
    forms: dict[tuple[str, str], dict[str, str]] = {}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = person.get(path)
        assert answer.status in (200, 303), f"{path}: {answer.status}"
        found = Offered(answer.text) if answer.headers.get("content-type", "").startswith("text/html") else Offered("")
        forms |= found.forms
        # Of pages that differ in their query alone some are enough.
        waiting |= {link for link in found.links - seen if sum(link.partition("?")[0] in each for each in seen) < 12}
    forms.pop(("POST", "/sign-out"))
    assert len(seen) > 10
    assert {path for _, path in forms} >= {"/keys/search", "/limits/simulate"}
    for (method, path), fields in forms.items():
        if method == "POST":
            answer = person.post(path, {**fields, "token": person.token})
        else:
            answer = person.get(f"{path}?{urlencode(fields)}")
        assert answer.status not in (401, 403, 404, 405), f"{method} {path}: {answer.status}"


def test_every_page_has_its_role() -> None:
    assert NEEDED.keys() == _PAGES.keys()


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_a_page_refuses_a_lower_role_and_strangers(gateway: GatewayClient, method: str, path: str) -> None:
    ranks = list(ROLES)
    for role, credential in ROLES.items():
        person = Person(gateway).sign_in(credential)
        # An unknown id: it is refused for the role, or else not found.
        fields = {"token": person.token, "id": "0", "limit": "few", "whom": "key=unknown", "name": "", "amount": "-"}
        answer = person.get(path) if method == "GET" else person.post(path, fields)
        denied = ranks.index(role) < ranks.index(NEEDED[method, path])
        assert (answer.status == 403) is denied, f"{role}: {answer.status}"
    stranger = Person(gateway)
    if method == "GET":
        assert stranger.get(path).headers["location"].startswith("/console/sign-in?")
    else:
        assert stranger.post(path, {}).status == 401


@pytest.mark.parametrize("path", ["/traces/", "/traces/figures.json?by=team", "/traces/records.jsonl"])
def test_recorded_requests_need_a_session(gateway: GatewayClient, path: str) -> None:
    answer = Person(gateway).get(path)

    assert answer.status == 303
    assert answer.body == b""
    assert Person(gateway).sign_in(VIEWER).get(path).status == 200
