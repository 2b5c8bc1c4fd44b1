"""Paths of Bedrock's runtime: ids hold colons, ARNs slashes too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_bedrock.paths import CONVERSE, CONVERSE_STREAM, INVOKE, INVOKE_STREAM, build_path, split_path

OPERATIONS = [CONVERSE, CONVERSE_STREAM, INVOKE, INVOKE_STREAM, "count-tokens"]


@given(st.text(min_size=1), st.sampled_from(OPERATIONS))
def test_any_model_comes_back_from_its_path(model: str, operation: str) -> None:
    try:
        model.encode()
    except UnicodeEncodeError:
        return  # a lone surrogate is not text
    assert split_path(build_path(model, operation)) == (model, operation)


def test_an_arn_is_one_segment() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0"

    assert build_path(arn, CONVERSE).count("/") == 3
    assert split_path(f"/model/{arn}/converse") == (arn, CONVERSE)


@pytest.mark.parametrize(
    "path", ["", "/", "/model/", "/model/m", "/model//converse", "/models/m/converse", "/model/m/"]
)
def test_other_paths_have_no_model(path: str) -> None:
    assert split_path(path) == (None, "")
