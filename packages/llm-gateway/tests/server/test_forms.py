"""How much of a multipart form is read before plugins see it, and for whom."""

from __future__ import annotations

import pytest

from llm_gateway.exchange.multipart import FormUpload, Source
from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import Plugin, RequestContext, RequestRejected, plugin_metadata

FIELD = '--b\r\ncontent-disposition: form-data; name="{}"\r\n\r\n{}\r\n'
FILE = '--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n{}\r\n'
KIND = "multipart/form-data; boundary=b"


@plugin_metadata(name="look", version="1.0.0", description="Refuses, and quotes what it has seen.")
class Look(Plugin):
    async def before_model(self, ctx: RequestContext) -> None:
        raise RequestRejected(f"seen: {ctx.http_request.body.decode()}")


@plugin_metadata(name="edit", version="1.0.0", description="The same, of a plugin that edits.")
class Edit(Look):
    edits_request = True


@plugin_metadata(name="door", version="1.0.0", description="Looks at the whole request for a credential.")
class Door(Plugin):
    authenticates = True

    async def before_model(self, ctx: RequestContext) -> None:
        return None


def ask(plugin: type[Plugin], *parts: str, kind: str = KIND, limits: str = "") -> tuple[int, str]:
    name = plugin.metadata.name
    model = "models: [{name: m, isDefault: true, provider: {type: echo}}]"
    text = f"{limits}\n{model}\nplugins: [{{name: p, type: {name}}}]"
    with GatewayClient(text, extensions=[plugin]) as client:
        body = ("".join(parts) + "--b--\r\n").encode()
        answer = client.request("POST", "/openai/v1/audio/transcriptions", body=body, headers={"content-type": kind})
    return answer.status, answer.text


@pytest.mark.parametrize(("plugin", "sees"), [(Look, False), (Edit, True)])
def test_fields_after_a_file_are_read_for_plugins_that_edit(plugin: type[Plugin], sees: bool) -> None:
    _, answer = ask(plugin, FIELD.format("model", "m"), FILE.format("sound"), FIELD.format("prompt", "a secret"))

    assert "model" in answer
    assert ("a secret" in answer) is sees


def test_a_body_of_another_content_type_is_not_a_form() -> None:
    status, answer = ask(Look, FIELD.format("model", "m"), kind="text/plain")

    assert status == 400
    assert "seen" not in answer


@pytest.mark.parametrize(("plugin", "bound"), [(Door, 20 * 1024), (Look, None)])
def test_for_those_who_are_not_authenticated_yet_no_more_is_kept_than_of_any_body(
    plugin: type[Plugin], bound: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []
    usual = FormUpload.open

    async def recorded(boundary: str, source: Source, *, all_fields: bool, most: int | None = None) -> FormUpload:
        asked.append(most)
        return await usual(boundary, source, all_fields=all_fields, most=most)

    monkeypatch.setattr(FormUpload, "open", recorded)
    ask(plugin, FIELD.format("model", "m"), limits="server: {limits: {maxBodyBytes: 20KB}}")

    assert asked == [bound]
