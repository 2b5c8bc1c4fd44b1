import shutil
import ssl

import pytest

from llm_gateway.providers.transport.settings import TransportSettings
from llm_gateway.providers.transport.tls import TlsContext
from llm_gateway_sdk.errors import ModelConnectionError


@pytest.fixture
def ca_file(certificates, tmp_path):
    return shutil.copy(certificates.ca_file, tmp_path / "ca.pem")


def test_the_context_is_kept_while_the_files_are_the_same(ca_file):
    tls = TlsContext(TransportSettings(ca_file=str(ca_file)))
    assert tls.current() is tls.current()


def test_a_renewed_file_is_used_by_the_next_connection(ca_file):
    tls = TlsContext(TransportSettings(ca_file=str(ca_file)))
    before = tls.current()
    text = ca_file.read_text()
    ca_file.write_text(text + "\n")
    after = tls.current()
    assert isinstance(after, ssl.SSLContext)
    assert after is not before


@pytest.mark.parametrize("damage", ["", "not PEM", None])
def test_a_file_that_can_not_be_used_leaves_the_former_context(ca_file, damage):
    tls = TlsContext(TransportSettings(ca_file=str(ca_file)))
    before = tls.current()
    if damage is None:
        ca_file.unlink()
    else:
        ca_file.write_text(damage)
    assert tls.current() is before


@pytest.mark.parametrize("settings", [{"ca_file": "/nowhere.pem"}, {"client_cert": "/nowhere.pem"}])
def test_files_that_never_could_be_used_are_an_error_of_the_connection(settings):
    with pytest.raises(ModelConnectionError, match="as it is configured"):
        TlsContext(TransportSettings(**settings)).current()
