import errno
import socket

import pytest

from llm_gateway.server.listening import open_listeners


def connect(host, port):
    socket.create_connection((host, port), 2).close()


@pytest.fixture
def opened():
    found = []

    def start(host, port=0):
        found.extend(open_listeners(host, port))
        return found

    yield start
    for listener in found:
        listener.close()


def test_an_address_is_one_listener(opened):
    (listener,) = opened("127.0.0.1")

    connect("127.0.0.1", listener.getsockname()[1])


@pytest.mark.skipif(not socket.has_ipv6, reason="the machine has no IPv6")
def test_all_addresses_of_ipv6_take_ipv4_too(opened):
    (listener,) = opened("::")

    connect("127.0.0.1", listener.getsockname()[1])
    connect("::1", listener.getsockname()[1])


def test_the_addresses_of_a_name_share_a_port(opened):
    assert len({listener.getsockname()[1] for listener in opened("localhost")}) == 1


def test_a_port_in_use_is_an_error_and_leaves_nothing_open(opened):
    (listener,) = opened("127.0.0.1")

    with pytest.raises(OSError) as caught:
        open_listeners("127.0.0.1", listener.getsockname()[1])
    assert caught.value.errno == errno.EADDRINUSE
