"""Events of a session as plugins see and change them."""

from __future__ import annotations

import asyncio
import base64
import json
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote

import pytest

from llm_gateway.exchange.realtime import edits
from llm_gateway.exchange.realtime.edits import EventEdits, carries_sound
from llm_gateway.exchange.request import ClientRequest
from llm_gateway_sdk import (
    GatewayError,
    HookChain,
    Message,
    MountedPlugin,
    Plugin,
    PluginResult,
    RequestContext,
    RequestRejected,
    TextPart,
    plugin_metadata,
)


@plugin_metadata(name="shouting")
class Shouting(Plugin):
    """Puts everything in capital letters; refuses `no`, adds a message for `more`."""

    edits_request = True
    seen: list[tuple[str, str]]

    def before_model(self, ctx: RequestContext) -> PluginResult | None:
        self.seen = [(message.role, message.text) for message in ctx.request.messages]
        if any(message.text == "no" for message in ctx.request.messages):
            return PluginResult(success=False, error=RequestRejected("Not that.", status=403))
        if any(message.text == "more" for message in ctx.request.messages):
            ctx.request.messages.append(Message("user", [TextPart("added")]))
        ctx.request.map_text(str.upper, kinds=None)
        return None

    def after_model(self, ctx: RequestContext) -> None:
        assert ctx.response is not None
        ctx.response.map_text(str.upper, kinds=None)


def made(plugin: Plugin | None, *, allows_unseen: bool = False) -> EventEdits:
    ctx = RequestContext(request_id="r", operation="realtime")
    chain = HookChain([MountedPlugin("x", plugin)] if plugin is not None else []).select(ctx)
    project = SimpleNamespace(allow_unseen_native=allows_unseen)
    return EventEdits(cast(ClientRequest, SimpleNamespace(chain=chain, project=project, ctx=ctx)))


def item(text: str, role: str = "user") -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"type": "conversation.item.create", "item": {"type": "message", "role": role, "content": content}}


def test_words_are_changed_where_they_are_and_nothing_else() -> None:
    plugin = Shouting()
    event = {**item("hi", "system"), "event_id": "event_1"}

    asyncio.run(made(plugin).to_provider(event))

    assert event == {**item("HI", "system"), "event_id": "event_1"}
    assert plugin.seen == [("system", "hi")]


def test_a_large_event_is_changed_in_the_same_way() -> None:
    async def main() -> list[dict[str, Any]]:
        edits, event = made(Shouting()), item("hi")
        await edits.to_provider(event, aside=True)
        done = {"type": "response.output_text.done", "item_id": "i", "content_index": 0, "text": "hi"}
        return [event, *await edits.to_client(done, aside=True)]

    asked, answered = asyncio.run(main())

    assert asked == item("HI")
    assert answered["text"] == "HI"


@plugin_metadata(name="hiding")
class Hiding(Shouting):
    """Hides one word and leaves everything else."""

    def before_model(self, ctx: RequestContext) -> None:
        ctx.request.map_text(lambda text: text.replace("s3cret", "[hidden]"), kinds=None)

    def after_model(self, ctx: RequestContext) -> None:
        assert ctx.response is not None
        ctx.response.map_text(lambda text: text.replace("s3cret", "[hidden]"), kinds=None)


@pytest.mark.parametrize("written", ["czNjcmV0", "https://x.example/?a=%733cret", "data:text/plain,%733cret"])
def test_what_is_hidden_in_one_reading_of_a_string_is_not_undone_by_another(written: str) -> None:
    """Each is offered as it is and decoded; the plugin finds something in what is decoded alone."""

    async def main() -> list[dict[str, Any]]:
        edits, event = made(Hiding()), {"type": "x", "item": {"type": "mcp_call", "result": written}}
        await edits.to_provider(event)
        return [event, *await edits.to_client({"type": "x.done", "item": {"result": written}})]

    for event in asyncio.run(main()):
        result = event["item"]["result"]
        read = unquote(result) if ":" in result else base64.b64decode(result).decode()
        assert "s3cret" not in read
        assert "[hidden]" in read


ODD = [None, True, 1, 1.5, "", [], ["x"], {}, {"a": ["b"]}, [[]]]


@pytest.mark.parametrize("value", ODD, ids=str)
@pytest.mark.parametrize("name", ["role", "type", "content", "id", "name", "audio"])
def test_an_event_of_any_shape_is_looked_through(name: str, value: Any) -> None:
    """Of both sides: what is not the API's is the other side's to refuse, and its words are hidden all the same."""

    async def main() -> list[dict[str, Any]]:
        edits, part = made(Hiding()), {"type": "input_text", "text": "a s3cret", name: value}
        event = {"type": "conversation.item.create", "item": {"role": "user", "content": [part], name: value}}
        await edits.to_provider(event)
        done = {"type": "response.done", "item": {"text": "s3cret", name: value}, "response": value, name + "s": value}
        return [event, *await edits.to_client(done)]

    assert "s3cret" not in json.dumps(asyncio.run(main()))


