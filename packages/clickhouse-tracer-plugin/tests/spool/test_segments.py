"""Sealed segments in a folder: their size and age, what is given up, and what an interruption leaves."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from llm_gateway_clickhouse_tracer.counters import Counters
from llm_gateway_clickhouse_tracer.spool import segments as segments_module
from llm_gateway_clickhouse_tracer.spool.framing import encode_record
from llm_gateway_clickhouse_tracer.spool.locks import FolderLock
from llm_gateway_clickhouse_tracer.spool.segments import SegmentFolder, recover_open, sync_folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name in ("own", "dead"):
        (tmp_path / name).mkdir()
    return tmp_path


def folder_in(base: Path, counters: Counters | None = None) -> SegmentFolder:
    return SegmentFolder(base, base / "own", counters or Counters())


def record(text: str) -> bytes:
    return b"".join(encode_record(b'{"n":"' + text.encode() + b'"}').pieces)


def test_segments_are_listed_by_age_and_other_files_are_not(base: Path) -> None:
    for name in ("2.seg", "1.seg", "3.open", "4.seg.tmp", "lock"):
        (base / "own" / name).touch()

    assert folder_in(base).sealed() == ["1", "2"]


def test_the_size_counts_the_open_segment_and_forgets_what_was_sent(base: Path) -> None:
    folder = folder_in(base)
    (base / "own" / "1.seg").write_bytes(b"x" * 10)
    open_ = base / "own" / "2.open"
    open_.write_bytes(b"x")
    assert folder.size() == 11

    open_.write_bytes(b"x" * 5)
    assert folder.size() == 15, "an open segment grows"
    folder.delete("1")
    assert folder.size() == 5
    folder.delete("1")


def test_a_folder_that_is_gone_is_empty_and_not_old(base: Path) -> None:
    folder = SegmentFolder(base, base / "gone", Counters())

    assert folder.size() == 0
    assert folder.oldest_age_seconds() == 0.0


def test_the_age_is_read_from_the_name_and_never_negative(base: Path) -> None:
    folder = folder_in(base)
    assert folder.oldest_age_seconds() == 0.0

    (base / "own" / f"{time.time_ns() + 10**12:020d}-a.open").touch()
    assert folder.oldest_age_seconds() == 0.0, "a clock that was set back"
    (base / "own" / f"{time.time_ns() - 60 * 10**9:020d}-a.seg").touch()
    assert folder.oldest_age_seconds() == pytest.approx(60, abs=5)


def test_reading_a_segment_that_was_given_up_is_an_error(base: Path) -> None:
    with pytest.raises(FileNotFoundError):
        folder_in(base).read("1")


def test_the_halves_take_the_place_of_the_whole_and_are_sent_in_its_order(base: Path) -> None:
    folder = folder_in(base)
    for name in ("1", "2"):
        (base / "own" / f"{name}.seg").write_bytes(b"ab")

    folder.split("1", [b"a", b"b"])

    assert [folder.read(name) for name in folder.sealed()] == [b"a", b"b", b"ab"]


def test_only_a_segment_that_can_not_be_on_its_way_is_dropped(base: Path) -> None:
    folder = folder_in(base)
    assert folder.drop_oldest() == 0
    (base / "own" / "1.seg").write_bytes(record("a"))
    assert folder.drop_oldest() == 0, "the only one may be under way"

    (base / "own" / "2.seg").write_bytes(record("b") + record("c"))
    assert folder.drop_oldest() == 2
    assert folder.sealed() == ["1"]


def test_what_is_buried_keeps_within_a_bound_and_the_oldest_goes_first(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments_module, "_MAX_DEAD_BYTES", 250)
    folder = folder_in(base)
    for name in ("1", "2", "3"):
        (base / "own" / f"{name}.seg").write_bytes(b"x" * 90)
        folder.bury(name, "refused")

    left = {file.name for file in (base / "dead").iterdir()}
    assert "1.record" not in left
    assert {"3.record", "3.reason.txt"} <= left
    assert folder.sealed() == []


@pytest.mark.parametrize(("cut", "kept", "torn"), [(0, 2, 0), (1, 1, 1), (None, 0, 1)])
def test_an_open_segment_is_sealed_without_the_record_that_was_cut(
    base: Path, cut: int | None, kept: int, torn: int
) -> None:
    first, second, counters = record("a"), record("b"), Counters()
    file = base / "own" / "1.open"
    file.write_bytes(first[:-2] if cut is None else (first + second)[: len(first + second) - cut])

    recover_open(file, counters)

    assert not file.exists()
    assert counters.torn == torn
    sealed = base / "own" / "1.seg"
    assert (sealed.read_bytes() if sealed.exists() else b"") == [b"", first, first + second][kept]


def test_a_folder_is_adopted_once_its_lock_is_free(base: Path) -> None:
    other, counters = base / "other", Counters()
    other.mkdir()
    (other / "5.seg").write_bytes(record("a"))
    lock = FolderLock(other / "lock")
    assert lock.try_acquire()
    folder = folder_in(base, counters)
    assert folder.adopt() == 0

    lock.release()
    assert folder.adopt() == 1
    assert folder.sealed() == ["5"]
    assert not other.exists()
    assert counters.adopted_segments == 1


def test_a_folder_that_is_being_made_is_left_alone_for_a_minute(base: Path) -> None:
    young = base / ".new-1"
    young.mkdir()
    (young / "lock").touch()
    (base / "a file").touch()

    assert folder_in(base).adopt() == 0
    assert young.is_dir()


def test_a_folder_that_can_not_be_synced_is_not_an_error(base: Path) -> None:
    sync_folder(base / "own")
    sync_folder(base / "gone")
