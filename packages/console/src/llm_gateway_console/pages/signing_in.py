"""The pages of those who are not signed in."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import HTMLResponse, Response

from llm_gateway_sdk.web import Child, Shell, page, tag

__all__ = ["done", "refused", "shown", "switched_off"]


def shown(base: str, wanted: str, problem: str = "", status: int = 200, *, oidc: bool = False) -> Response:
    """The form; where people sign in with their organisation, that comes first."""
    form = tag(
        "form",
        tag("input", type="hidden", name="next", value=wanted),
        tag(
            "label",
            "Administration credential",
            tag("input", type="password", name="credential", required=True, autofocus=not oidc,
                autocomplete="current-password"),
        ),
        tag("p", problem, class_="failure", role="alert") if problem else None,
        tag("button", "Sign in", class_=None if oidc else "primary"),
        method="post",
        action=f"{base}/sign-in",
        class_="panel stack narrow",
    )  # fmt: skip
    if not oidc:
        return _page(base, "Sign in", form, status=status)
    organisation = tag(
        "p",
        tag(
            "a", "Sign in with your organisation", href=f"{base}/oidc?next={quote(wanted)}", class_="button primary",
            autofocus=not problem,
        ),
        class_="panel narrow",
    )  # fmt: skip
    other = tag("details", tag("summary", "Sign in with a credential of the administration"), form, open=bool(problem))
    return _page(base, "Sign in", organisation, other, status=status)


def done(base: str, wanted: str) -> Response:
    """After a sign-in elsewhere. A redirect would still count as coming from there, and the cookie would stay away."""
    target = base + (wanted or "/")
    link = tag("p", "Signed in. ", tag("a", "Go on", href=target), class_="panel")
    return _page(base, "Signed in", tag("meta", http_equiv="refresh", content=f"0; url={target}"), link)


def refused(base: str, why: str, status: int = 403) -> Response:
    again = tag("a", "Back to the console", href=f"{base}/")
    return _page(base, "Refused", tag("p", why, class_="failure", role="alert"), tag("p", again), status=status)


def switched_off(base: str) -> Response:
    text = "Signing in is not possible: administration is off. Set admin.enabled and admin.apiKey in the configuration."
    return _page(base, "Console", tag("p", text, class_="panel"), status=503)


def _page(base: str, title: str, *content: Child, status: int = 200) -> Response:
    shell = Shell("console", (), f"{base}/static")
    return HTMLResponse(page(shell, title, "", tag("h1", title), *content), status)
