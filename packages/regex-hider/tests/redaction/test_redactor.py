import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_gateway_regex_hider import Rule, RuleSet, StreamRedactor, compile_rules, redact
from llm_gateway_regex_hider.redaction.bounds import Blocked, LimitExceeded

FOUNDING = [
    Rule(r"\b\d{3}-\d{2}-\d{4}\b", "[REDACTED|SSN]"),
    Rule(r"\b(?:\d{4}[- ]?){3}\d{4}\b", "[REDACTED|CREDIT_CARD]"),
    Rule(r"[a-zA-Z0-9_.+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z0-9.]+", "[REDACTED|EMAIL]"),
]
EMAIL = FOUNDING[2].pattern

PATTERN_SETS = [
    [rule.pattern for rule in FOUNDING],
    [r"secret(?! ok)", r"\b(?!000|666)\d{3}-(?!00)\d{2}\b", r"[a-z.]+@[a-z.-]+\.[a-z]{2,}"],
    [r"(['\"])key\1", r"(?<=id: )\d+", r"(?<!x)\d{3}(?!\d)"],
    [r"BEGIN.*?END", r"BEGIN", r"a.b@"],
    [r"^secret", r"ok$", r"(?m:^\d+$)"],
    [r"(a|ab)(c|bcd)(d*)", r"b+c"],
    [r"(?<=\d)ok\b", r"sk-[a-z0-9]{4,8}", r"(?:\+?1[ -])?\d{3}[- ]\d{3}"],
    [r"a(?=b*c)", r"(?:a*b*)*@", r"x*y|b.*c|b"],
    [r"(?<n>\d)\k<n>\k<n>", r"(a+)+b", r"\Bkey\B"],
    [r"(?=.*@)[a-z]{3}", r"(?<=\bid: )x", r"[^ ]*secret[^ ]*"],
]
FRAGMENTS = [
    "a", "b", "c", "d", "ab", "@", ".", ".", " ", "-", "1", "123", "-45", "-6789", "123-45-6789", "4111 ", "key", "'",
    '"', "secret", " ok", "ok", "id: ", "x", "BEGIN", "END", "\n", "sk-", "ab12", "y", "000", "é", "😀", "_", "+1 ",
    "aaa", "11",
]  # fmt: skip
SETS = [
    RuleSet(compile_rules([Rule(pattern, f"<{k}>") for k, pattern in enumerate(patterns)])) for patterns in PATTERN_SETS
]


def whole_text_redaction(text: str, rules: RuleSet) -> str:
    """The definition: from the left, at each place the first pattern that the engine finds there."""
    out, at = "", 0
    while at < len(text):
        for rule in rules.rules:
            match = rule.regex.match(text, at)
            if match and match.end() > at:
                out += rule.replace(match)
                at = match.end()
                break
        else:
            out += text[at]
            at += 1
    return out


def streamed(redactor: StreamRedactor, text: str, size: Callable[[], int]) -> str:
    out, at = "", 0
    while at < len(text):
        step = size()
        out += redactor.push(text[at : at + step])
        at += step
    return out + redactor.close()


def test_a_number_split_across_pieces_is_hidden() -> None:
    redactor = StreamRedactor(RuleSet(compile_rules(FOUNDING)))

    assert redactor.push("my ssn is 123-4") == "my ssn is"
    assert redactor.push("5-6789") == ""
    assert redactor.push(" ok") == " [REDACTED|SSN]"
    assert redactor.close() == " ok"


def test_what_can_no_longer_match_goes_out_with_the_piece_that_decides_it() -> None:
    redactor = StreamRedactor(RuleSet(compile_rules(FOUNDING)))

    assert redactor.push("Hello world! 12") == "Hello world!"
    assert redactor.push("3, ") == " 123, "
    assert not redactor.is_holding


def test_a_lazy_match_goes_out_as_soon_as_it_is_complete() -> None:
    redactor = StreamRedactor(RuleSet(compile_rules([Rule("BEGIN.*?END", "<>")])))

    assert redactor.push("x BEGIN abc") == "x"
    assert redactor.push("END tail") == " <> tail"


def test_words_that_are_held_keep_the_space_that_their_pieces_begin_with() -> None:
    redactor = StreamRedactor(RuleSet(compile_rules(FOUNDING)))
    pieces = ["tok0", " tok1", " tok2", "\n\n", "tok3", ".\n", "  tok4", " a@b.c"]

    assert [redactor.push(piece) for piece in pieces] == [
        "", "tok0", " tok1", " tok2\n\n", "", "tok3.\n", "", "  tok4",
    ]  # fmt: skip
    assert redactor.close() == " [REDACTED|EMAIL]"


