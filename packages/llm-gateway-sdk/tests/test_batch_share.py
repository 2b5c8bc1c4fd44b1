"""What a batch may use, as it is kept."""

from __future__ import annotations

from llm_gateway_sdk.batch_share import BatchShare
from llm_gateway_sdk.wire import json


def test_it_survives_the_store() -> None:
    share = BatchShare("chat", "gpt-x", ("chat", "alias"), 3, 100, 50, 1)

    written = json.loads(json.dumps(share.to_json()))

    assert BatchShare.of_json(written) == share
    share.add(0, 10, 5)
    share.add(200, 300, None)
    assert (share.lines, share.input_tokens, share.output_tokens, share.unbounded) == (5, 410, 55, 2)
    assert BatchShare.of_json(json.loads(json.dumps(share.to_json()))) == share
    written = json.loads(json.dumps(share.to_json()))
    assert BatchShare.of_json({**written, "from_a_later_version": 1}) == share
