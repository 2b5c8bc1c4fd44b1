"""Files by id go only to the provider that issued the id."""

from __future__ import annotations

import pytest

from llm_gateway_sdk import DialectError, MediaPart, Message, TextPart, ToolResultPart
from llm_gateway_sdk.dialects.files import refuse_foreign_files


def test_a_file_by_its_id_is_refused_with_its_place() -> None:
    with pytest.raises(DialectError, match="file-123") as caught:
        refuse_foreign_files([Message("user", [TextPart("sum up"), MediaPart("document", file_id="file-123")])])
    assert caught.value.path == "messages[0].content[1]"


def test_a_file_within_a_result_is_refused() -> None:
    with pytest.raises(DialectError):
        refuse_foreign_files([Message("tool", [ToolResultPart("call_1", [MediaPart("image", file_id="file-1")])])])


def test_content_and_addresses_go_to_everybody() -> None:
    refuse_foreign_files([Message("user", [MediaPart("image", url="https://a.example/x.png"), MediaPart(text="text")])])
