from llm_gateway_sdk import LLMRequest, Losses, Message, TextPart
from llm_gateway_sdk.dialects.coverage import report_unwritten


def test_fields_that_only_another_api_knows_are_reported() -> None:
    part = TextPart("hi", provider_metadata={"a": {"one": 1, "_form": True, "empty": {}}, "b": {"two": 2}})
    losses = Losses()

    report_unwritten(LLMRequest(messages=[Message("user", [part])]), "b", frozenset(), losses)

    assert [str(loss) for loss in losses] == ["dropped messages[*].content[*].one"]


def test_fields_that_the_dialect_lacks_are_reported() -> None:
    request = LLMRequest(messages=[Message("user", [TextPart("hi")], name="jane")])
    losses, none = Losses(), Losses()

    report_unwritten(request, "b", frozenset({"messages.name"}), losses)
    report_unwritten(request, "b", frozenset(), none)

    assert [str(loss) for loss in losses] == ["dropped messages[*].name"]
    assert not none
