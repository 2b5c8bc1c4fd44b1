"""The playground: a request in any client API to any model of a project, to one model or to two side by side.

The browser sends it to the project's own address, like any client: with the key that is typed, or with the session
where the project takes that. So limits, rights, redaction and routing hold as they do for everybody.
"""

from __future__ import annotations

from starlette.responses import Response

from llm_gateway_sdk.web import Markup, tag
from llm_gateway_sdk.wire.json import dumps_text

from .view import View

__all__ = ["shown"]


async def shown(view: View) -> Response:
    if not view.can("operator"):
        return view.message("Playground", "Sending requests needs the role operator.", 403)
    projects = (await view.host.state("config"))["projects"]
    addresses = view.host.addresses()
    offered = {
        name: {
            "models": project["models"],
            "apis": {
                f"{api} {path.removeprefix(f'/{name}').removeprefix(f'/{api}')}": path
                for api, paths in addresses.get(f"/{name}", addresses.get("", {})).items()
                for path in paths
            },
        }
        for name, project in projects.items()
        if project["models"]
    }
    if not offered:
        return view.message("Playground", "No project has a model.", 404)
    first = next(iter(offered.values()))
    return view.page(
        "Playground",
        tag(
            "form",
            _select("Project", "project", list(offered)),
            _select("API", "api", list(first["apis"])),
            _select("Model", "model", first["models"]),
            _select("Compare with", "other", ["", *first["models"]]),
            tag(
                "label",
                "Key of the gateway",
                tag("input", type="password", name="key", autocomplete="off", placeholder=_hint(view)),
            ),
            tag("label", "System", tag("textarea", "", name="system", rows=2), class_="wide"),
            tag("label", "Message", tag("textarea", "", name="message", rows=5, required=True), class_="wide"),
            tag("label", "Maximum tokens", tag("input", type="number", name="max", value="1024", min="1")),
            tag("label", tag("input", type="checkbox", name="stream", checked=True), " streamed", class_="check"),
            tag(
                "details",
                tag("summary", "Body as JSON"),
                tag("textarea", "", name="body", rows=12, spellcheck="false", aria_label="Body as JSON"),
                tag("label", tag("input", type="checkbox", name="own"), " send this body", class_="check"),
                class_="wide",
            ),
            tag(
                "p",
                tag("button", "Send", class_="primary"),
                tag("button", "Stop", type="button", id="stop", disabled=True),
                tag("button", "Copy as curl", type="button", id="curl"),
                class_="wide row",
            ),
            id="playground",
            class_="panel fields",
            data_offered=dumps_text(offered),
            data_token=view.session.token if view.signed_in_principals else None,
            data_traces=view.traces() or None,
        ),
        tag("section", id="answers", class_="answers", aria_live="polite"),
        tag("script", src=f"{view.base}/static/playground.js", defer=True),
    )


def _hint(view: View) -> str:
    return f"empty: as console:{view.session.name}" if view.signed_in_principals else "none"


def _select(label: str, name: str, values: list[str]) -> Markup:
    return tag(
        "label", label, tag("select", [tag("option", value or "nothing", value=value) for value in values], name=name)
    )
