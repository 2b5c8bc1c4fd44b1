"""The pages around signing in, without a session: nothing of the request reaches them unescaped."""

from __future__ import annotations

import re

from llm_gateway_console.pages.signing_in import done, refused, shown, switched_off
from starlette.responses import Response


def text(response: Response) -> str:
    return bytes(response.body).decode()


def test_the_form_keeps_where_the_visitor_wanted_to_go() -> None:
    page = text(shown("/console", "/keys?q=a"))

    assert 'name="next" value="/keys?q=a"' in page
    assert 'action="/console/sign-in"' in page
    assert 'autocomplete="current-password"' in page
    assert "organisation" not in page


def test_a_problem_is_shown_with_its_status_and_read_out() -> None:
    response = shown("/console", "/", "That is not valid <b>.", 403)

    assert response.status_code == 403
    assert 'role="alert">That is not valid &lt;b&gt;.<' in text(response)


def test_a_target_can_not_leave_its_attribute() -> None:
    page = text(shown("/console", '"><script>alert(1)</script>', oidc=True))

    assert "<script>alert" not in page
    assert "/console/oidc?next=%22%3E%3Cscript%3E" in page


def test_after_an_organisations_sign_in_the_page_leads_on_by_itself() -> None:
    page = text(done("/console", "/keys"))

    assert 'http-equiv="refresh" content="0; url=/console/keys"' in page
    assert 'href="/console/keys"' in page
    assert 'url=/console/"' in text(done("/console", ""))


def test_a_refusal_gives_the_reason_and_a_way_back() -> None:
    response = refused("/console", "The organisation <x> knows no role.")

    assert response.status_code == 403
    assert "The organisation &lt;x&gt; knows no role." in text(response)
    assert 'href="/console/"' in text(response)


def test_without_administration_there_is_no_form() -> None:
    response = switched_off("/console")

    assert response.status_code == 503
    assert "admin.apiKey" in text(response)
    assert "sign-in" not in text(response)


def test_where_there_is_an_organisation_its_sign_in_comes_first() -> None:
    page = text(shown("/console", "/keys", oidc=True))
    wrong = text(shown("/console", "/keys", "This credential is wrong.", 401, oidc=True))

    assert page.index("Sign in with your organisation") < page.index("Administration credential")
    assert re.search(r'class="button primary"[^>]*>Sign in with your organisation<', page)
    assert "<details><summary>Sign in with a credential" in page
    assert "<details open><summary>Sign in with a credential" in wrong, "who has tried it sees why it failed"
