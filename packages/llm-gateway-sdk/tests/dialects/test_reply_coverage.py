"""What a reply has that the client's dialect has no form for is listed."""

from __future__ import annotations

from llm_gateway_sdk import (
    Choice,
    Citation,
    LLMResponse,
    Losses,
    MediaPart,
    Message,
    OpaquePart,
    TextPart,
    ToolResultPart,
    Usage,
)
from llm_gateway_sdk.dialects.reply_coverage import drop_part, report_unwritten_reply


def listed(response: LLMResponse, dialect: str = "b") -> list[str]:
    losses = Losses("response")
    report_unwritten_reply(response, dialect, frozenset({"logprobs", "usage.reasoning_tokens"}), losses)
    return [loss.path for loss in losses]


REPLY = LLMResponse(
    choices=[
        Choice(
            message=Message(
                "assistant",
                [
                    TextPart("a", [Citation(provider_metadata={"a": {"index": 1}})], provider_metadata={"a": {"x": 1}}),
                    OpaquePart(dialect="a", data={"type": "search"}),
                    OpaquePart(dialect="a", data={"executableCode": {}}),
                ],
            ),
            logprobs={"content": []},
            provider_metadata={"a": {"rating": [1], "finish_reason": "END", "_note": 1, "empty": []}},
        )
    ],
    usage=Usage(1, 2, reasoning_tokens=1, provider_metadata={"a": {"details": {"images": 2}}}),
    provider_metadata={"a": {"fingerprint": "f"}},
)


def test_each_field_of_another_dialect_is_listed_by_its_place() -> None:
    assert sorted(listed(REPLY)) == [
        "choices[*].logprobs",
        "choices[*].message.blocks[*]",
        "choices[*].message.blocks[*]",
        "choices[*].message.content[*].citations[*].index",
        "choices[*].message.content[*].x",
        "choices[*].rating",
        "fingerprint",
        "usage.details.images",
        "usage.reasoning_tokens",
    ]


def test_a_reply_of_the_same_dialect_has_its_own_fields() -> None:
    assert sorted(listed(REPLY, "a")) == ["choices[*].logprobs", "usage.reasoning_tokens"]


def test_what_repeats_the_request_is_not_a_part_of_the_answer() -> None:
    assert listed(LLMResponse(provider_metadata={"openai_responses": {"tools": [{}], "moderation": {"a": 1}}})) == [
        "moderation"
    ]


def test_a_part_is_named_by_what_it_is() -> None:
    losses = Losses("response")
    for part in (
        MediaPart("audio", data="AAAA"),
        MediaPart("image", url="https://a"),
        OpaquePart(dialect="a", data={"type": "search"}),
        OpaquePart(dialect="a", data={"executableCode": {}}),
        OpaquePart(dialect="a"),
        ToolResultPart("c"),
    ):
        drop_part(part, losses)

    assert [(loss.path.removeprefix("choices[*].message."), loss.detail) for loss in losses] == [
        ("audio[*].data", ""),
        ("image[*].file_id", ""),
        ("blocks[*]", "search of a"),
        ("blocks[*]", "executableCode of a"),
        ("blocks[*]", "a block of a"),
        ("results[*]", ""),
    ]
