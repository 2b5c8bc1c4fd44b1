"""Usage that is read the short way is what the long way reads."""

from __future__ import annotations

import json
import random
from typing import Any

from llm_gateway.dialects.openai_chat.usage import decode_usage, find_usage

VALUES = [None, 0, 5, 300, 7.0, "x", -1, True]
PROMPT = ["cached_tokens", "cache_write_tokens", "audio_tokens", "unknown"]
COMPLETION = ["reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens", "unknown"]


def some(chance: random.Random, keys: list[str]) -> dict[str, Any]:
    values = VALUES if chance.random() < 0.5 else [0, 1, 4, 11]
    return {key: chance.choice(values) for key in keys if chance.random() < 0.6}


def test_any_usage_is_read_as_it_is_in_full() -> None:
    chance = random.Random(11)
    for number in range(6000):
        usage: dict[str, Any] = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": chance.choice([12, 16])}
        if number % 4 == 0:
            usage = some(chance, ["prompt_tokens", "completion_tokens", "total_tokens"])
        if chance.random() < 0.8:
            usage["prompt_tokens_details"] = chance.choice([None, 3, some(chance, PROMPT[: chance.choice([3, 4])])])
        if chance.random() < 0.8:
            found = some(chance, COMPLETION[: chance.choice([4, 4, 5])])
            usage["completion_tokens_details"] = chance.choice([None, found, found])
        body = {"choices": [], "usage": usage, **({"after": 1} if chance.random() < 0.3 else {})}

        assert find_usage(json.dumps(body).encode()) == decode_usage(usage), usage


def test_a_nested_field_of_the_name_is_not_the_usage() -> None:
    for body in ({"a": {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}}, {"a": '"usage":{"prompt_tokens":1}'}):
        assert find_usage(json.dumps(body).encode()) is None


def test_the_tier_is_read_where_it_goes_before_the_usage_and_after_it() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    for body in ({"service_tier": "flex", "usage": usage}, {"usage": usage, "service_tier": "flex"}):
        found = find_usage(json.dumps(body).encode())
        assert found is not None
        assert found.service_tier == "flex"