def test_white_space_waits_for_no_text_that_is_not_held() -> None:
    redactor = StreamRedactor(RuleSet(compile_rules(FOUNDING[:1])))

    assert [redactor.push(piece) for piece in ("a", " ", "\n", " b", " (", " 1", "2")] == [
        "a", " ", "\n", " b", " (", "", "",
    ]  # fmt: skip
    assert redactor.close() == " 12"


def test_white_space_that_is_held_counts_among_what_may_be_held() -> None:
    redactor = StreamRedactor(RuleSet(compile_rules([Rule("a+b")])), max_size=4)

    assert [redactor.push(piece) for piece in ("x   a", "a", "a", "a", "c")] == ["x", " ", " ", " ", "aaaac"]


def test_only_so_much_white_space_is_held() -> None:
    redactor = StreamRedactor(RuleSet(compile_rules([Rule("a+b")])))

    assert redactor.push(" " * 1000 + "a") == " " * 968
    assert redactor.close() == " " * 32 + "a"


def test_streams_equal_whole_text_redaction_wherever_they_are_cut() -> None:
    rnd = random.Random(7)
    for _ in range(6000):
        rules = rnd.choice(SETS)
        text = "".join(rnd.choice(FRAGMENTS) for _ in range(rnd.randint(1, 14)))

        expected = whole_text_redaction(text, rules)

        assert redact(text, rules) == expected
        assert streamed(StreamRedactor(rules), text, lambda: rnd.choice([1, 1, 2, 3, 5])) == expected, text


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(SETS),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3)), max_size=12).map("".join),
    st.data(),
)
def test_streams_equal_whole_text_redaction_for_any_text(rules: RuleSet, text: str, data: st.DataObject) -> None:
    sizes = st.integers(1, 6)

    assert streamed(StreamRedactor(rules), text, lambda: data.draw(sizes)) == whole_text_redaction(text, rules)


class Eager(StreamRedactor):
    """Holds no white space that is not part of what may become a match."""

    def _before_space(self, safe: int) -> int:
        return safe


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(SETS),
    st.lists(st.sampled_from([*FRAGMENTS, " a", " 1", "  ", " secret", "\n\n"]), max_size=12),
    st.sampled_from([2, 5, 8192]),
)
def test_nothing_but_white_space_waits_for_the_text_after_it(rules: RuleSet, pieces: list[str], max_size: int) -> None:
    redactor, eager = StreamRedactor(rules, max_size=max_size), Eager(rules, max_size=max_size)
    out, expected = "", ""
    for piece in pieces:
        out += redactor.push(piece)
        expected += eager.push(piece)

        assert expected.startswith(out)
        assert expected[len(out) :].strip() == ""
        assert redactor.is_holding or out == expected
        assert len(redactor._buffer) - redactor._done <= max(max_size, len(eager._buffer) - eager._done)

    assert out + redactor.close() == expected + eager.close()


def test_beyond_the_bound_nothing_leaks_and_the_cut_still_does_not_matter() -> None:
    rnd = random.Random(8)
    for _ in range(3000):
        rules = rnd.choice(SETS)
        text = "".join(rnd.choice(FRAGMENTS) for _ in range(rnd.randint(1, 14)))
        max_size = rnd.choice([1, 2, 3, 4, 6, 8])

        outcomes = []
        sizes: list[Callable[[], int]] = [lambda: 1, lambda: rnd.choice([1, 2, 3, 5]), lambda: 1000]
        for size in sizes:
            redactor = StreamRedactor(rules, max_size=max_size)
            spans: list[tuple[str, str | None]] = []
            at = 0
            while at < len(text):
                step = size()
                spans += redactor.feed(text[at : at + step])
                at += step
            spans += redactor.finish()
            outcomes.append("".join(piece if new is None else new for piece, new in spans))
        hidden = [new is not None for piece, new in spans for _ in piece]
        whole = StreamRedactor(rules, max_size=None)
        must_hide = [new is not None for piece, new in whole.feed(text) + whole.finish() for _ in piece]

        assert outcomes[0] == outcomes[1] == outcomes[2], text
        assert not any(must and not is_hidden for must, is_hidden in zip(must_hide, hidden, strict=True)), text


