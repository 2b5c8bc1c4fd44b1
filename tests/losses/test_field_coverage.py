"""No field of a request is lost in silence, whichever API it comes from and goes to.

Every field of the vendors' own request types is set once, with all that it needs around it, and sent to every other
dialect: it changes what the provider gets, or is reported, or the request is refused.
"""

from __future__ import annotations

import collections

import pytest
from field_crossing import NO_LOSS, NO_LOSS_TO, SENDERS, fields_of, outcome

for _sdk in ("openai", "anthropic", "google.genai", "botocore"):
    pytest.importorskip(_sdk)

PAIRS = [(sender, receiver) for sender in SENDERS for receiver in SENDERS if sender != receiver]


@pytest.mark.parametrize(("sender", "receiver"), PAIRS, ids=[f"{a} to {b}" for a, b in PAIRS])
def test_each_field_arrives_or_is_reported(sender: str, receiver: str) -> None:
    lost, counts = [], collections.Counter[str]()
    for field in fields_of(sender):
        if (field.path, receiver) in NO_LOSS_TO:
            continue
        found = outcome(sender, receiver, field)
        counts[found] += 1
        if found == "lost":
            lost.append(field.path)

    assert not lost
    assert counts["kept"] >= 10
    assert counts["unread"] <= counts.total() / 5, "most requests have to be readable, or nothing is tested"


@pytest.mark.parametrize("sender", SENDERS)
def test_there_are_fields_of_every_type(sender: str) -> None:
    assert len({field.path for field in fields_of(sender)}) >= 45


def test_exceptions_are_fields_that_there_are() -> None:
    paths = set()
    for sender in SENDERS:
        paths |= {field.path for field in fields_of(sender, exceptions=True)}

    assert NO_LOSS.keys() <= paths
    assert {path for path, _ in NO_LOSS_TO} <= paths
