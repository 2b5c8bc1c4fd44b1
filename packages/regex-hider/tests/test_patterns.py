import pytest
from llm_gateway_regex_hider import Rule, RuleError, RuleSet, compile_rules, redact


def rules(*pairs: tuple[str, str]) -> RuleSet:
    return RuleSet(compile_rules([Rule(pattern, replacement) for pattern, replacement in pairs]))


@pytest.mark.parametrize(
    ("replacement", "hidden"),
    [
        ("[X]", "[X]"),
        ("$1-****", "12-****"),
        ("$<last>", "34"),
        ("<$&>", "<12-34>"),
        ("$$1", "$1"),
        ("$2$1", "3412"),
        ("$3", "$3"),  # no such group
        ("$0", "$0"),
        ("$01", "12"),
        ("$12", "122"),  # group 1, then a 2
        ("$<none>", ""),
        ("100$", "100$"),
    ],
)
def test_replacements_are_javascript_templates(replacement: str, hidden: str) -> None:
    assert redact("12-34", rules((r"(?<first>\d\d)-(?<last>\d\d)", replacement))) == hidden


def test_without_named_groups_a_name_in_a_replacement_is_text() -> None:
    assert redact("12", rules((r"(\d)\d", "$<n>"))) == "$<n>"


@pytest.mark.parametrize("replacement", ["$`", "$'"])
def test_a_replacement_cannot_give_back_the_text_around_the_match(replacement: str) -> None:
    with pytest.raises(RuleError, match=r"patterns\[0\]: .*not supported"):
        rules(("a", replacement))


def test_the_leftmost_match_wins_and_then_the_pattern_named_first() -> None:
    both = rules(("b+c", "<0>"), ("ab|a", "<1>"), ("ab", "<2>"))

    assert redact("abc bbc ab", both) == "<1>c <0> <1>"


def test_a_text_in_which_nothing_matches_comes_back_itself() -> None:
    text = "nothing here. " * 1000

    assert redact(text, rules((r"\d{3}-\d{2}-\d{4}", ""), (r"\w+@\w+", ""))) is text


def test_patterns_that_cannot_match_are_left_out_of_the_search() -> None:
    both = rules((r"\d{3}-\d{2}", "<ssn>"), (r"[a-z]+@[a-z]+", "<mail>"))

    candidates = both.candidates("call me at a@b")

    assert candidates is not None
    assert [rule.index for rule in candidates.rules] == [1]
    assert both.candidates("nothing") is None
