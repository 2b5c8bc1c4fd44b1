import pytest

from llm_gateway_sdk.secret_source import SecretUnavailable, member, split_reference


def test_a_reference_may_name_a_key():
    assert split_reference("a/b#key") == ("a/b", "key")
    assert split_reference(" a/b ") == ("a/b", None)
    assert split_reference("a#") == ("a", None)


def test_a_member_of_a_secret():
    assert member("text", None) == "text"
    assert member('{"a": "x", "b": 5, "c": [1]}', "a") == "x"
    assert member('{"b": 5}', "b") == "5"
    assert member('{"c": [1]}', "c") == "[1]"
    for text in ("plain sk-secret", "[1]", '{"other": "sk-secret"}'):
        with pytest.raises(SecretUnavailable) as failed:
            member(text, "key")
        assert "sk-secret" not in str(failed.value)
