from llm_gateway_sdk import (
    Choice,
    Citation,
    LLMRequest,
    LLMResponse,
    MediaPart,
    Message,
    OpaquePart,
    RefusalPart,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from llm_gateway_sdk.parts import CacheHint
from llm_gateway_sdk.testing import every_part, every_request
from llm_gateway_sdk.texts import is_text_alone


def request():
    return LLMRequest(
        messages=[
            Message("system", [TextPart("SECRET system")]),
            Message(
                "user", [TextPart("SECRET user"), MediaPart("document", text="SECRET document", name="SECRET name")]
            ),
            Message(
                "assistant",
                [
                    ThinkingPart("SECRET thinking", signature="SECRET-signature"),
                    TextPart("SECRET answer", citations=[Citation(cited_text="SECRET cited")]),
                    RefusalPart("SECRET refusal"),
                    ToolCallPart("SECRET-id", "SECRET-name", '{"a": "SECRET arguments"}'),
                    OpaquePart("d", {"type": "SECRET-type", "text": "SECRET opaque"}, [{"delta": "SECRET delta"}]),
                ],
            ),
            Message("tool", [ToolResultPart("SECRET-id", [TextPart("SECRET result")])]),
        ],
        tools=[Tool("SECRET-name", "SECRET description")],
    )


def test_every_place_of_text_is_found_and_no_structure():
    changed = request()
    changed.map_text(lambda text: text.replace("SECRET ", "x "), kinds=None)

    assert "SECRET " not in repr(changed)
    assert repr(changed).count("SECRET-") == repr(request()).count("SECRET-")


def test_kinds_choose():
    changed = request()
    changed.map_text(str.upper, kinds=("system", "thinking"))

    assert changed.messages[0].text == "SECRET SYSTEM"
    assert changed.messages[2].content[0].text == "SECRET THINKING"
    assert changed.messages[1].text == "SECRET user"


def test_places_say_where_they_are_and_can_be_written():
    places = {place.path: place for place in request().texts()}
    assert "messages[3].content[0].content[0].text" in places
    assert places["tools[0].description"].kind == "tool_description"

    own = request()
    place = next(place for place in own.texts() if place.kind == "tool_result")
    place.text = "changed"
    assert own.messages[3].content[0].content[0].text == "changed"


def test_replies_are_walked_in_all_choices():
    reply = LLMResponse(choices=[Choice(n, Message("assistant", [TextPart("a")])) for n in range(2)])
    reply.map_text(str.upper)

    assert [choice.message.text for choice in reply.choices] == ["A", "A"]


def test_everything_can_be_walked():
    every_request().map_text(str.upper, kinds=None)
    LLMResponse(choices=[Choice(0, Message("assistant", every_part()))]).map_text(str.upper, kinds=None)


FIELDS = {
    "citations": [Citation()],
    "item_id": "msg_1",
    "signature": "c2ln",
    "signed_by": "gemini",
    "cache": CacheHint(),
    "provider_metadata": {"anthropic": {"x": "words"}},
}


def test_a_text_is_alone_only_where_no_other_field_is_set():
    """A field that is added to the type must be known to the short way."""
    assert is_text_alone(TextPart("words", index=3))
    assert {"text", "index", *FIELDS} == set(TextPart.__struct_fields__)
    assert [name for name, value in FIELDS.items() if is_text_alone(TextPart("words", **{name: value}))] == []
