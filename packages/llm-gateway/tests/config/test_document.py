import pytest

from llm_gateway.config.document import plain, read_document, show_path
from llm_gateway_sdk.errors import ConfigError


def test_every_value_knows_its_line():
    root = read_document("server:\n  host: a\n  port: 1\nmodels:\n  - name: x\n", "f.yaml")

    assert root.line_of(("server", "port")) == 3
    assert root.line_of(("models", 0, "name")) == 5


def test_a_place_that_is_not_written_has_the_line_of_what_is_around_it():
    root = read_document("a: 1\nmodels:\n  - name: x\n    provider: {}\n", "f.yaml")

    assert root.line_of(("models", 0, "provider", "type")) == 4
    assert root.line_of(("models", 0, "nothing")) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("0755", "0755"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("true", True),
        ("~", None),
        ("1e5", 1e5),
        ("0x1F", 31),
        ("-7", -7),
        ('"7"', "7"),
        ("!!str 7", "7"),
    ],
)
def test_yaml_is_read_by_version_1_2(text, expected):
    assert plain(read_document(f"key: {text}", "f.yaml")) == {"key": expected}


def test_a_key_named_on_stays_a_word():
    assert plain(read_document("on: [a]\nno: 1\n7: x", "f.yaml")) == {"on": ["a"], "no": 1, "7": "x"}


def test_anchors_and_merges_work():
    text = "x-base: &base {type: echo, config: {a: 1}}\nb:\n  <<: *base\n  type: other\n"

    assert plain(read_document(text, "f.yaml"))["b"] == {"type": "other", "config": {"a": 1}}


def test_a_duplicate_key_is_a_problem_with_both_lines():
    with pytest.raises(ConfigError) as caught:
        read_document("a: 1\nb: 2\na: 3\n", "f.yaml")

    (problem,) = caught.value.problems
    assert problem.line == 3
    assert "'a' appears twice (first on line 1)" in problem.message


def test_a_duplicate_key_in_json_is_a_problem_too():
    with pytest.raises(ConfigError, match=r"f.json:2: the key 'a' appears twice"):
        read_document('{"a": 1,\n "a": 2}', "f.json")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a:\n\t- b", 2, "tabs"),
        ("a: [1, 2", 1, "the [ (column 4) is not closed"),
        ("a: 1\n---\nb: 2", 2, "not valid YAML"),
        ("a: !python/object:os.system x", 1, "tag"),
        ("- a", 1, "mapping"),
        ("just text", 1, "mapping"),
        ('{"a": 1,}', 1, "key"),
        ('{"a": 1\n "b": 2}', 2, "','"),
        ('{"a": NaN}', 1, "not valid JSON"),
        ('{"a": 1} x', 1, "nothing may follow"),
        ("a: &x [*x]", 1, "alias"),
    ],
)
def test_what_can_not_be_read_is_reported_with_its_line(text, line, words):
    with pytest.raises(ConfigError) as caught:
        read_document(text, "f")

    assert caught.value.problems[0].line == line
    assert words in str(caught.value)


def test_text_that_begins_with_a_brace_is_json():
    root = read_document('\n {"a": "\\ud83d\\ude00", "b": 1e5, "c": [true, null],\n\t"d": {}}', "f")

    assert plain(root) == {"a": "😀", "b": 1e5, "c": [True, None], "d": {}}
    assert root.line_of(("d",)) == 3


def test_an_empty_text_is_an_empty_configuration():
    assert plain(read_document("# nothing\n", "f.yaml")) == {}


def test_aliases_that_multiply_are_bounded():
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)
    )
    with pytest.raises(ConfigError, match="more than"):
        read_document(text, "f.yaml")


def test_paths_are_shown_as_people_write_them():
    assert show_path(("projects", 1, "plugins", 0, "config", "a b")) == 'projects[1].plugins[0].config["a b"]'
