import asyncio
import logging
from typing import Any

import jsonschema
import pytest
from llm_gateway_regex_hider import RegexHider
from llm_gateway_regex_hider.settings import SCHEMA, load_settings


def test_all_settings_of_existing_files_are_accepted_and_those_without_effect_are_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config: dict[str, Any] = {
        "patterns": [{"pattern": "a", "replacement": "x", "applyTo": "both", "blockOnMatch": False}],
        "replacement": "[HIDDEN]",
        "blockOnMatch": False,
        "caseSensitive": True,
        "logMatches": False,
        "bufferConfig": {"maxSize": 100, "timeout": 500, "flushOn": ["\n", "."]},
        "onLimit": "refuse",
    }
    jsonschema.validate(config, SCHEMA)

    with caplog.at_level(logging.INFO):
        asyncio.run(RegexHider().configure(config))

    loaded = load_settings(config)
    assert (loaded.max_size, loaded.on_limit) == (100, "refuse")
    assert [record.getMessage().split(" has")[0] for record in caplog.records] == [
        "regex-hider: bufferConfig.timeout",
        "regex-hider: bufferConfig.flushOn",
    ]


@pytest.mark.parametrize(
    "config",
    [{}, {"patterns": [{}]}, {"patterns": ["a"]}, {"patterns": [{"pattern": "a", "applyTo": "all"}]},
     {"patterns": [], "onLimit": "emit"}, {"patterns": [], "bufferConfig": {"maxSize": 0}}, {"patern": []}],
)  # fmt: skip
def test_what_the_schema_can_refuse_it_refuses(config: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config, SCHEMA)


def test_every_pattern_that_cannot_be_honoured_is_named() -> None:
    config = {"patterns": [{"pattern": "(a"}, {"pattern": "ok"}, {"pattern": "b*"}]}

    first, second = asyncio.run(RegexHider().validate_config(config))

    assert "patterns[0]: a group is not closed" in first
    assert "patterns[2]: 'b*' can match the empty text" in second
