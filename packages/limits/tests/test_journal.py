"""Settlements that wait for the store outlive the worker."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from llm_gateway_limits.journal import Journal, Settlement

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import Amount, Entry, StoreUnavailable, new_lease_id


class Away(MemoryStore):
    away = True

    async def settle(self, *args: Any, **options: Any) -> None:
        if self.away:
            raise StoreUnavailable("away")
        await super().settle(*args, **options)


def settled(store: MemoryStore) -> int:
    (state,) = asyncio.run(store.read([Entry("a", 0)]))
    return state.settled


def test_what_waits_is_sent_once_the_store_is_back(tmp_path: Path) -> None:
    store, journal = Away(), Journal(tmp_path)
    for _ in range(3):
        journal.add(Settlement(new_lease_id(), (Amount("a", 5),), note="req_1"))
    asyncio.run(journal.replay(store))
    assert (len(journal), settled(store)) == (3, 0)

    store.away = False
    asyncio.run(journal.replay(store))
    assert (len(journal), settled(store)) == (0, 15)
    notes = [event.event["note"] for event in asyncio.run(store.read_since("ledger"))]
    assert notes == ["req_1"] * 3, "the ledger has what the store knew nothing of"
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_a_settlement_is_read_as_it_was_written_also_by_an_older_version() -> None:
    written = Settlement(new_lease_id(), (Amount("a", 9, 5.0, 2, 3), Amount("b", 1)), reserved=False, note="req_1")

    assert Settlement.load(written.dump()) == written
    older = Settlement.load('["id", [["a", 9, 5.0]], true, ""]')
    assert older == Settlement("id", (Amount("a", 9, 5.0),))


def test_the_file_of_a_killed_worker_is_taken_over(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from llm_gateway_limits.journal import Journal, Settlement; from llm_gateway_sdk import Amount, new_lease_id\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "[journal.add(Settlement(new_lease_id(), (Amount('a', 7),))) for _ in range(10)]\n"
        "print('written', flush=True); time.sleep(60)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "written\n"
    assert len(Journal(tmp_path)) == 0, "its writer lives"

    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("a") as cut:
        cut.write('["half a li')
    journal, store = Journal(tmp_path), MemoryStore()
    asyncio.run(journal.replay(store))
    assert settled(store) == 70
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_written_keeps_them_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal, store = Journal(tmp_path / "file" / "below"), MemoryStore()
    journal.add(Settlement(new_lease_id(), (Amount("a", 5),), note="req_1"))
    asyncio.run(journal.replay(store))
    assert settled(store) == 5


@pytest.mark.parametrize("how", ["writable", "link"])
def test_a_folder_that_others_can_write_to_is_not_used(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the machine's temporary folder another user may have made it first, and planted charges in it."""
    private, elsewhere = tmp_path / "private", tmp_path / "elsewhere"
    planted = (private if how == "writable" else elsewhere) / "store"
    planted.mkdir(parents=True)
    (planted / "1-a.jsonl").write_text(Settlement(new_lease_id(), (Amount("a", 10**9),)).dump() + "\n")
    if how == "writable":
        private.chmod(0o777)
    else:
        private.symlink_to(elsewhere)

    journal = Journal(private / "store", private=private)

    assert len(journal) == 0
    journal.add(Settlement(new_lease_id(), (Amount("a", 5),)))
    assert len(journal) == 1, "in memory"
    assert [path.name for path in planted.iterdir()] == ["1-a.jsonl"]
    assert "set `journal`" in caplog.text


def test_the_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "private" / "store", private=tmp_path / "private")

    journal.add(Settlement(new_lease_id(), (Amount("a", 5),)))

    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700
    journal.close()
