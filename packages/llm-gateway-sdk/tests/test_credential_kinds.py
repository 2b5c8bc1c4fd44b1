import pytest

from llm_gateway_sdk.credential_kinds import find_kind, make_credential
from llm_gateway_sdk.errors import ConfigError


def test_an_unknown_kind_is_named_with_those_that_are_installed():
    with pytest.raises(ConfigError, match=r"'kerberos' \(known: .*oauth"):
        find_kind("kerberos")


def test_all_that_is_wrong_is_found_at_once():
    with pytest.raises(ConfigError) as refused:
        make_credential({"type": "oauth", "tokenUrl": 5, "clientId": "c", "clientAuth": "magic", "more": 1}, "")

    assert {problem.path for problem in refused.value.problems} == {
        "auth.tokenUrl", "auth.clientSecret", "auth.clientAuth", "auth.more",
    }  # fmt: skip
