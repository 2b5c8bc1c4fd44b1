"""Addresses."""

from __future__ import annotations

import pytest
from llm_gateway_gemini.paths import build_path, split_path, wants_sse, without_key


@pytest.mark.parametrize(
    ("path", "model", "method"),
    [
        ("/v1beta/models/gemini-3-pro:generateContent", "gemini-3-pro", "generateContent"),
        ("/models/a:0:countTokens", "a:0", "countTokens"),
        ("/v1beta/models/my%20model:streamGenerateContent", "my model", "streamGenerateContent"),
        ("/v1beta/tunedModels/x:generateContent", "tunedModels/x", "generateContent"),
        ("/v1beta/models", None, ""),
        ("/v1beta/models/x", None, ""),
    ],
)
def test_model_and_method_are_found(path: str, model: str | None, method: str) -> None:
    assert split_path(path) == (model, method)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-3-pro", "/models/gemini-3-pro:generateContent"),
        ("models/gemini-3-pro", "/models/gemini-3-pro:generateContent"),
        ("tunedModels/x", "/tunedModels/x:generateContent"),
        ("vendor/x y", "/models/vendor/x%20y:generateContent"),
    ],
)
def test_a_path_is_built(model: str, path: str) -> None:
    assert build_path(model, "generateContent") == path


def test_the_query_reports_the_form_of_a_stream_and_gives_no_key_away() -> None:
    assert wants_sse("alt=sse")
    assert not wants_sse("key=alt=sses")
    assert without_key("alt=sse&key=secret") == "alt=sse"
    assert without_key("$alt=json") == "$alt=json"
