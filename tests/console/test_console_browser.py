"""The console in a real browser, over a gateway with a real engine: each page by desktop and phone, at 200 %, light and
dark, judged by axe; numbers lead to the same numbers; nothing that a record holds is ever run.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from llm_gateway.testing.processes import GatewayProcess

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
sys.path.insert(0, str(Path(__file__).parent))
from console_numbers import Node, claims, counts, parsed  # noqa: E402

axe_package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
pytest.importorskip("chdb", reason="chdb is not installed")

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
pytestmark = [pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"), pytest.mark.timeout(300)]

ADMIN, OPERATOR = "admin-credential-0123456789", "operator-credential-012345"
DOWN = "http://127.0.0.1:9"
"""A provider that does not answer."""
CANARY = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>'\"&"
PAGES = (
    "/traces/?range=1h", "/traces/interactions?range=1h", "/traces/sessions?range=1h", "/keys", "/teams",
    "/team?name=(none)", "/usage?by=key&then=hour", "/limits", "/limits/simulate", "/playground", "/health",
    "/configuration", "/audit",
)  # fmt: skip
NUMBERED = (
    "/traces/", "/traces/interactions", "/traces/sessions", "/keys", "/teams", "/team", "/usage", "/health",
)  # fmt: skip
"""Pages with numbers that are links."""
VIEWS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "desktop-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"},
    "zoomed": {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2},
}
"""At 200 % a window of 1280 pixels is 640 wide."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("console")
    config = {
        "admin": {
            "enabled": True,
            "apiKey": ADMIN,
            "credentials": [{"name": "otto", "key": OPERATOR, "role": "operator"}],
        },
        "store": {"url": "sqlite:./state.db"},
        "maxRetries": 0,
        "models": [
            *({"name": name, "isDefault": name == "echo", "provider": {"type": "echo"}} for name in ("echo", "second")),
            {
                "name": "down",
                "provider": {"type": "openai", "config": {"baseUrl": DOWN, "apiKey": "x"}},
            },
        ],
        "plugins": [
            {
                "name": "tracer",
                "type": "clickhouse-tracer",
                "config": {
                    "clickhouse": {"url": f"chdb://{folder}/engine"},
                    "flushInterval": 100,
                    "spool": {"path": str(folder / "spool"), "sending": "normal"},
                },
            },
            {"name": "console", "type": "console", "config": {"signedInPrincipals": True}},
            {"name": "keys", "type": "virtual-keys", "config": {}},
            {
                "name": "redaction",
                "type": "regex-hider",
                "config": {"patterns": [{"pattern": r"[\w.]+@[\w.]+\w", "replacement": "[ADDRESS]"}]},
            },
            {
                "name": "limits",
                "type": "limits",
                "config": {
                    "ledger": True,
                    "usage": "hour",
                    "limits": [{"name": "day", "requests": 20, "window": {"calendar": "day"}, "per": ["key"]}],
                },
            },
        ],
    }
    (folder / "gateway.yaml").write_text(json.dumps(config))
    log = folder / "log"
    command = ["start", "--config", "gateway.yaml", "--host", "127.0.0.1", "--port", "0"]
    process = GatewayProcess(command, cwd=folder, output=log)
    try:
        url = _address(process, log)
        _feed(url)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _address(process: GatewayProcess, log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"listening on (http://[\d.:]+)", log.read_text()):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def _feed(url: str) -> None:
    """Requests that succeed and that are refused, with the canary wherever a client can write something."""
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        admin = {"authorization": f"Bearer {ADMIN}"}
        owner = {"name": CANARY, "team": CANARY, "user": CANARY, "labels": {"note": CANARY}}
        key = client.post("/admin/v1/keys", headers=admin, json=owner).json()["key"]
        headers = {
            "authorization": f"Bearer {key}",
            "user-agent": CANARY,
            "x-session-id": CANARY,
            "x-claude-code-session-id": CANARY,
        }
        for number in range(25):
            model = (CANARY, "echo", "second")[min(number, 1 + number % 2)] if number else CANARY
            tool = {"type": "function", "function": {"name": "look_up", "parameters": {"description": CANARY}}}
            body = {
                "model": model,
                "user": CANARY,
                "messages": [
                    {"role": "system", "content": CANARY},
                    {"role": "user", "content": f"# {CANARY}\n{CANARY}"},
                ],
                "tools": [tool],
                "stream": number % 2 == 0,
                "metadata": {"note": CANARY},
            }
            client.post("/v1/chat/completions", headers=headers, json=body)
        sent = 25 + _feed_of_a_team(client)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            figures = client.get("/metrics").text
            if re.search(rf"^llm_gateway_plugin_\w*sent\w*(?:\{{.*\}})? {sent}\b", figures, re.MULTILINE):
                return
            time.sleep(0.2)
    found = re.findall(r"^llm_gateway_plugin_clickhouse.*", figures, re.MULTILINE)
    raise AssertionError(f"of {sent} records some did not arrive: {found}")


