"""No field of a reply is lost in silence, whichever API it comes from and goes to.

Every field of the vendors' own reply types is set once, with all that it needs around it, and written for a client of
every other dialect, whole and as a stream: it changes what the client gets, or a loss names it or what holds it.
"""

from __future__ import annotations

import collections

import pytest
from field_crossing import SENDERS
from reply_crossing import (
    NO_LOSS_OF_REPLIES,
    NO_LOSS_OF_REPLIES_TO,
    is_own_path,
    reply_fields_of,
    reply_losses,
    reply_outcome,
)

for _sdk in ("openai", "anthropic", "google.genai", "botocore"):
    pytest.importorskip(_sdk)

PAIRS = [(sender, receiver) for sender in SENDERS for receiver in SENDERS if sender != receiver]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("sender", "receiver"), PAIRS, ids=[f"{a} to {b}" for a, b in PAIRS])
def test_each_field_of_a_reply_arrives_or_is_reported(sender: str, receiver: str, *, stream: bool) -> None:
    lost, counts = [], collections.Counter[str]()
    for field in reply_fields_of(sender):
        if (field.path, receiver) in NO_LOSS_OF_REPLIES_TO:
            continue
        found = reply_outcome(sender, receiver, field, stream=stream)
        counts[found] += 1
        if found == "lost":
            lost.append(field.path)

    assert not lost
    assert counts["kept"] >= 4
    assert counts["unread"] <= 8, "errors, which are no replies"


@pytest.mark.parametrize(("sender", "receiver"), PAIRS, ids=[f"{a} to {b}" for a, b in PAIRS])
def test_losses_of_a_reply_are_named_as_its_provider_names_them(sender: str, receiver: str) -> None:
    paths = {loss.path for field in reply_fields_of(sender) for loss in reply_losses(sender, receiver, field)}

    assert {path for path in paths if not is_own_path(sender, path)} == set()


def test_exceptions_are_fields_that_there_are() -> None:
    paths = {field.path for sender in SENDERS for field in reply_fields_of(sender, exceptions=True)}

    assert NO_LOSS_OF_REPLIES.keys() <= paths
    assert {path for path, _ in NO_LOSS_OF_REPLIES_TO} <= paths
