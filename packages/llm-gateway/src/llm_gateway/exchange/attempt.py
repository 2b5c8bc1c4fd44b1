"""What belongs to one attempt: made for it, and dropped with it.

Nothing of a failed attempt can reach a later reply, for a reply is written from one attempt's object alone.
"""

from __future__ import annotations

from llm_gateway_sdk import Attempt, Dialect, LLMResponse, StreamEncoder, Usage
from llm_gateway_sdk.dialects.field_names import FieldNames

from ..models import ModelTarget
from .detached import KeptBudget
from .kept_reply import KeptReply

__all__ = ["HeaderPairs", "LiveAttempt"]

HeaderPairs = list[tuple[str, str]]
"""Names in lower case."""

_NO_HEADERS: HeaderPairs = []


class LiveAttempt:
    # What most attempts never change is of the class: an object with thirty attributes takes its time to be made.
    dialect: Dialect | None = None
    """The provider's."""
    field_names: FieldNames | None = None
    """What the provider calls the fields of its reply, by which losses name them."""
    same_dialect = False
    """The provider answers in the client's dialect."""
    headers = _NO_HEADERS
    """Of the provider's reply."""
    reply_name: str | None = None
    """The model's name for the reply; None leaves the provider's."""
    content_type = ""
    """Of the provider's reply."""
    is_heavy = False
    """Work on the whole reply is done aside."""
    losses: str | None = None
    """What the request's translation lost, for a header."""
    expires = 0.0
    """When the attempt as a whole has to be over, in the loop's time."""
    idle = 0.0
    """Seconds that its stream may be silent."""
    # What was sent of it.
    writer: StreamEncoder | None = None
    """The encoder of what has been sent, which alone can say how it fails."""
    begins_with = b""
    ends_with = b""
    """The first and the last events of a stream that is forwarded as it comes."""
    # What was used.
    sent = False
    """The request went out to the provider."""
    given_up = False
    """It went out, and a time limit passed before the provider answered."""
    reported: Usage | None = None
    """What the provider has reported so far."""
    partial: LLMResponse | None = None
    """What came of a reply that is decoded on its way; of a heavy one the context has it."""
    sent_bytes = 0
    """Of a stream that is forwarded as it comes."""
    settled = False
    """The ledger has the usage of all of the reply."""
    # What is retained of the reply for those who look at it afterwards.
    retained_bytes = 0
    truncated = False
    kept: KeptReply | None = None

    def __init__(self, target: ModelTarget, model: str, entry: Attempt, budget: KeptBudget) -> None:
        self.target = target
        self.model = model
        """The provider's name of the model."""
        self.entry = entry
        """The attempt's line in the ledger."""
        self.budget = budget
        self.retained: list[bytes] = []

    def retain(self, data: bytes) -> None:
        """Keeps a piece of the reply, within the budget: beyond it the reply is retained in part."""
        budget, size = self.budget, len(data)
        if self.truncated or self.retained_bytes + size > budget.per_reply or not budget.take(size):
            self.truncated = True
            return
        self.retained_bytes += size
        self.retained.append(data)

    def release(self) -> None:
        """Gives back what was retained."""
        if self.retained_bytes:
            self.budget.give_back(self.retained_bytes)
            self.retained_bytes = 0
        self.retained = []
