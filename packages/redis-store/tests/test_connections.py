"""URLs of Redis: what each form means, what is refused, and that no message shows a password."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_redis_store.connections import decode_url, make_client, make_subscriber
from redis.asyncio import Redis, RedisCluster, SSLConnection
from redis.asyncio.sentinel import SentinelConnectionPool


@pytest.mark.parametrize(
    ("url", "hosts", "database", "service", "tls"),
    [
        ("redis://cache", (("cache", 6379),), 0, "", False),
        ("redis://cache:7000/3", (("cache", 7000),), 3, "", False),
        ("rediss://cache/", (("cache", 6379),), 0, "", True),
        ("redis://[::1]:7000", (("::1", 7000),), 0, "", False),
        ("redis://[::1]", (("::1", 6379),), 0, "", False),
        ("redis+cluster://a:1,b", (("a", 1), ("b", 6379)), 0, "", False),
        ("redis+sentinel://a,b:2/mymaster", (("a", 26379), ("b", 2)), 0, "mymaster", False),
        ("redis+sentinel://a/my%2Fmaster/5", (("a", 26379),), 5, "my/master", False),
    ],
)
def test_the_forms_of_an_address(url: str, hosts: Any, database: int, service: str, tls: bool) -> None:
    address = decode_url(url, {})

    assert (address.hosts, address.database, address.service, address.tls) == (hosts, database, service, tls)


def test_credentials_are_unquoted_and_not_shown() -> None:
    address = decode_url("redis://user%40a:p%40ss%3Aword@cache", {})

    assert (address.username, address.password) == ("user@a", "p@ss:word")
    assert "p@ss" not in repr(address)


def test_a_password_alone_has_no_user() -> None:
    address = decode_url("redis://:secret@cache", {})

    assert (address.username, address.password) == (None, "secret")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://", "expected the address of a server"),
        ("redis://:s3cret@", "expected the address of a server"),
        ("redis://:s3cret@a,b", "redis\\+cluster"),
        ("redis://:s3cret@a:0", "host and a port"),
        ("redis://:s3cret@a:70000", "host and a port"),
        ("redis://:s3cret@a:x", "host and a port"),
        ("redis://:s3cret@a/one", 'found "one"'),
        ("redis://:s3cret@a/1/2", 'found "1/2"'),
        ("redis://:s3cret@a/²", "number of a database"),
        ("redis+cluster://:s3cret@a/1", "no numbered databases"),
        ("redis+sentinel://:s3cret@a", "name of the master"),
        ("redis://:s3cret@a?password=s3cret&db=1", "found password, db"),
        ("redis://:s3cret@a#s3cret", "found a fragment"),
    ],
)
def test_what_can_not_be_used_is_refused_without_the_password(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        decode_url(url, {})

    assert "s3cret" not in str(refused.value)


def test_settings_of_tls_apply_only_with_tls() -> None:
    config = {"caFile": "ca.pem", "certFile": "c.pem", "keyFile": "k.pem"}
    secure = make_client(decode_url("rediss://a", config), deadline=1, connections=2)
    plain = make_client(decode_url("redis://a", config), deadline=1, connections=2)

    assert secure.connection_pool.connection_class is SSLConnection
    assert secure.connection_pool.connection_kwargs["ssl_ca_certs"] == "ca.pem"
    assert "ssl_ca_certs" not in plain.connection_pool.connection_kwargs
    assert decode_url("redis://a", {"tls": True}).tls


def test_one_server_has_a_pool_in_which_callers_wait() -> None:
    client = make_client(decode_url("redis://u:p@a:7/3", {}), deadline=1.5, connections=4)

    pool = client.connection_pool
    assert isinstance(client, Redis)
    assert (pool.max_connections, pool.timeout) == (4, 1.5)
    assert {name: pool.connection_kwargs[name] for name in ("host", "port", "db", "username", "password")} == {
        "host": "a", "port": 7, "db": 3, "username": "u", "password": "p",
    }  # fmt: skip
    assert make_subscriber(decode_url("redis://a", {}), client) is client


def test_sentinels_are_asked_for_the_master() -> None:
    client = make_client(decode_url("redis+sentinel://a,b/mymaster/2", {}), deadline=1, connections=4)

    assert isinstance(client.connection_pool, SentinelConnectionPool)
    assert client.connection_pool.service_name == "mymaster"
    assert client.connection_pool.connection_kwargs["db"] == 2


def test_a_cluster_is_entered_by_any_of_its_nodes() -> None:
    client = make_client(decode_url("redis+cluster://a:1,b:2", {}), deadline=1, connections=4)

    assert isinstance(client, RedisCluster)
    assert {(node.host, node.port) for node in client.nodes_manager.startup_nodes.values()} == {("a", 1), ("b", 2)}
