"""Makes clients of one server, of sentinels and of a cluster from URLs. Connects to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, SSLConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

__all__ = ["Address", "close_client", "decode_url", "make_client", "make_subscriber"]

_TLS_FILES = {"caFile": "ssl_ca_certs", "certFile": "ssl_certfile", "keyFile": "ssl_keyfile"}


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a URL."""

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    username: str | None
    password: str | None = field(repr=False)
    database: int = 0
    service: str = ""
    """The name of the master that sentinels watch."""
    tls: bool = False
    tls_options: Mapping[str, Any] = field(default_factory=dict)


def decode_url(url: str, config: Mapping[str, Any]) -> Address:
    """The parts of the URL. Raises ValueError without showing it, for it may hold a password."""
    parts = urlsplit(url)
    scheme, place = parts.scheme, parts.netloc.rpartition("@")[2]
    default_port = 26379 if scheme == "redis+sentinel" else 6379
    hosts = tuple(_host(each, default_port) for each in place.split(",") if each)
    if not hosts:
        raise ValueError(f'expected the address of a server, such as "{scheme}://host:{default_port}"')
    if len(hosts) > 1 and scheme in ("redis", "rediss"):
        raise ValueError('several servers need the scheme "redis+cluster" or "redis+sentinel"')
    credentials = parts.netloc.rpartition("@")[0]
    username, _, password = credentials.partition(":")
    path = [unquote(each) for each in parts.path.split("/") if each]
    service = ""
    if scheme == "redis+sentinel":
        if not path:
            raise ValueError('expected the name of the master: "redis+sentinel://host:26379,host2:26379/mymaster"')
        service = path.pop(0)
    if scheme == "redis+cluster" and path:
        raise ValueError("a cluster has no numbered databases: leave out the path")
    if len(path) > 1 or (path and not path[0].isdecimal()):
        raise ValueError(f'expected the number of a database after the address, found "{"/".join(path)}"')
    if parts.query or parts.fragment:
        names = ", ".join(name for name, _ in parse_qsl(parts.query, keep_blank_values=True)) or "a fragment"
        raise ValueError(f"settings go into `config`, not into the URL (found {names})")
    tls_options = {name: config[key] for key, name in _TLS_FILES.items() if key in config}
    return Address(
        scheme,
        hosts,
        unquote(username) or None,
        unquote(password) or None,
        int(path[0]) if path else 0,
        service,
        scheme == "rediss" or bool(config.get("tls", False)),
        tls_options,
    )


def _host(written: str, default_port: int) -> tuple[str, int]:
    host, colon, port = written.rpartition(":")
    if not colon or written.endswith("]"):
        host, port = written, str(default_port)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("expected a host and a port such as redis.example.com:6379")
    return host, int(port)


def make_client(address: Address, *, deadline: float, connections: int) -> Any:
    """The client for commands. A call is sent again once where its connection turned out to be closed; all scripts of
    the store allow for that."""
    retry = Retry(NoBackoff(), 1)
    shared: dict[str, Any] = {"username": address.username, "password": address.password}
    if address.scheme == "redis+cluster":
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        tls = {"ssl": True, **address.tls_options} if address.tls else {}
        # A node that runs out of connections raises instead of waiting; the guard lets fewer calls through.
        return RedisCluster(startup_nodes=nodes, max_connections=2 * connections, **shared, **tls)
    tls = dict(address.tls_options) if address.tls else {}
    if address.scheme == "redis+sentinel":
        sentinel_tls = {"ssl": True, **tls} if address.tls else {}
        sentinel = Sentinel(list(address.hosts), **sentinel_tls)  # type: ignore[no-untyped-call]
        return sentinel.master_for(address.service, db=address.database, retry=retry, **shared, **sentinel_tls)
    host, port = address.hosts[0]
    pool_tls: dict[str, Any] = {"connection_class": SSLConnection, **tls} if address.tls else {}
    pool = BlockingConnectionPool(
        max_connections=connections, timeout=deadline, host=host, port=port, db=address.database, retry=retry,
        **shared, **pool_tls,
    )  # fmt: skip
    return Redis.from_pool(pool)


async def close_client(client: Any) -> None:
    """Ends the client's connections, and those to the sentinels that it asks, which it leaves open itself."""
    await client.aclose()
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    for sentinel in getattr(manager, "sentinels", ()):
        await sentinel.aclose()


def make_subscriber(address: Address, client: Any) -> Any:
    """A client that can subscribe: the same one, or of a cluster one of any node, for messages reach them all."""
    if address.scheme != "redis+cluster":
        return client
    node = client.get_default_node()
    tls = {"ssl": True, **address.tls_options} if address.tls else {}
    return Redis(host=node.host, port=node.port, username=address.username, password=address.password, **tls)
