"""Subjects are written many to a document, and each is found again, no matter which worker has written it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from limits_case import Services
from llm_gateway_limits.plans import Term
from llm_gateway_limits.records import Records
from llm_gateway_limits.rules import compile_rules
from llm_gateway_limits.subjects import SUBJECTS, document_of, known_subjects, subject_key

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import Store

(RULE,) = compile_rules([{"name": "day", "per": ["key"], "tokens": 1000, "window": {"calendar": "day"}}])


def records(store: Store, *keys: str) -> Records:
    made = Records(Services(store), 100)
    for key in keys:
        subject = (("key", key),)
        blank = RULE.entry(subject, 0, 0.0)
        assert blank is not None
        made.remember(Term(RULE, subject, blank, lambda usage: 0))
    return made


def names(*keys: str) -> set[str]:
    return {subject_key(RULE, (("key", key),)) for key in keys}


def test_many_subjects_are_one_change_of_the_store() -> None:
    async def main() -> None:
        store = MemoryStore()
        keys = [f"keys:{number}" for number in range(600)]
        await records(store, *keys).flush()

        assert await store.epoch() <= 3
        assert await known_subjects(store) == names(*keys)

    asyncio.run(main())


def test_what_another_worker_has_written_is_not_written_again() -> None:
    async def main() -> None:
        store = MemoryStore()
        await records(store, "a", "b").flush()
        before = await store.epoch()
        await records(store, "b", "a").flush()

        assert await store.epoch() == before

    asyncio.run(main())


def test_two_workers_that_meet_the_same_subjects_at_once_lose_none() -> None:
    async def main() -> None:
        store = MemoryStore()
        one, other = records(store, "a", "b", "c"), records(store)
        await other.flush()
        # The other one believes that it knows what is written.
        other._written = set()
        await one.flush()
        for each in ("a", "b", "d"):
            (found,) = records(store, each)._new_subjects
            other._new_subjects.append(found)
        await other.flush()

        assert await known_subjects(store) == names("a", "b", "c", "d")

    asyncio.run(main())


def test_a_document_of_one_subject_has_no_value() -> None:
    assert document_of([f"{SUBJECTS}|||key=a|"]) == (f"{SUBJECTS}|||key=a|", b"")
