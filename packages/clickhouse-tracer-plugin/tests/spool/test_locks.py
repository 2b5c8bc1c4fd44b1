"""A folder has one owner at a time, and a lock that is gone with its process."""

from __future__ import annotations

from pathlib import Path

from llm_gateway_clickhouse_tracer.spool.locks import FolderLock


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path / "lock"), FolderLock(tmp_path / "lock")

    assert first.try_acquire()
    assert not second.try_acquire()
    first.release()
    assert second.try_acquire()
    second.release()


def test_a_lock_that_does_not_exist_is_not_made_by_a_look(tmp_path: Path) -> None:
    assert not FolderLock(tmp_path / "lock").try_acquire(create=False)
    assert not (tmp_path / "lock").exists()


def test_releasing_twice_is_harmless(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    lock.try_acquire()

    lock.release()
    lock.release()
