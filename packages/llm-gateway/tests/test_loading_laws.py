"""Whatever a configuration has, it is loaded or refused with `ConfigError`: nothing else is raised."""

import contextlib
import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.config.document import plain, read_document
from llm_gateway.config.loader import known_keys
from llm_gateway.loading import LoadResult, load_text
from llm_gateway_sdk.errors import ConfigError

KEYS = st.sampled_from(
    [
        *known_keys(()),
        *known_keys(("models", 0)),
        *known_keys(("plugins", 0)),
        *known_keys(("server", "limits")),
        *("patterns", "pattern", "model", "fallbacks", "apikeys", "prompt", "level", "unknown", "a b", "", "<<", "x-y"),
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["openai", "echo", "model-router", "regex-hider", "${NOPE}", "${SET}", "${", "15s", "gpt", "/(/", "default"]
    ),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
VALID = {
    "models": [{"name": "gpt", "isDefault": True, "provider": {"type": "echo", "config": {"model": "m"}}}],
    "plugins": [{"name": "r", "type": "model-router", "config": {"model": "gpt"}}],
    "projects": [{"name": "p", "plugins": [{"name": "x", "type": "logger", "config": {"level": "info"}}]}],
    "server": {"port": 3000, "limits": {"drainTimeout": "15s"}, "cors": {"enabled": False}},
    "logging": {"level": "info"},
}


def outcome(text, directory):
    try:
        return load_text(text, directory=directory, environ={"SET": "1"})
    except ConfigError as error:
        problems = error.problems
    assert problems
    assert all(problem.message and problem.line for problem in problems)
    return None


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_document_is_loaded_or_refused(tmp_path_factory, document):
    outcome(json.dumps(document), tmp_path_factory.getbasetemp())


@settings(max_examples=50, deadline=None)
@given(st.integers(), VALUES)
def test_a_valid_document_with_one_value_changed_is_loaded_or_refused(tmp_path_factory, seed, value):
    document = json.loads(json.dumps(VALID))
    choose, at = random.Random(seed), document
    while True:
        key = choose.choice(list(at) if isinstance(at, dict) else range(len(at)))
        if not isinstance(at[key], dict | list) or not at[key] or choose.random() < 0.2:
            break
        at = at[key]
    at[key] = value

    outcome(json.dumps(document), tmp_path_factory.getbasetemp())


@settings(max_examples=80, deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(ConfigError):
        plain(read_document(text, "f"))


def test_the_valid_document_is_valid(tmp_path):
    assert isinstance(outcome(json.dumps(VALID), tmp_path), LoadResult)
