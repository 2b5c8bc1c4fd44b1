"""Schemas that are promised strictly keep the promise as far as the receiver compiles them."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway_sdk import LLMRequest, Losses, Message, ResponseFormat, TextPart, Tool
from llm_gateway_sdk.dialects.fit import fit
from llm_gateway_sdk.dialects.grammar import size_of, too_large
from llm_gateway_sdk.dialects.receiver import CHAT, CONVERSE, MESSAGES, RESPONSES, Grammar, Receiver


def closed(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = closed({"leaf": {"type": "string"}})
    for _ in range(levels - 1):
        schema = closed({"inner": schema})
    return schema


TEXT = {"type": "string"}
OPTIONAL = closed({f"p{n}": TEXT for n in range(10)}, *(f"p{n}" for n in range(10)))
UNION = closed({"a": {"anyOf": [TEXT, {"type": "null"}]}, "b": {"type": ["string", "null"]}, "c": TEXT})


def test_every_count_is_of_the_whole_schema() -> None:
    schema = closed(
        {
            "a": {"type": "array", "items": closed({"bb": {"enum": ["x", "yyy", 1]}}, "bb")},
            "c": {"anyOf": [{"$ref": "#/$defs/D"}, {"type": "null"}]},
        }
    )
    schema["$defs"] = {"D": closed({"e": {"const": "four"}})}

    size = size_of(schema)

    assert (size.properties, size.levels, size.optional, size.unions) == (4, 2, 1, 1)
    assert size.enum_values == 3
    assert size.letters == len("a" "c" "bb" "D" "e" "x" "yyy" "four")  # fmt: skip


def test_depth_is_measured_without_recursion() -> None:
    schema: Any = {}
    for _ in range(50_000):
        schema = {"items": schema}

    assert size_of(schema).levels == 0
    assert size_of(nested(180)).levels == 180


@pytest.mark.parametrize(
    "schema",
    [None, "text", {"properties": []}, {"enum": "x"}, {"anyOf": {}}, {"required": 3, "properties": {"a": None}}],
    ids=str,
)
def test_any_value_has_a_size(schema: Any) -> None:
    assert too_large(size_of(schema), Grammar(properties=1, levels=1)) == ""


def fitted(receiver: Receiver, **fields: Any) -> tuple[LLMRequest, list[str]]:
    losses = Losses()
    request = fit(LLMRequest(messages=[Message("user", [TextPart("hi")])], **fields), receiver, losses).request
    return request, [str(loss) for loss in losses]


def strictness(request: LLMRequest) -> list[bool | None]:
    return [tool.strict for tool in request.tools if isinstance(tool, Tool)]


@pytest.mark.parametrize("receiver", [MESSAGES, CONVERSE], ids=["messages", "converse"])
@pytest.mark.parametrize(
    ("schema", "count", "strict"),
    [(closed({"a": TEXT}), 25, 20), (OPTIONAL, 4, 2), (UNION, 10, 8)],
    ids=["tools", "optional", "unions"],
)
def test_claude_compiles_the_first_tools_together(
    receiver: Receiver, schema: dict[str, Any], count: int, strict: int
) -> None:
    request, losses = fitted(receiver, tools=[Tool(f"t{n}", parameters=schema, strict=True) for n in range(count)])

    assert strictness(request) == [True] * strict + [None] * (count - strict)
    assert [line.partition(":")[0] for line in losses if "strict" in line] == [f"dropped tools[*].strict (t{strict}"]


def test_the_form_of_the_answer_goes_first() -> None:
    form = ResponseFormat("json_schema", OPTIONAL, "n")
    tools = [Tool("t0", parameters=OPTIONAL, strict=True), Tool("t1", parameters=OPTIONAL, strict=True)]

    request, losses = fitted(MESSAGES, tools=tools, response_format=form)

    assert request.response_format is not None
    assert strictness(request) == [True, None]
    assert any("t1" in line and "30 optional properties" in line for line in losses)


@pytest.mark.parametrize("receiver", [CHAT, RESPONSES], ids=["chat", "responses"])
@pytest.mark.parametrize(
    "schema",
    [
        nested(11),
        closed({f"p{n}": TEXT for n in range(5001)}),
        closed({"a": {"type": "string", "enum": [f"v{n}" for n in range(1001)]}}),
        closed({"a" * 120_001: TEXT}),
        closed({"a": {"type": "string", "enum": [f"{n:060}" for n in range(251)]}}),
    ],
    ids=["levels", "properties", "values", "letters", "one enumeration"],
)
def test_openai_is_promised_no_schema_that_it_refuses(receiver: Receiver, schema: dict[str, Any]) -> None:
    tools = [Tool("big", parameters=schema, strict=True), Tool("small", parameters=nested(10), strict=True)]

    request, losses = fitted(
        receiver, tools=tools, response_format=ResponseFormat("json_schema", schema, "n", None, True)
    )

    assert strictness(request) == [False, True]
    assert request.response_format is not None
    assert request.response_format.strict is False
    assert len(losses) == 2


def test_a_form_that_claude_cannot_compile_is_asked_for_in_words() -> None:
    schema = closed({f"p{n}": TEXT for n in range(30)}, *(f"p{n}" for n in range(30)))

    request, losses = fitted(MESSAGES, response_format=ResponseFormat("json_schema", schema, "n"))

    assert request.response_format is None
    assert "p29" in request.messages[0].text
    assert any("30 optional properties" in line for line in losses)
