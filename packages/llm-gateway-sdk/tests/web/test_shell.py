"""The frame: alone, and where a console shows the page."""

from __future__ import annotations

from llm_gateway_sdk.web import Link, Shell, SignedIn, current_shell, page

OWN = Shell("traces", (Link("Overview", "/traces/", "o"),), "/traces/static")


def test_a_page_alone_has_its_own_frame() -> None:
    html = page(OWN, "Overview", "Overview", "<content>")

    assert "<title>Overview · traces</title>" in html
    assert '<a href="/traces/" aria-current="page" data-go="o">Overview</a>' in html
    assert "&lt;content&gt;" in html
    assert "Sign out" not in html


def test_in_a_console_the_frame_is_the_consoles() -> None:
    user = SignedIn("<ann>", "viewer", "/console/sign-out", "token")
    shell = Shell("console", (Link("Keys", "/console/keys"),), "/console/static", ("/console/more.js",), user)
    before = current_shell.set(shell)
    try:
        html = page(OWN, "Overview", "Overview", "x")
    finally:
        current_shell.reset(before)

    assert "/console/keys" in html
    assert "/traces/" not in html
    assert 'src="/console/more.js"' in html
    assert "&lt;ann&gt;" in html
    assert 'name="token" value="token"' in html
