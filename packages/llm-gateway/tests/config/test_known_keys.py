"""Where a key that is in the wrong place belongs."""

from __future__ import annotations

import re

import pytest

from llm_gateway.config.known_keys import describe_unknown_key, file_schema, known_keys
from llm_gateway.config.schema import GatewayFile


def test_the_kept_schema_is_that_of_the_settings():
    assert file_schema() == GatewayFile.model_json_schema(by_alias=True), "run `hatch run python tools/file_schema.py`"


def test_keys_of_a_place():
    assert {"server", "models", "projects"} <= set(known_keys(()))
    assert "port" in known_keys(("server",))
    assert "drainTimeout" in known_keys(("server", "limits"))
    assert known_keys(("nothing",)) == []


@pytest.mark.parametrize(
    ("place", "meant"),
    [
        (("port",), "did you mean `server.port`?"),
        (("server", "drainTimeout"), "`server.limits.drainTimeout`"),
        (("models", 0, "retryAttempts"), "`provider.config.retryAttempts`"),
        (("models", 0, "provider", "apiKey"), "below its `config`: `config: {apiKey: …}`"),
        (("plugins", 0, "apikeys"), "below its `config`: `config: {apikeys: …}`"),
        (("projects", 0, "plugins", 3, "apikeys"), "below its `config`: `config: {apikeys: …}`"),
        (("plugins", 0, "options"), "below `config`"),
        (("projects", 0, "server"), "of the top level, not of a project"),
        (("plugins", 0, "prioriti"), 'did you mean "priority"?'),
        (("x\u00a0y",), "U+00A0"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_what_was_probably_meant_is_suggested(place, meant):
    assert meant in describe_unknown_key(place)


def test_without_a_better_idea_the_known_keys_are_listed():
    assert describe_unknown_key(("logging", "wholly_other")) == (
        f'unknown key "wholly_other" (known: {", ".join(known_keys(("logging",)))})'
    )


def test_what_is_suggested_for_a_key_of_any_section_is_a_place_that_has_it():
    keys = {key for section in file_schema()["properties"] for key in known_keys((section,))} - set(known_keys(()))
    messages = {key: describe_unknown_key((key,)) for key in sorted(keys)}
    hints = {key: found[1] for key, text in messages.items() if (found := re.search(r"did you mean `(.+)`", text))}
    assert len(hints) > 20

    for key, hint in hints.items():
        *parents, last = hint.replace("[]", ".0").split(".")
        assert last == key
        assert key in known_keys(tuple(int(part) if part.isdigit() else part for part in parents))
