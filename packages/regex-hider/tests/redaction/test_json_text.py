import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_gateway_regex_hider import JSONRedactor, Rule, RuleSet, compile_rules, redact, redact_json

RULES = RuleSet(
    compile_rules(
        [
            Rule(r"\b\d{3}-\d{2}-\d{4}\b", '[SSN "x"\n]'),
            Rule(r"\b(?:\d{4}[- ]?){3}\d{4}\b", "[CARD]"),
            Rule(r"[a-zA-Z0-9_.+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z0-9.]+", "[EMAIL]"),
        ]
    )
)


def cut(text: str, sizes: Any) -> str:
    redactor = JSONRedactor(RULES)
    out, at = "", 0
    while at < len(text):
        step = sizes()
        out += redactor.push(text[at : at + step])
        at += step
    return out + redactor.close()


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (r'{"to": "jane\u0040example.com"}', '{"to": "[EMAIL]"}'),
        (r'{"to": "j\u0061ne@ex.com", "x": 1e5}', '{"to": "[EMAIL]", "x": 1e5}'),
        ('{"n": 123-45-6789}', '{"n": [SSN "x"\n]}'),  # no JSON: plain text
        ('{"n": "123-45-6789"}', r'{"n": "[SSN \"x\"\n]"}'),
        ('{"card": 4111111111111111, "n": 12}', '{"card": "[CARD]", "n": 12}'),
        ('{"jane@x.com": true}', '{"[EMAIL]": true}'),
        ('["jane@", "x.com"]', '["jane@", "x.com"]'),  # two texts
        (r'{"a": "\n\"jane@x.com\" \\ \ud83d\ude00"}', r'{"a": "\n\"[EMAIL]\" \\ \ud83d\ude00"}'),
        ('{"to": "jane@x.co', '{"to": "[EMAIL]'),  # cut off by a token limit
        ("write to jane@x.com", "write to [EMAIL]"),
        ('{to: "jane@x.com"}', '{to: "[EMAIL]"}'),
        ("", ""),
    ],
)
def test_strings_keys_and_numbers_are_redacted_and_the_structure_is_kept(text: str, redacted: str) -> None:
    assert redact_json(text, RULES) == redacted
    for size in (1, 2, 3, 7):
        assert cut(text, lambda size=size: size) == redacted


def test_json_in_which_nothing_matches_keeps_every_byte() -> None:
    text = '{ "a" :"\\u0041\\/\\ud83d\\ude00 \\ud83d x", "n":1.50E+2 ,\n"l":[ ] , "o":{}}'

    assert redact_json(text, RULES) == text
    assert cut(text, lambda: 1) == text


def test_what_cannot_match_any_more_goes_out_at_once() -> None:
    redactor = JSONRedactor(RULES)

    assert redactor.push('{"city": "Par') == '{"city": "'
    assert redactor.push('is", ') == 'Paris", '
    assert redactor.push('"to": "jane@x.com') == '"to": "'
    assert redactor.push('"}') == '[EMAIL]"}'
    assert redactor.is_complete
    assert not redactor.is_holding


_PIECES = st.sampled_from(["jane", "@", "x.com", " ", "123-45-6789", "123-45", "é", "😀", "\n", '"', "\\", "/", "a"])
_TEXTS = st.lists(st.one_of(_PIECES, st.text(max_size=2)), max_size=5).map("".join)
_VALUES = st.recursive(
    st.one_of(_TEXTS, st.none(), st.booleans(), st.integers(0, 10**6), st.just(4111111111111111)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXTS, inner, max_size=3)),
    max_leaves=8,
)


def redacted_value(value: Any) -> Any:
    match value:
        case str():
            return redact(value, RULES)
        case list():
            return [redacted_value(item) for item in value]
        case dict():
            return [(redact(key, RULES), redacted_value(item)) for key, item in value.items()]
        case bool() | None:
            return value
        case _:
            shown = redact(json.dumps(value), RULES)
            return value if shown == json.dumps(value) else shown


@settings(max_examples=80, deadline=None)
@given(_VALUES, st.booleans(), st.randoms(use_true_random=False))
def test_redacted_json_has_the_redaction_of_each_string_wherever_it_is_cut(
    value: Any, ascii_only: bool, rnd: random.Random
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=rnd.choice([None, 1]))
    if rnd.random() < 0.5:
        text = text.replace("@", "\\u0040")

    out = redact_json(text, RULES)

    assert json.loads(out, object_pairs_hook=list) == redacted_value(value)
    assert cut(text, lambda: rnd.randint(1, 5)) == out


@settings(max_examples=80, deadline=None)
@given(_VALUES, st.randoms(use_true_random=False))
def test_damaged_json_is_redacted_alike_wherever_it_is_cut(value: Any, rnd: random.Random) -> None:
    text = json.dumps(value)
    at = rnd.randrange(len(text))
    text = text[:at] + rnd.choice(["", "x", '"', "\\", "}", ","]) + text[at + rnd.randint(0, 2) :]

    assert cut(text, lambda: rnd.randint(1, 5)) == redact_json(text, RULES)