def _feed_of_a_team(client: httpx.Client) -> int:
    """A conversation with a tool, which is one interaction of three requests; two that fail."""
    admin = {"authorization": f"Bearer {ADMIN}"}
    owner = {"name": "ann", "team": "search", "user": "ann"}
    key = client.post("/admin/v1/keys", headers=admin, json=owner).json()["key"]
    headers = {"authorization": f"Bearer {key}", "x-session-id": "session-of-ann"}
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Will it rain?"}]
    for number in range(3):
        body = {"model": "echo", "messages": messages}
        assert client.post("/v1/chat/completions", headers=headers, json=body).status_code == 200
        call = {"id": f"call_{number}", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
        messages = [
            *messages,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "rain"},
        ]
    for _ in range(2):
        body = {"model": "down", "messages": messages[:1]}
        assert client.post("/v1/chat/completions", headers=headers, json=body).status_code >= 500
    return 5


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def signed_in(browser: Any, site: str) -> dict[str, Any]:
    """The cookies of who has signed in by the form."""
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(f"{site}/console")
    opened.get_by_label("Administration credential").fill(ADMIN)
    opened.get_by_role("button", name="Sign in").click()
    opened.wait_for_url("**/console/traces/")
    state: dict[str, Any] = context.storage_state()
    context.close()
    return state


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def page(view: str, browser: Any, site: str, signed_in: dict[str, Any]) -> Iterator[Any]:
    context = browser.new_context(**VIEWS[view], storage_state=signed_in)
    yield from _opened(context, site)
    context.close()


@pytest.fixture(scope="module")
def desk(browser: Any, signed_in: dict[str, Any]) -> Iterator[Any]:
    context = browser.new_context(**VIEWS["desktop"], storage_state=signed_in)
    yield context
    context.close()


@pytest.fixture
def desktop(desk: Any, site: str) -> Iterator[Any]:
    yield from _opened(desk, site)


def _opened(context: Any, site: str) -> Iterator[Any]:
    """Fails its test on an error of a script, on what the policy has blocked, and on a request elsewhere."""
    opened = context.new_page()
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
    opened.on("request", lambda sent: troubles.append(sent.url) if not sent.url.startswith(site) else None)
    opened.goto(f"{site}/console/limits")
    yield opened
    opened.close()
    assert not troubles


SMALL_TEXT = """() => [...document.querySelectorAll('body *')].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())
    && element.getClientRects().length && parseFloat(getComputedStyle(element).fontSize) < 11
).map((element) => `${element.tagName} ${element.textContent.slice(0, 30)}`)"""


ONE_ROW_OF_EACH_KIND = """() => {
    for (const body of document.querySelectorAll("tbody")) {
        const kinds = new Set();
        for (const row of [...body.rows]) {
            const kind = [...row.querySelectorAll("*")].map((one) => one.tagName + one.className + one.hidden).join();
            if (kinds.has(kind)) row.remove(); else kinds.add(kind);
        }
    }
}"""
"""Rows that differ in their texts alone are judged alike; the contrast of each takes axe most of its time."""


RULES: dict[str, Any] = {
    "desktop": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "phone": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "desktop-dark": {"type": "rule", "values": ["color-contrast"]},
}
"""What axe judges by view: the dark one has other colours alone, a phone has other places alone (see the test below),
and at 200 % the pages are laid out as on a phone."""


