from __future__ import annotations

import pytest

from llm_gateway_sdk.wire.model_names import models_named, names_two_in_pieces, spellings


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"{}", (0, False)),
        (b'{"model":"a"}', (1, True)),
        (b'{"model":"a","MODEL":"b"}', (2, True)),
        (b'{"Model":"b"}', (1, False)),
        (b'{"model":"a","x":{"model":"b"}}', (1, True)),
        (b'{"model":"a","mod\\u0065l":"b"}', (2, True)),
        (b'{"x":"\\ud83d","model":"a","MODEL":"b"}', (2, True)),
        (b"[1]", (0, False)),
        (b"{", (0, False)),
    ],
)
def test_members_named_model_are_counted(data: bytes, found: tuple[int, bool]) -> None:
    assert models_named(data) == found


def test_two_may_be_in_different_pieces() -> None:
    assert names_two_in_pieces(iter([b'{"model":"a"}', b'{"x":1}', b'{"model":"b"}']))
    assert names_two_in_pieces(iter([b'{"model":"a"}', b'{"MODEL":"b"}']))
    assert not names_two_in_pieces(iter([b'{"x":1}', b'{"model":"a"}']))


def test_the_name_itself_is_none_of_its_other_spellings() -> None:
    assert spellings("ab") == {"aB", "Ab", "AB"}
