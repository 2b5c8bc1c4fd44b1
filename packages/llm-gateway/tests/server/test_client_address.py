import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.server.client_address import address_reader, parse_address, peer_of

PEER = "10.0.0.7"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1.2.3.4", "1.2.3.4"),
        (" 1.2.3.4:51234 ", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ('"[2001:db8::1]"', "2001:db8::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", None),
        ("_hidden", None),
        ("1.2.3", None),
        ("", None),
        ("1.2.3.4\r\nx: y", None),
    ],
)
def test_an_entry_is_an_address_with_its_port_cut_off_or_nothing(text, address):
    found = parse_address(text)
    assert (None if found is None else str(found)) == address


@pytest.mark.parametrize(
    ("trust", "headers", "address"),
    [
        (False, ["9.9.9.9"], None),
        (0, ["9.9.9.9"], None),
        (True, [], PEER),
        (True, ["9.9.9.9, 8.8.8.8"], "8.8.8.8"),
        (True, ["8.8.8.8:4711"], "8.8.8.8"),
        (True, ["9.9.9.9", "8.8.8.8"], "8.8.8.8"),
        (True, ["8.8.8.8, nonsense"], PEER),
        (True, [" , ,"], PEER),
        (2, ["9.9.9.9, 8.8.8.8, 10.0.0.6"], "8.8.8.8"),
        (2, ["8.8.8.8"], "8.8.8.8"),
        (["10.0.0.0/8"], ["9.9.9.9, 8.8.8.8, 10.0.0.6"], "8.8.8.8"),
        (["10.0.0.0/8"], ["10.1.1.1, 10.0.0.6"], "10.1.1.1"),
        (["10.0.0.0/8"], ["9.9.9.9, nonsense, 10.0.0.6"], "10.0.0.6"),
        (["192.168.0.0/16"], ["9.9.9.9"], PEER),
        (["::ffff:10.0.0.0/104"], ["9.9.9.9, 8.8.8.8, ::ffff:10.0.0.6"], "8.8.8.8"),
        (["2001:db8::/32"], ["9.9.9.9"], PEER),
    ],
)
def test_the_entry_of_the_outermost_trusted_proxy_is_the_client(trust, headers, address):
    read = address_reader(trust)
    assert (None if read is None else read(PEER, headers)) == address


@given(st.lists(st.text(max_size=40), max_size=5), st.sampled_from([True, 2, ["10.0.0.0/8"]]))
def test_whatever_a_client_writes_in_front_changes_nothing(written, trust):
    read = address_reader(trust)
    honest = ["8.8.8.8, 10.0.0.6"] if trust == 2 or isinstance(trust, list) else ["8.8.8.8"]

    assert read(PEER, [*written, *honest]) == "8.8.8.8"


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("::ffff:", "::ffff:"),
        ("testclient", "testclient"),
        (None, None),
    ],
)
def test_a_connection_of_ipv4_has_an_address_of_ipv4(host, peer):
    assert peer_of(host) == peer