def test_instructions_and_tools_are_the_operators() -> None:
    plugin = Shouting()
    tool = {"type": "function", "name": "look", "description": "looks"}
    event = {"type": "session.update", "session": {"instructions": "be brief", "tools": [tool]}}

    asyncio.run(made(plugin).to_provider(event))

    assert plugin.seen == [("system", "be brief"), ("system", "looks")]
    assert event["session"] == {"instructions": "BE BRIEF", "tools": [{**tool, "description": "LOOKS"}]}


@pytest.mark.parametrize(("text", "message"), [("no", "Not that"), ("more", "added or removed")])
def test_what_can_not_go_on_is_an_error(text: str, message: str) -> None:
    with pytest.raises(GatewayError, match=message):
        asyncio.run(made(Shouting()).to_provider(item(text)))


def delta(text: str, place: int = 0) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "item_id": "i", "content_index": place, "delta": text}


def test_a_text_in_pieces_is_held_until_it_is_whole() -> None:
    async def main() -> list[list[dict[str, Any]]]:
        events = made(Shouting())
        return [
            await events.to_client(delta("a")),
            await events.to_client(delta("x", 1)),
            await events.to_client(delta("b")),
            await events.to_client({**delta(""), "type": "response.output_text.done", "text": "ab"}),
            await events.to_client({**delta("", 1), "type": "response.output_text.done", "text": "x"}),
        ]

    *held, first, second = asyncio.run(main())

    assert held == [[], [], []]
    assert [event.get("text", event["delta"]) for event in first] == ["AB", "AB"]
    assert second[0]["delta"] == "X"


def test_a_text_without_an_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "_MOST_HELD", 10)

    async def main() -> None:
        events = made(Shouting())
        for _ in range(3):
            await events.to_client(delta("four"))

    with pytest.raises(RequestRejected, match="is held back"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("plugin", "allows", "edited", "hidden"),
    [(None, False, False, False), (Shouting(), False, True, True), (Shouting(), True, True, False)],
    ids=["none", "edits", "allowed"],
)
def test_sound_is_hidden_where_a_plugin_edits(plugin: Plugin | None, allows: bool, edited: bool, hidden: bool) -> None:
    found = made(plugin, allows_unseen=allows)

    assert (found.edits, found.hides_sound) == (edited, hidden)


def test_what_carries_sound() -> None:
    spoken = {"type": "conversation.item.create", "item": {"content": [{"type": "input_audio", "audio": "AA"}]}}

    assert carries_sound(spoken)
    assert carries_sound({"type": "input_audio_buffer.append", "audio": "AA"})
    assert carries_sound({"type": "input_audio_buffer.commit"})
    assert not carries_sound({"type": "input_audio_buffer.clear"})
    assert not carries_sound(item("hi"))


class OfTools(Shouting):
    """Puts the texts of tools in other words, by their kind."""

    def before_model(self, ctx: RequestContext) -> None:
        self._hide(list(ctx.request.texts()))

    def after_model(self, ctx: RequestContext) -> None:
        assert ctx.response is not None
        self._hide([place for choice in ctx.response.choices for place in choice.message.texts()])

    def _hide(self, places: list[Any]) -> None:
        for place in places:
            if place.kind == "tool_arguments":
                place.text = json.dumps({"was": json.loads(place.text)})


@pytest.mark.parametrize(
    "event",
    [
        {"type": "conversation.item.create", "item": {"type": "function_call", "arguments": '{"a": "\\u0061"}'}},
        {"type": "conversation.item.create", "item": {"type": "function_call_output", "output": '{"a": "\\u0061"}'}},
        {"type": "response.function_call_arguments.done", "item_id": "i", "arguments": '{"a": "\\u0061"}'},
    ],
)
def test_what_is_json_is_offered_as_the_json_of_a_tool(event: dict[str, Any]) -> None:
    plugin = OfTools()
    if event["type"].startswith("response."):
        asyncio.run(made(plugin).to_client(event))
    else:
        asyncio.run(made(plugin).to_provider(event))

    assert '{"was": {"a": "a"}}' in json.dumps(event).replace('\\"', '"')


def test_the_parts_of_an_item_are_parts_of_one_message() -> None:
    plugin = Shouting()
    event = item("one")
    event["item"]["content"] += [{"type": "input_text", "text": "two"}, {"type": "input_audio", "transcript": "three"}]

    asyncio.run(made(plugin).to_provider(event))

    assert plugin.seen == [("user", "onetwo"), ("user", "three")]
    assert [part.get("text") or part["transcript"] for part in event["item"]["content"]] == ["ONE", "TWO", "THREE"]