def test_each_page_is_readable_and_accessible(page: Any, view: str, site: str) -> None:
    axe = (Path(axe_package.__file__).parent / "axe.min.js").read_text()
    width = page.viewport_size["width"]
    troubles = []
    links = [f"{site}/console{path}" for path in PAGES]
    page.goto(f"{site}/console/traces/interactions?range=1h&status=ok")
    links.append(page.locator("a[data-row]").first.evaluate("link => link.href"))
    for address in links:
        page.goto(address)
        assert page.title() != "owned"
        troubles += [f"{address}: small text: {small}" for small in page.evaluate(SMALL_TEXT)]
        if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
            troubles.append(f"{address}: scrolls sideways, {wide} of {width}")
        if view not in RULES:
            continue
        # The page's policy allows no script but its own; the browser's protocol evaluates this one.
        page.evaluate(axe)
        page.evaluate(ONE_ROW_OF_EACH_KIND)
        options = {"runOnly": RULES[view], "rules": {"color-contrast": {"enabled": view != "phone"}}}
        found = page.evaluate("options => axe.run({...options, resultTypes: ['violations']})", options)
        troubles += [
            f"{address}: {each['id']}: {node['html'][:150]}"
            for each in found["violations"]
            for node in each["nodes"][:3]
        ]
    assert troubles == []


def test_a_phone_has_the_colours_of_a_desk() -> None:
    """So their contrast is judged once for both."""
    from llm_gateway_sdk.web import static_file

    found = static_file("style.css")
    assert found is not None
    narrow = re.findall(r"@media \(max-width[^{]*\{((?:[^{}]*\{[^{}]*\})*[^{}]*)\}", found[0].decode())
    assert len(narrow) >= 5
    coloured = [rule for block in narrow for rule in re.findall(r"[^{}]*\{[^{}]*\}", block)
                if re.search(r"(?<![-\w])(?:color|background|background-color|opacity)\s*:", rule)]  # fmt: skip
    assert [rule.strip() for rule in coloured if "var(--soft)" not in rule and "transparent" not in rule] == []


def test_the_canary_is_shown_as_text_everywhere(desktop: Any, site: str) -> None:
    paths = (*PAGES, "/traces/interactions?range=1h&status=failed", "/limits?request=%3Cscript%3E", "/keys?q=%3Cimg")
    for path in paths:
        desktop.goto(f"{site}/console{path}")
        assert desktop.locator("main img, main script:not([src], [type='application/json'])").count() == 0
        assert "owned" not in desktop.title()


def test_each_figure_leads_to_as_many_requests(desktop: Any, site: str) -> None:
    desktop.goto(f"{site}/console/traces/?range=1h")
    tile = desktop.locator("a.tile", has_text="Errors")
    errors = int(re.search(r"(\d+) requests", tile.inner_text())[1])  # type: ignore[index]
    tile.click()
    desktop.wait_for_url("**status=failed*")
    assert desktop.locator("table.list tr[data-id]").count() == errors
    assert f"{errors} found" in desktop.locator("h1").inner_text()

    desktop.goto(f"{site}/console/traces/?range=1h")
    row = desktop.locator(".breakdowns tr", has=desktop.get_by_role("link", name="second", exact=True))
    requests = int(row.locator("td").nth(1).inner_text())
    row.get_by_role("link", name="second", exact=True).click()
    desktop.wait_for_url("**model=second*")
    assert f"{requests} found" in desktop.locator("h1").inner_text()


def test_every_number_is_reached_again_by_its_link(site: str) -> None:
    """The numbers of all pages, and of those to which they lead: each that is a link, or belongs to the link of its
    tile or row, is the number that the page at that address has. Of each kind of number some are followed."""
    with httpx.Client(base_url=site, trust_env=False, timeout=60) as client:
        assert client.post("/console/sign-in", data={"credential": ADMIN}).status_code == 303
        read: dict[str, Node] = {}

        def page(address: str) -> Node:
            if address not in read:
                answer = client.get(address)
                assert answer.status_code == 200, address
                read[address] = parsed(answer.text)
            return read[address]

        waiting, followed, wrong = [f"/console{path}" for path in PAGES], Counter[tuple[str, str, str]](), []
        while waiting:
            address = waiting.pop()
            for claim in claims(page(address)):
                kind = address.partition("?")[0], claim.place.split()[0], claim.unit
                followed[kind] += 1
                if followed[kind] > 3:
                    continue
                waiting += [claim.href] if claim.href not in read else []
                if (number := counts(page(claim.href)).get(claim.unit)) != claim.number:
                    wrong.append(f"{address}: {claim} leads to {number}")
    assert wrong == []
    assert {path for path, _, _ in followed} >= {f"/console{path}" for path in NUMBERED}


