from __future__ import annotations

import hashlib

import pytest

from llm_gateway_sdk.wire.digests import text_digest
from llm_gateway_sdk.wire.pieces import PIECE_BYTES


@pytest.mark.parametrize("text", ["", "ann", "語😀", "\ud83d", "語" * (PIECE_BYTES + 1)])
def test_a_digest_is_that_of_the_whole_text(text: str) -> None:
    written = text.encode("utf-8", "surrogatepass")

    assert text_digest(text) == hashlib.sha256(written).hexdigest()
    assert text_digest("a", text) == hashlib.sha256(b"a\0" + written).hexdigest()


def test_where_one_text_ends_counts() -> None:
    assert text_digest("ab", "c") != text_digest("a", "bc")
