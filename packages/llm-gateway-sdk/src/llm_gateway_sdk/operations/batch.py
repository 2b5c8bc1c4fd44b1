"""Batches at a provider: how its API takes them, shows them and gives their results, as pure functions over bytes.

    lines ──submission──▶ calls of the provider ──▶ id
    id ──status_request──▶ reply ──decode_status──▶ BatchStatus ──results──▶ calls whose lines are decode_result's

A batch of the client's own vendor passes in the vendor's bytes; its API is asked for the status and the usage all the
same, for a batch that has ended is paid for whether or not its client ever looks.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from ..context import Operation
from ..dialect import WireRequest
from ..response import Usage
from .form import OperationForm

__all__ = ["FINAL", "BatchAPI", "BatchPhase", "BatchResult", "BatchStatus", "ResultKind"]

BatchPhase = Literal[
    "validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"
]
FINAL: frozenset[BatchPhase] = frozenset({"completed", "failed", "expired", "cancelled"})
"""After one of these a batch changes no more."""

ResultKind = Literal["succeeded", "errored", "cancelled", "expired"]


@dataclass(slots=True)
class BatchStatus:
    """A batch as its provider shows it. Times are seconds since the epoch."""

    id: str
    phase: BatchPhase
    created: int | None = None
    ended: int | None = None
    expires: int | None = None
    counts: dict[ResultKind, int] = field(default_factory=dict)
    """Lines that are done, by how they ended."""
    results: list[str] = field(default_factory=list)
    """Where the results are: paths relative to the provider's base URL, or other words of the API for `results`."""
    files: list[str] = field(default_factory=list)
    """The provider's ids of the files that belong to it: of its requests, and of its results."""
    usage: Usage | None = None
    """What all lines together have used, where the provider reports that."""
    problems: list[dict[str, Any]] = field(default_factory=list)
    """Why it failed as a whole: objects with `code`, `message` and possibly `line`."""

    @property
    def is_final(self) -> bool:
        return self.phase in FINAL


@dataclass(slots=True)
class BatchResult:
    """What became of one line."""

    custom_id: str
    kind: ResultKind
    status: int = 200
    """Of the provider's reply to it."""
    body: dict[str, Any] | None = None
    """The reply in the provider's dialect; of an error its body."""
    request_id: str = ""


class BatchAPI(OperationForm[None, None]):
    """The batches of one provider. Instances hold no state."""

    operation: ClassVar[Operation] = "batch"
    ids: ClassVar[re.Pattern[str]] = re.compile(r"(?s).{1,512}")
    """What a line may be called."""
    seconds: ClassVar[float] = 86_400.0
    """How long the provider works on a batch at most."""
    one_model: ClassVar[bool] = False
    """The lines of a batch name no model: all of them are for the batch's."""
    cancel_gives_status: ClassVar[bool] = True
    """A cancellation is answered with the batch as it is now; else the answer has no content."""

    @abstractmethod
    def status_request(self, id_: str) -> WireRequest: ...

    @abstractmethod
    def decode_status(self, body: bytes) -> BatchStatus:
        """Raises DialectError where it is not the reply of this API."""

    @abstractmethod
    def results_request(self, place: str) -> WireRequest:
        """The call for one of `BatchStatus.results`."""

    @abstractmethod
    def decode_result(self, line: bytes) -> BatchResult | None:
        """One line of results; None for an empty one. Raises DialectError."""

    @abstractmethod
    def cancel_request(self, id_: str) -> WireRequest: ...

    @abstractmethod
    def dialect_of(self, result: BatchResult) -> str:
        """The dialect in which the body of a result is written; empty for replies other than generated ones."""

    @abstractmethod
    def next_call(
        self, lines: Sequence[tuple[str, dict[str, Any]]], dialect: str, replies: Sequence[bytes], model: str = ""
    ) -> WireRequest | None:
        """The calls that hand in lines (`custom_id`, body in `dialect`), one after another: `replies` are those of the
        calls before. `model` is the provider's name of the model of the first line. None after the last one, whose
        reply is the batch's status. Raises DialectError where a reply is not what the API promises."""

    def undo_requests(self, replies: Sequence[bytes]) -> list[WireRequest]:
        """The calls that take back what the calls of `next_call` with these replies have left at the provider."""
        return []

    def delete_requests(self, status: BatchStatus) -> list[WireRequest]:
        """The calls that delete a batch which has ended, with its files."""
        return []

    def used_by(self, result: BatchResult) -> Usage | None:
        """What a line has used whose reply was not generated (an embedding); None where the reply reports that."""
        return None