def test_a_key_is_made_used_and_revoked(desktop: Any, site: str) -> None:
    desktop.goto(f"{site}/console/keys")
    desktop.get_by_text("New key…").click()
    desktop.locator("[name=name]").fill("browser")
    desktop.get_by_role("button", name="Create key").click()
    key = desktop.locator("#made-key").inner_text()
    ask = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": f"Bearer {key}"}
    assert httpx.post(f"{site}/v1/chat/completions", json=ask, headers=headers, trust_env=False).status_code == 200

    row = desktop.locator("tr", has_text="browser")
    row.get_by_text("Revoke…").click()
    row.get_by_role("button", name="Revoke browser permanently").click()
    assert desktop.locator("tr", has_text="browser").get_by_text("revoked").is_visible()
    desktop.goto(f"{site}/console/audit?q=browser")
    assert desktop.locator("tbody tr").count() == 2


def test_a_refusal_is_explained(desktop: Any, site: str) -> None:
    headers = {"authorization": f"Bearer {ADMIN}"}
    page = httpx.get(f"{site}/admin/v1/limits", headers=headers, trust_env=False).json()
    assert page["items"]
    desktop.goto(f"{site}/console/limits")
    assert desktop.locator("meter").count() >= 1
    desktop.goto(f"{site}/console/traces/interactions?range=1h&status=refused&team={quote(CANARY)}")
    desktop.locator("a[data-row]").first.click()
    request = desktop.locator("dd code").first.inner_text()
    desktop.goto(f"{site}/console/limits?request={request}")
    answer = desktop.locator("td", has_text="refused it").first.inner_text()
    assert "were used, and the request may take" in answer
    assert "Would have passed: a limit of at least" in answer


@pytest.mark.parametrize("api", ["openai /v1/chat/completions", "anthropic /v1/messages", "openai /v1/responses"])
@pytest.mark.parametrize("streamed", [True, False])
def test_the_playground_answers_in_each_api(desktop: Any, site: str, api: str, streamed: bool) -> None:
    desktop.goto(f"{site}/console/playground")
    desktop.locator("[name=api]").select_option(api)
    desktop.locator("[name=stream]").set_checked(streamed)
    desktop.locator("[name=message]").fill("Play it again")
    desktop.get_by_role("button", name="Send").click()
    desktop.locator(".answer dt", has_text="Time").wait_for()

    assert "Play it again" in desktop.locator(".answer .text").nth(1).inner_text()
    assert desktop.locator(".failure").count() == 0


def test_a_recorded_request_is_replayed_and_compared(desktop: Any, site: str) -> None:
    desktop.goto(f"{site}/console/traces/interactions?range=1h&status=ok")
    desktop.locator("a[data-row]").first.click()
    desktop.get_by_role("link", name="Replay and compare").click()
    desktop.locator("[name=own]:checked").wait_for()
    model = desktop.locator("[name=model]").input_value()
    desktop.locator("[name=other]").select_option("second" if model == "echo" else "echo")
    desktop.get_by_role("button", name="Send").click()

    desktop.get_by_role("heading", name="Recorded: ").wait_for()
    try:
        desktop.get_by_role("heading", name="Compared: ").nth(2).wait_for()
    except playwright.TimeoutError:
        pytest.fail("\n".join(desktop.locator(".answer").all_inner_texts()))
    texts = desktop.locator(".answer dt", has_text="Text").locator("xpath=../dd").all_inner_texts()
    assert texts == ["the same"] * 3, "the recorded answer with each new one, and these with each other"
    assert desktop.title() != "owned"


