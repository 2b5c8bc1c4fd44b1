import json
import random
import shutil
import subprocess

import pytest
from llm_gateway_regex_hider import Rule, RuleError, RuleSet, compile_rules, redact
from llm_gateway_regex_hider.engine.syntax import PatternSyntaxError, parse


def hide(pattern: str, text: str, replacement: str = "<>", *, case_sensitive: bool = False) -> str:
    return redact(text, RuleSet(compile_rules([Rule(pattern, replacement, case_sensitive=case_sensitive)])))


@pytest.mark.parametrize(
    ("pattern", "text", "hidden"),
    [
        (r"\d+", "12 ٣", "<> ٣"),  # digits are ASCII
        (r"\w+", "naïve", "<>ï<>"),
        (r"\bkey\b", "ékeyé key", "é<>é <>"),
        (r"a.c", "a\nc a\rc a\u2028c abc", "a\nc a\rc a\u2028c <>"),
        (r"[^]x", "\nx", "<>"),
        (r"[\w-.]+", "a-b.c!", "<>!"),
        (r"x{,3}", "x{,3}xx", "<>xx"),  # no quantifier: itself
        (r"a]", "a]", "<>"),
        (r"\u{1F600}|\ud83d\ude01", "😀😁😂", "<><>😂"),
        (r"\x41\u0042\cJ", "AB\n", "<>"),
        (r"(?i:k)", "kK\u212a", "<><>\u212a"),  # the Kelvin sign is not a k
        (r"É", "é", "<>"),
        (r"(?<y>\d)\k<y>", "12 33", "12 <>"),
        (r"(?<!\d)\d{3}(?!\d)", "123 1234 123", "<> 1234 <>"),
        (r"(?<=id=)\d+", "id=12 ip=12", "id=<> ip=12"),
        (r"\p{Lu}{2}", "abCD", "ab<>"),
        (r"(?m:^\d$)", "1\n2\n34", "<>\n<>\n34"),
        (r"(?:\b)?x", "ax x", "a<> <>"),
        (r"\A", "cat", "c<>t"),  # an escape without a meaning represents its letter
        (r"(a)|b\1", "ab", "<><>"),  # a group that took no part is empty
    ],
)
def test_patterns_mean_what_they_mean_in_javascript(pattern: str, text: str, hidden: str) -> None:
    assert hide(pattern, text, case_sensitive="\\p" in pattern) == hidden


def test_case_is_ignored_unless_configured_otherwise() -> None:
    assert hide("secret", "SECRET") == "<>"
    assert hide("secret", "SECRET secret", case_sensitive=True) == "SECRET <>"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a", "a group is not closed, at character 0"),
        ("a)", "unmatched"),
        ("[a", "a character class is not closed"),
        ("*a", "nothing to repeat"),
        ("a++", "JavaScript has no possessive quantifiers"),
        ("a{3,2}", "numbers out of order"),
        ("[b-a]", "range out of order"),
        ("(?P<n>a)", r"JavaScript writes \(\?<name>…\)"),
        ("(?i)a", "caseSensitive"),
        ("(?>a)", "is not a group that JavaScript knows"),
        (r"\k<n>(?<m>a)", "names no group"),
        (r"a\2", r"\\2 refers to a group that is not there"),
        ("a\\", "lone backslash"),
        (r"\p{Nonsense}", "unknown Unicode property"),
        ("a{20000}", "more than 10000"),
    ],
)
def test_a_pattern_that_cannot_be_read_is_refused_with_the_reason(pattern: str, message: str) -> None:
    with pytest.raises(PatternSyntaxError, match=message):
        parse(pattern, ignore_case=True)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a*", "can match the empty text"),
        (r"(?=a)", "can match the empty text"),
        ("(?<=a+)b", "look-behind of unlimited length"),
        ("(?<=a(?!bc))b", "look-around inside a look-behind"),
        ("(?:a{1000}){1000}", "too large"),
        ("(" * 3000 + "a" + ")" * 3000, "nested too deeply"),
    ],
)
def test_what_cannot_be_honoured_names_the_pattern(pattern: str, message: str) -> None:
    with pytest.raises(RuleError, match=rf"patterns\[1\]: .*{message}"):
        compile_rules([Rule("x"), Rule(pattern)])


