"""The page at `/`: what this gateway serves, and where. For people as HTML, for programs as JSON.

It names projects, APIs and pages; no models, no plugins, nothing of the configuration that is not part of an address.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from .. import __version__
from ..exchange.services import new_id

__all__ = ["describe", "home_page"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884}
code{font:14px ui-monospace,monospace;overflow-wrap:anywhere}
"""


def describe(projects: Mapping[str, Mapping[str, list[str]]], pages: Mapping[str, str]) -> dict[str, Any]:
    """The JSON form. `projects`: the paths of each API by project path; `pages`: paths of other pages by name."""
    return {
        "name": "LLM Gateway",
        "version": __version__,
        "projects": [{"path": path or "/", "apis": dict(apis)} for path, apis in projects.items()],
        "pages": dict(pages),
    }


def home_page(request: Request, description: dict[str, Any]) -> Response:
    """HTML where the client prefers it, else JSON."""
    if request.method not in ("GET", "HEAD"):
        message = f"There is no route {request.method} /; the paths of the APIs are listed at GET /."
        error = {"type": "invalid_request_error", "code": "unknown_url", "param": None, "message": message}
        return JSONResponse({"error": error}, 404, headers={**_HEADERS, "x-request-id": new_id("req_")})
    accept = request.headers.get("accept", "")
    if "text/html" not in accept:
        return JSONResponse(description, headers=_HEADERS)
    return HTMLResponse(_html(description), headers=_HEADERS)


def _html(description: dict[str, Any]) -> str:
    rows = []
    for project in description["projects"]:
        for api, paths in project["apis"].items():
            addresses = "<br>".join(f"<code>{html.escape(path)}</code>" for path in paths)
            rows.append(f"<tr><td><code>{html.escape(project['path'])}</code><td>{html.escape(api)}<td>{addresses}")
    links = [
        f'<li><a href="{html.escape(path, quote=True)}">{html.escape(name)}</a>'
        for name, path in description["pages"].items()
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>LLM Gateway</title><style>{_STYLE}</style>"
        f"<h1>LLM Gateway</h1><p>Version {html.escape(description['version'])} is running.</p>"
        "<table><tr><th>Project<th>API<th>Addresses" + "".join(rows) + "</table>"
        "<h2>Pages</h2><ul>" + "".join(links) + "</ul></html>"
    )
