"""Each kind of Google's credentials against a stand-in of its token endpoint."""

import asyncio

import pytest
from llm_gateway_vertex.google import GoogleCredential, project_of

from llm_gateway_sdk.credential_kinds import make_credential
from llm_gateway_sdk.errors import ConfigError


def fetched(**config):
    credential = make_credential({"type": "google", **config}, "")
    return asyncio.run(credential.fetch())


def test_a_service_accounts_key(cloud, tmp_path):
    file = cloud.service_account(tmp_path)

    token = fetched(credentialsFile=str(file))

    assert (token.value, token.expires is not None) == ("ya29.account-0", True)
    assert fetched(credentialsJson=file.read_text()).value == "ya29.account-1"
    assert project_of({"credentialsFile": str(file)}) == "of-the-key"


def test_workload_identity_federation(cloud, tmp_path):
    assert fetched(credentialsFile=str(cloud.workload_identity(tmp_path))).value == "ya29.federation-0"


def test_the_metadata_server_of_the_machine(cloud, monkeypatch):
    for name in ("GCE_METADATA_HOST", "GCE_METADATA_IP"):
        monkeypatch.setenv(name, cloud.host)

    assert fetched().value == "ya29.metadata-0"


def test_the_usual_variable(cloud, tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(cloud.service_account(tmp_path)))

    assert fetched().value == "ya29.account-0"


def test_a_refusal_is_reported_without_the_reply(cloud, tmp_path):
    cloud.refuses = True
    with pytest.raises(ValueError, match="invalid_grant"):
        fetched(credentialsFile=str(cloud.service_account(tmp_path)))


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"credentialsFile": "/none.json"}, "auth.credentialsFile"),
        ({"credentialsJson": "{"}, "auth.credentialsJson"),
        ({"credentialsJson": "[]"}, "auth.credentialsJson"),
        ({"credentialsJson": '{"type": "service_account", "private_key": "secret-key"}'}, "auth.credentialsJson"),
        ({"other": 1}, "auth.other"),
        ({"scopes": "x"}, "auth.scopes"),
    ],
)  # fmt: skip
def test_what_can_not_work_is_found_before_a_call(config, path):
    with pytest.raises(ConfigError) as refused:
        make_credential({"type": GoogleCredential.name, **config}, "")
    assert [problem.path for problem in refused.value.problems] == [path]
    assert "secret-key" not in str(refused.value)
