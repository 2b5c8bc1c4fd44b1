"""Hidden text ends where a match that began in it is decided, or where none goes on; wherever the text was cut."""

from __future__ import annotations

import pytest
from llm_gateway_regex_hider import Rule, RuleSet, compile_rules
from llm_gateway_regex_hider.redaction.bounds import Exhausted
from llm_gateway_regex_hider.redaction.masking import Mask

MAIL = RuleSet(compile_rules([Rule(r"[a-z]+@[a-z]+")]))
LONG = "a" * 20
HELD = 10
"""Characters that were held until they were too many: with them hiding begins."""


def hidden(text: str, pieces: int) -> int | None:
    """The place from which on the text is judged afresh, read in pieces of this size."""
    mask = Mask(MAIL, text, 0)
    mask.read_until(text, HELD)
    for end in range(HELD + pieces, len(text) + pieces, pieces):
        place = mask.go_on(text, min(end, len(text)), 1000)
        if place is not None:
            return place
    return mask.end_of_match(len(text))


@pytest.mark.parametrize("pieces", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"{LONG} and more", 20),  # nothing that began goes on: the space is judged afresh
        (f"{LONG}@example and more", 28),  # a match is decided by the space after it
        (f"{LONG}@example", 28),  # and by the end of the text
        (LONG, None),  # all of it could have become a match, and did not
    ],
)
def test_hiding_ends_with_what_began_in_hidden_text(text: str, place: int | None, pieces: int) -> None:
    assert hidden(text, pieces) == place


def test_positions_follow_the_buffer_when_its_beginning_is_dropped() -> None:
    text = f"..{LONG}@example x"
    mask = Mask(MAIL, text, 2)
    mask.read_until(text, 12)

    mask.shift(2)

    assert mask.at == 10
    assert mask.go_on(text[2:], len(text) - 2, 1000) == 28


def test_a_fork_reads_on_by_itself() -> None:
    mask = Mask(MAIL, LONG, 0)
    mask.read_until(LONG, 20)

    fork = mask.fork()
    assert fork.go_on(f"{LONG} x", 22, 1000) == 20

    assert mask.is_alive
    assert (mask.at, mask.hidden_until) == (20, 20)


def test_text_that_can_be_neither_hidden_nor_shown_is_bounded() -> None:
    text = "ab" + "c" * 50  # "ab" is a match, and the rest would be, too, if a "d" came
    mask = Mask(RuleSet(compile_rules([Rule(r"ab(?:c*d)?")])), text, 0)
    mask.read_until(text, 2)

    with pytest.raises(Exhausted):
        mask.go_on(text, len(text), 10)