def test_a_leaked_key_is_stopped_in_four_clicks(desktop: Any, site: str) -> None:
    headers = {"authorization": f"Bearer {ADMIN}"}
    made = httpx.post(f"{site}/admin/v1/keys", headers=headers, json={"name": "leaked"}, trust_env=False).json()
    clicks = Clicks(desktop)
    clicks.on(desktop.get_by_role("navigation").get_by_role("link", name="Keys"))
    row = desktop.locator("tr", has_text="leaked")
    clicks.on(row.get_by_text("Revoke…"))
    clicks.on(row.get_by_role("button", name="Revoke leaked permanently"))

    ask = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    leaked = {"authorization": f"Bearer {made['key']}"}
    assert httpx.post(f"{site}/v1/chat/completions", json=ask, headers=leaked, trust_env=False).status_code == 401
    assert clicks.number <= 4


def test_why_a_request_failed_is_found_in_four_clicks(desktop: Any, site: str) -> None:
    desktop.goto(f"{site}/console/traces/?range=1h")
    clicks = Clicks(desktop)
    clicks.on(desktop.locator("a.tile", has_text="Errors"))
    clicks.on(desktop.locator("a[data-row]").first)
    assert desktop.locator(".failure").first.is_visible()
    clicks.on(desktop.get_by_role("link", name="Why was this refused?").first)
    assert "day" in desktop.locator("main").inner_text()
    assert clicks.number <= 4


def test_which_team_spends_most_is_one_click_away(desktop: Any, site: str) -> None:
    clicks = Clicks(desktop)
    clicks.on(desktop.get_by_role("navigation").get_by_role("link", name="Teams"))

    assert CANARY in desktop.locator("tbody tr").first.inner_text()
    assert clicks.number == 1


def test_what_a_team_spent_on_a_model_this_week_is_three_clicks_away(desktop: Any) -> None:
    clicks = Clicks(desktop)
    clicks.on(desktop.get_by_role("navigation", name="Pages").get_by_role("link", name="Teams"))
    clicks.on(desktop.get_by_role("link", name="this week"))
    clicks.on(desktop.locator("tbody a").first)

    models = desktop.locator("h2:text('Spend by model') + div")
    row = models.locator("tr", has=desktop.get_by_role("link", name="echo", exact=True))
    assert "$" in row.locator("[data-name=Cost]").inner_text()
    assert desktop.locator("[aria-label=Calendar] [aria-current]").inner_text() == "this week"
    assert clicks.number == 3


def test_why_a_request_was_slow_is_two_clicks_away(desktop: Any, site: str) -> None:
    desktop.goto(f"{site}/console/traces/?range=1h")
    clicks = Clicks(desktop)
    clicks.on(desktop.locator("a.tile", has_text="Latency"))
    clicks.on(desktop.locator("a[data-row]").first)

    lanes = desktop.locator(".waterfall .lane").all_inner_texts()
    assert any("limits" in lane for lane in lanes), "plugins and attempts, each with its time"
    assert clicks.number == 2


def test_a_session_is_found_by_a_part_of_its_id(desktop: Any, site: str) -> None:
    desktop.goto(f"{site}/console/traces/sessions?range=1h")
    desktop.get_by_label("Search").fill("IMG SRC")
    desktop.keyboard.press("Enter")
    desktop.wait_for_url("**q=IMG*")
    row = desktop.locator("table.sessions tbody tr")
    assert row.count() == 1
    assert row.locator("mark").first.inner_text() == "img src"
    interactions = row.locator("[data-name=Requests]").inner_text().split()
    row.locator("a[data-row]").click()
    desktop.wait_for_url("**session=*")
    assert f"{interactions[0]} found" in desktop.locator("h1").inner_text()
    assert desktop.locator("a.condition").count() == 1
    desktop.go_back()
    errors = int(row.locator("[data-name=Errors]").inner_text())
    row.locator("[data-name=Errors] a").click()
    desktop.wait_for_url("**status=failed*")
    assert f"{errors} found" in desktop.locator("h1").inner_text()


