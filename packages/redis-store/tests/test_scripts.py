"""The scripts: known to a server by the digest that the client sends, one node's keys, and only calls that it has."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest
from llm_gateway_redis_store import scripts
from llm_gateway_redis_store.scripts import Script
from llm_gateway_redis_store.testing import Server, server_program

ALL = {name: getattr(scripts, name) for name in scripts.__all__ if isinstance(getattr(scripts, name), Script)}
needs_server = pytest.mark.skipif(server_program() is None, reason="redis-server is not installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("scripts"))
    server.start()
    yield server
    server.kill()


@needs_server
@pytest.mark.parametrize("name", ALL)
def test_a_server_compiles_it_and_knows_it_by_its_digest(server: Server, name: str) -> None:
    found = server.command("SCRIPT", "LOAD", ALL[name].text)

    assert found in (ALL[name].sha, ALL[name].sha.encode())
    assert ALL[name].sha == hashlib.sha1(ALL[name].text.encode()).hexdigest()


@pytest.mark.parametrize("name", ALL)
def test_keys_are_named_below_the_hash_tag_that_the_caller_gives(name: str) -> None:
    literals = re.findall(r"redis\.call\('\w+', '([^']*)'", ALL[name].text)

    assert literals == [], "a key that is not below `base` may be on another node"


@pytest.mark.parametrize("name", ALL)
def test_no_call_reads_at_random(name: str) -> None:
    """What a script reads must not depend on the order in which a server keeps its members."""
    commands = set(re.findall(r"redis\.call\('(\w+)'", ALL[name].text))

    assert commands.isdisjoint({"KEYS", "SCAN", "RANDOMKEY", "SRANDMEMBER", "SPOP", "SMEMBERS", "HGETALL"}), commands


def test_each_script_is_another() -> None:
    assert len({script.sha for script in ALL.values()}) == len(ALL) == 5
