import pytest
from llm_gateway_regex_hider.engine.openings import Starts, opening_of
from llm_gateway_regex_hider.engine.syntax import parse


def places(pattern: str, text: str) -> list[int] | None:
    """Where matches may begin, each asked for from the end of the one before."""
    opening = opening_of(parse(pattern, ignore_case=False).root)
    if opening is None:
        return None
    starts = Starts(text, [opening])
    found = []
    at = 0
    while (begin := starts.after(at)) >= 0:
        found.append(begin)
        at = begin + 1
    return found


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\d{3}-\d{2}", "12-34, 123-45", [7]),
        (r"\b\d{3}-\d{2}\b", "x123-45", [1]),  # conditions are left to the engine
        (r"[a-z.]+@[a-z]+", "to a.b@c or @d", [3, 4, 5]),
        (r"[a-z]{2,3}@", "abcd@ e@", [1, 2]),
        (r"([a-z]+)@(x)", "ab@y ab@x", [5, 6]),
        (r"\d*@", "a12@", [1, 2, 3]),
        (r"(?:key|token)=\S+", "key token=1 key=2", [4, 12]),
        (r"(?:\+1 )?\d\d\d", "+1 123", [0, 3]),
        (r"sk-[a-z]+", "sk-, sk-a", [5]),
        (r"[^ ]*secret", "a my-secret", [2, 3, 4, 5]),
    ],
)
def test_places_where_a_match_can_begin_are_found(pattern: str, text: str, found: list[int]) -> None:
    assert places(pattern, text) == found


@pytest.mark.parametrize("pattern", [r"[a-z]+ [a-z]+", "a.*z", r"(?:sk-)?[a-z]{20}", r"(a)\1", ".+@?"])
def test_matches_that_begin_as_ordinary_words_do_are_not_searched(pattern: str) -> None:
    assert places(pattern, "") is None


def test_of_many_alternatives_the_first_characters_are_looked_for() -> None:
    pattern = "|".join(f"{digit}{letter}" for digit in "12345" for letter in "abcdef")

    assert places(pattern, "6a 1x 2b") == [3, 6]


def test_several_patterns_are_asked_together() -> None:
    sources = [r"\d-\d", "[a-z]+@"]
    openings = [opening for source in sources if (opening := opening_of(parse(source, ignore_case=False).root))]
    starts = Starts("x ab@ 1-1", openings)

    assert (starts.after(0), starts.patterns_at(2)) == (2, [1])
    assert (starts.after(5), starts.patterns_at(6)) == (6, [0])
    assert starts.after(7) == -1