def test_a_budget_is_raised_for_a_day_in_three_clicks(desktop: Any, site: str) -> None:
    clicks = Clicks(desktop)
    clicks.on(desktop.get_by_role("navigation").get_by_role("link", name="Limits"))
    clicks.on(desktop.get_by_text("Change…").first)
    form = desktop.locator("form[action$='/limits/raise']").first
    form.locator("[name=amount]").fill("500")
    clicks.on(form.get_by_role("button"))

    assert desktop.get_by_text("The limit has another amount.").is_visible()
    assert "500" in desktop.locator("h2:text('Overrides') + div").inner_text()
    assert clicks.number == 3


def test_the_slow_provider_is_on_the_first_page(desktop: Any, site: str) -> None:
    desktop.goto(f"{site}/console/traces/?range=1h")
    table = desktop.locator(".breakdowns .panel", has_text="By provider")

    assert table.get_by_role("link", name="echo").is_visible()
    assert desktop.get_by_role("img", name=re.compile("Latency by provider, p95")).is_visible()


def test_a_limit_is_simulated_on_recorded_requests(desktop: Any, site: str) -> None:
    desktop.goto(f"{site}/console/limits")
    desktop.get_by_role("link", name="Simulate a limit").click()
    desktop.locator("[name=measure]").select_option("requests")
    desktop.locator("[name=amount]").fill("5")
    desktop.locator("[name=per]").select_option("key")
    desktop.get_by_role("button", name="Simulate").click()

    assert re.search(r"\d+ of \d+ requests", desktop.locator("section[role=status]").inner_text())
    assert desktop.locator("tbody tr").count() >= 1


class Clicks:
    """A person with a mouse, whose clicks are counted."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self.number = 0

    def on(self, target: Any) -> None:
        self.number += 1
        target.click()
        self._page.wait_for_load_state()


def test_a_replay_is_redacted_and_on_the_budget_of_who_is_signed_in(browser: Any, site: str) -> None:
    """The last of this file: its requests belong to no team, which then has most."""
    headers = {"authorization": f"Bearer {ADMIN}"}
    context = browser.new_context(**VIEWS["desktop"])
    with httpx.Client(base_url=site, trust_env=False, timeout=30) as client:
        client.post("/console/sign-in", data={"credential": OPERATOR})
        token = re.search(r'name="token" value="(\w+)"', client.get("/console/limits").text)
        assert token is not None
        for _ in range(19):
            ask = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
            sent = client.post("/v1/chat/completions", json=ask, headers={"x-llm-gateway-console": token[1]})
            assert sent.status_code == 200
        context.add_cookies([{"name": name, "value": value, "url": site} for name, value in client.cookies.items()])
        listed = client.get("/console/traces/interactions?range=1h&status=ok&team=search").text
        found = re.search(r'href="([^"]+)"[^>]*data-row', listed)
        assert found is not None
    page = context.new_page()
    page.goto(f"{site}{found[1]}")
    page.get_by_role("link", name="Replay and compare").click()
    page.locator("[name=own]:checked").wait_for()
    body = json.loads(page.locator("[name=body]").input_value())
    body["messages"].append({"role": "user", "content": "Write to ann@example.com"})
    page.locator("[name=body]").fill(json.dumps(body))
    page.locator("[name=other]").select_option("second")
    page.get_by_role("button", name="Send").click()

    refused = page.locator(".answer .failure")
    refused.wait_for()
    assert refused.count() == 1, "one of the two was still within the budget"
    assert refused.inner_text().startswith("429: ")
    assert "day" in refused.inner_text()
    upstream = page.locator(".answer", has=page.locator("dt", has_text="Tokens")).locator(".text").all_inner_texts()
    assert any("Write to [ADDRESS]" in text for text in upstream)
    assert not any("ann@example.com" in text for text in upstream)
    context.close()
    charged, ends = [], time.monotonic() + 20
    while charged != [20] and time.monotonic() < ends:  # the ledger is written a moment later
        used = httpx.get(f"{site}/admin/v1/ledger?by=subject", headers=headers, trust_env=False).json()["items"]
        charged = [row["amount"] for row in used if row["subject"]["key"].endswith("console:otto")]
    assert charged == [20]