_ATOMS = [
    "a", "b", "c", "1", "[ab]", "[^a]", r"\d", r"\w", r"\s", ".", "[a-c1]", "-", " ", r"\W", "K", "é", "É", "ß", "ſ",
    "[é-ü]", "[^k]", "[^]",
]  # fmt: skip
_ALPHABET = "aabbcc1 -_kKſéÉß\u212a\nA"


def _alternatives(rnd: random.Random, depth: int) -> str:
    return "|".join(
        "".join(_term(rnd, depth) for _ in range(rnd.randint(1, 3))) for _ in range(rnd.choice([1, 1, 1, 2]))
    )


def _term(rnd: random.Random, depth: int) -> str:
    kind = rnd.random()
    if kind < 0.06:
        return rnd.choice([r"\b", r"\B", "^", "$"])
    if depth > 0 and kind < 0.12:
        return rnd.choice(["(?=", "(?!"]) + _alternatives(rnd, depth - 1) + ")"
    if depth > 0 and kind < 0.18:
        return rnd.choice(["(?<=", "(?<!"]) + rnd.choice(["a", "[ab]c", r"\d\d", "a|bc", "^", "^a", r"\ba"]) + ")"
    if depth > 0 and kind < 0.4:
        atom = rnd.choice(["(?:", "("]) + _alternatives(rnd, depth - 1) + ")"
        # Of a loop whose body can be empty engines prefer different rounds: no such loops here.
        return atom + ("{2}" if rnd.random() < 0.3 else "")
    atom = rnd.choice(_ATOMS)
    if rnd.random() < 0.3:
        atom += rnd.choice(["*", "+", "?", "{2}", "{1,2}", "{2,}"]) + rnd.choice(["", "?"])
    return atom


@pytest.mark.skipif(shutil.which("node") is None, reason="compares with Node, which is not installed")
def test_redaction_agrees_with_a_javascript_engine_on_random_patterns() -> None:
    rnd = random.Random(20)
    cases: list[tuple[list[str], bool, str]] = []
    ours: list[str] = []
    while len(cases) < 1000:
        patterns = [_alternatives(rnd, 2) for _ in range(rnd.randint(1, 3))]
        case_sensitive = rnd.random() < 0.3
        try:
            rules = RuleSet(
                compile_rules([Rule(p, f"<{k}:$&>", case_sensitive=case_sensitive) for k, p in enumerate(patterns)])
            )
        except RuleError:
            continue
        for _ in range(5):
            text = "".join(rnd.choice(_ALPHABET) for _ in range(rnd.randint(1, 14)))
            cases.append((patterns, case_sensitive, text))
            ours.append(redact(text, rules))
    script = """
        const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
        console.log(JSON.stringify(cases.map(([patterns, caseSensitive, text]) => {
          const rules = patterns.map(p => new RegExp(p, caseSensitive ? "y" : "iy"));
          let out = "", at = 0;
          next: while (at < text.length) {
            for (let k = 0; k < rules.length; k++) {
              rules[k].lastIndex = at;
              const match = rules[k].exec(text);
              if (match && match[0].length) { out += `<${k}:${match[0]}>`; at += match[0].length; continue next; }
            }
            out += text[at++];
          }
          return out;
        })));
    """
    done = subprocess.run(
        ["node", "-e", script], input=json.dumps(cases), capture_output=True, text=True, check=True, timeout=60
    )

    theirs = json.loads(done.stdout)
    assert [c for c, a, b in zip(cases, ours, theirs, strict=True) if a != b] == []
