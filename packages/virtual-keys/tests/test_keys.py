from __future__ import annotations

import string

import pytest
from llm_gateway_virtual_keys.keys import KeyRecord, digest_of, new_key, parse_key


def test_a_new_key_has_its_id_in_it() -> None:
    key_id, key = new_key()

    assert key.startswith(f"gw_{key_id}_")
    assert parse_key(key) == key_id
    assert new_key()[1] != key


def test_any_other_letter_anywhere_is_noticed_without_a_look_up() -> None:
    _, key = new_key()
    for place in range(len(key)):
        for other in (string.ascii_letters + string.digits)[::7]:
            if other != key[place]:
                assert parse_key(key[:place] + other + key[place + 1 :]) is None


@pytest.mark.parametrize("text", ["", "gw_", "gw_a_b", "sk-123", "gw_" + "a" * 12 + "_" + "b" * 33, "x" * 10_000])
def test_what_is_not_a_key_has_no_id(text: str) -> None:
    assert parse_key(text) is None


@pytest.mark.parametrize("pepper", [b"", b"a pepper of some length"])
def test_a_record_matches_its_key_alone_and_its_former_one_for_a_while(pepper: bytes) -> None:
    key_id, key = new_key()
    _, former = new_key(key_id)
    record = KeyRecord(
        id=key_id, name="n", digest=digest_of(key, pepper), former_digest=digest_of(former, pepper), former_until=100.0
    )

    assert record.matches(key, pepper, 99.0)
    assert record.matches(former, pepper, 99.0)
    assert not record.matches(former, pepper, 100.0)
    assert not record.matches(new_key(key_id)[1], pepper, 99.0)
    assert not KeyRecord(id="x", name="n", digest=digest_of(key, b"one pepper")).matches(key, b"another pepper", 0)


def test_a_record_survives_the_store_and_its_public_form_has_no_hash() -> None:
    record = KeyRecord(id="i", name="n", digest="s:abc", models=("a*",), labels={"env": "prod"}, expires=5.0)

    assert KeyRecord.decode(record.encode()) == record
    assert KeyRecord.decode(record.encode()[:-1] + b',"later":1}') == record
    assert "abc" not in str(record.public())
    assert record.usable(4.9)
    assert not record.usable(5.0)