def test_text_beyond_the_bound_is_masked_to_the_end_of_what_could_match() -> None:
    redactor = StreamRedactor(RuleSet(compile_rules([Rule("BEGIN KEY[^]*?END KEY", "<key>")]), mask="<hidden>"))

    out = streamed(redactor, "a BEGIN KEY" + "x" * 20_000 + "END KEY b", lambda: 7)

    assert out == "a <hidden> b"
    assert redactor.findings.masked == 1


def test_text_beyond_the_bound_is_refused_if_so_configured() -> None:
    redactor = StreamRedactor(RuleSet(compile_rules(FOUNDING)), max_size=100, on_limit="refuse")

    with pytest.raises(LimitExceeded, match="longer than 100 characters"):
        redactor.push("a" * 101)


def test_whole_texts_have_no_bound() -> None:
    rules = RuleSet(compile_rules(FOUNDING))

    assert redact("a" * 20_000 + "@example.com, ok", rules) == "[REDACTED|EMAIL], ok"
    assert redact("a" * 20_000 + "@", rules) == "a" * 20_000 + "@"


def test_a_pattern_that_blocks_is_named_and_the_text_is_not() -> None:
    rules = RuleSet(compile_rules([Rule("x"), Rule("secret", block=True, description="code word")]))

    with pytest.raises(Blocked) as refused:
        redact("a secret", rules)

    assert str(refused.value) == "patterns[1] (code word)"


@pytest.mark.parametrize("length", [20_000, 200_000])
@pytest.mark.parametrize(
    ("patterns", "unit"),
    [
        ([EMAIL], "a"),
        ([EMAIL], "a@"),
        ([EMAIL], "a."),
        ([EMAIL, r"\b(?!000)\d{3}-\d{2}\b"], "a"),
        (["(a+)+b"], "a"),
        (["(?:a|aa)+b(?!c)"], "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaabc"),
        (["a(?!.*z)b"], "ab"),
        ([r"(a+)-\1b"], "aaaaaaa-"),
        (["b.*c|b"], "b"),
        ([r"\d{1,1000}x"], "1"),
        (["(?:a|b)*a(?:a|b){12}c"], "aabababbab"),
    ],
)
def test_hostile_text_cannot_hang_the_redaction(patterns: list[str], unit: str, length: int) -> None:
    rules = RuleSet(compile_rules([Rule(pattern) for pattern in patterns]))
    text = (unit * length)[:length]

    started = time.process_time()
    streamed(StreamRedactor(rules), text, lambda: 5)
    redact(text, rules)

    assert time.process_time() - started < 4  # about a second at most on a quiet machine


def test_what_is_held_is_bounded() -> None:
    redactor = StreamRedactor(RuleSet(compile_rules(FOUNDING)), max_size=1000)
    for _ in range(10_000):
        redactor.push("aaaaa")
        assert len(redactor._buffer) <= 1100


def test_hostile_alphabets_do_not_grow_the_automaton_without_bound() -> None:
    rules = RuleSet(compile_rules([Rule("(?:a|b)*a(?:a|b){12}c"), Rule(EMAIL)]))
    rnd = random.Random(3)

    streamed(StreamRedactor(rules), "".join(rnd.choice("ab") for _ in range(30_000)), lambda: 11)
    streamed(StreamRedactor(rules), "".join(map(chr, range(0x20, 0xD000))) * 2, lambda: 50)

    assert len(rules.automaton._states) <= 2001
    assert rules.automaton.edges <= 100_100


@pytest.mark.parametrize("piece", [1, 1000])
def test_when_time_is_up_all_that_is_undecided_is_hidden_and_nothing_else(piece: int) -> None:
    # An engine needs the cube of the number of letters to find that an odd number doesn't match.
    rules = RuleSet(compile_rules([Rule(r"(a+)(a+)(a+)\3\2\1b"), Rule(r"b\d")]))
    text = "x b1 " + "a" * 2_001 + "b"
    redactor = StreamRedactor(rules)

    assert streamed(redactor, text, lambda: piece) == "x [REDACTED] [REDACTED]"


def test_a_pause_of_the_machine_hides_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes on by a second within the search for one match, as when another process has the processor."""
    passed = iter([0.0, 1.0])
    monkeypatch.setattr("llm_gateway_regex_hider.redaction.matching.perf_counter", lambda: next(passed, 2.0))

    redactor = StreamRedactor(RuleSet(compile_rules([Rule(r"secret-\d+", "[HIDDEN]")])), max_size=None)

    pieces = [*redactor.feed("a secret-1 and more, a secret-2 and more "), *redactor.close()]

    assert "".join(text if hidden is None else hidden for text, hidden in pieces) == (
        "a [HIDDEN] and more, a [HIDDEN] and more "
    )
