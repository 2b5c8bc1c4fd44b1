"""The spool: what survives a crash, what is cut, who adopts what."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_gateway_clickhouse_tracer.counters import Counters
from llm_gateway_clickhouse_tracer.spool.folder import DiskSpool, MemorySpool, SegmentLimits, Spool
from llm_gateway_clickhouse_tracer.spool.framing import Record, encode_record, records_of

NOW = SegmentLimits(rows=1000, age_seconds=0.0)


def spool_at(folder: Path, *, limits: SegmentLimits = NOW, counters: Counters | None = None) -> DiskSpool:
    return DiskSpool(folder, limits=limits, counters=counters or Counters())


def lines(*numbers: int) -> list[bytes]:
    return [b'{"n":%d}\n' % number for number in numbers]


def records(*numbers: int) -> list[Record]:
    return [encode_record(line[:-1]) for line in lines(*numbers)]


def leftover(folder: Path, files: dict[str, bytes]) -> None:
    """What a killed process leaves: a folder whose lock is free."""
    dead = folder / "00000000000000000001-1-dead"
    dead.mkdir(parents=True)
    (dead / "lock").touch()
    for name, data in files.items():
        (dead / name).write_bytes(data)


def held(spool: Spool) -> list[bytes]:
    return [line for name in spool.segments.sealed() for line in records_of(spool.segments.read(name))]


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_what_is_appended_comes_back_once_it_is_sealed(tmp_path: Path, kind: str) -> None:
    spool: Spool = spool_at(tmp_path) if kind == "disk" else MemorySpool(limits=NOW)

    assert spool.append(records(1, 2, 3)) == 3
    assert spool.segments.sealed() == []
    spool.tick()

    assert held(spool) == lines(1, 2, 3)
    spool.segments.delete(spool.segments.sealed()[0])
    assert spool.segments.sealed() == []


def test_a_segment_is_sealed_at_its_number_of_rows(tmp_path: Path) -> None:
    spool = spool_at(tmp_path, limits=SegmentLimits(rows=2, age_seconds=60))

    spool.append(records(1, 2, 3, 4, 5))

    assert [len(list(records_of(spool.segments.read(name)))) for name in spool.segments.sealed()] == [2, 2]


def test_a_line_longer_than_a_segment_gets_a_separate_one(tmp_path: Path) -> None:
    spool = spool_at(tmp_path, limits=SegmentLimits(rows=10, bytes=64, age_seconds=60))
    long = b'{"n":"' + b"x" * 100 + b'"}'

    spool.append([*records(1), encode_record(long), *records(2)])
    spool.seal()

    segments = [list(records_of(spool.segments.read(name))) for name in spool.segments.sealed()]
    assert segments == [lines(1), [long + b"\n"], lines(2)]


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "spool")
    spool.append(records(1))
    spool.seal()
    spool.append(records(2))

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spool").rglob("*")}

    assert {mode for name, mode in modes.items() if "." in name} == {0o600}
    assert {mode for name, mode in modes.items() if "." not in name and name != "lock"} == {0o700}
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


@given(cut=st.integers(0, 60))
@settings(deadline=None, max_examples=61)
def test_a_torn_tail_is_cut_and_every_whole_line_is_kept(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("spool")
    data = b"".join(lines(*range(7)))[:cut]
    leftover(folder, {"00000000000000000002-aa.open": data})
    counters = Counters()
    spool = spool_at(folder, counters=counters)

    spool.segments.adopt()

    assert held(spool) == lines(*range(data.count(b"\n")))
    assert counters.torn == (0 if data.endswith(b"\n") or not data else 1)


def test_a_hole_of_a_power_loss_is_cut_off_with_what_follows_it(tmp_path: Path) -> None:
    first, second = lines(1, 2)
    leftover(tmp_path, {"00000000000000000002-aa.open": first + b"\0" * 20 + b"\n" + second})
    counters = Counters()
    spool = spool_at(tmp_path, counters=counters)

    spool.segments.adopt()

    assert held(spool) == [first]
    assert counters.torn == 2


def test_segments_keep_their_names_when_they_are_adopted(tmp_path: Path) -> None:
    # The name is the deduplication token: the dead process may have sent it without hearing the answer.
    leftover(
        tmp_path, {"00000000000000000002-aa.seg": b"".join(lines(1)), "00000000000000000003-bb.open": b'{"n":2}\n'}
    )
    spool = spool_at(tmp_path)

    assert spool.segments.adopt() == 2

    assert spool.segments.sealed() == ["00000000000000000002-aa", "00000000000000000003-bb"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([spool.folder.name, "dead"])


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        ({"x": lines(1, 2), "x.0": lines(1), "x.1": lines(2)}, ["x.0", "x.1"]),
        ({"x": lines(1, 2), "x.0": lines(1)}, ["x"]),
        ({"x.0": lines(1), "x.1": lines(2)}, ["x.0", "x.1"]),
        ({"x.1": lines(2)}, ["x.1"]),
    ],
    ids=["after both halves", "after one half", "after the whole is gone", "after one half was sent"],
)
def test_a_crash_while_splitting_neither_loses_nor_doubles(
    tmp_path: Path, files: dict[str, list[bytes]], kept: list[str]
) -> None:
    leftover(tmp_path, {f"{name}.seg": b"".join(data) for name, data in files.items()} | {"x.0.seg.tmp": b"half"})
    spool = spool_at(tmp_path)

    spool.segments.adopt()

    assert spool.segments.sealed() == kept


def test_a_living_gateway_s_folder_is_left_alone(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from llm_gateway_clickhouse_tracer.counters import Counters\n"
        "from llm_gateway_clickhouse_tracer.spool.framing import encode_record\n"
        "from llm_gateway_clickhouse_tracer.spool.folder import DiskSpool, SegmentLimits\n"
        "spool = DiskSpool(Path(sys.argv[1]), limits=SegmentLimits(), counters=Counters())\n"
        "spool.append([encode_record(b'{\"n\":1}')]); print('ready', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        spool = spool_at(tmp_path)

        assert spool.segments.adopt() == 0
        other.kill()
        other.wait()
        assert spool.segments.adopt() == 1

    assert held(spool) == lines(1)


def test_a_folder_that_is_empty_when_it_is_closed_is_removed(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    spool.append(records(1))
    spool.seal()
    spool.segments.delete(spool.segments.sealed()[0])

    spool.close()

    assert [path.name for path in tmp_path.iterdir()] == ["dead"]


def test_the_oldest_segments_go_first_but_the_very_oldest_may_be_under_way(tmp_path: Path) -> None:
    spool = spool_at(tmp_path, limits=SegmentLimits(rows=1, age_seconds=60))
    spool.append(records(1, 2, 3))
    first, second, third = spool.segments.sealed()

    assert spool.drop_oldest() == 1

    assert spool.segments.sealed() == [first, third]
    assert not (spool.folder / f"{second}.seg").exists()


def test_a_buried_segment_stays_readable_next_to_its_reason(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    spool.append(records(1))
    spool.seal()
    [name] = spool.segments.sealed()

    spool.segments.bury(name, "Cannot parse input")

    assert (tmp_path / "dead" / f"{name}.record").read_bytes() == b'{"n":1}\n'
    assert "Cannot parse" in (tmp_path / "dead" / f"{name}.reason.txt").read_text()
    assert spool.segments.sealed() == []


def test_while_others_wait_an_open_segment_is_not_sealed_by_age(tmp_path: Path) -> None:
    spool = spool_at(tmp_path, limits=SegmentLimits(rows=1000, age_seconds=0.0))
    for number in range(50):
        spool.append(records(number))
        spool.tick()

    assert len(spool.segments.sealed()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_write_that_fails_half_way_leaves_whole_lines_and_can_be_repeated(tmp_path: Path) -> None:
    # A limit on the size of files acts as a full disk: the kernel writes as much as fits, then refuses.
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from llm_gateway_clickhouse_tracer.counters import Counters\n"
        "from llm_gateway_clickhouse_tracer.spool.framing import encode_record, records_of\n"
        "from llm_gateway_clickhouse_tracer.spool.folder import DiskSpool, SegmentLimits\n"
        "spool = DiskSpool(Path(sys.argv[1]), limits=SegmentLimits(), counters=Counters())\n"
        "line = encode_record(b'{\"n\":\"' + b'x' * 90 + b'\"}')\n"
        "assert spool.append([line] * 5) == 5\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (550, resource.RLIM_INFINITY))\n"
        "try: spool.append([line] * 3); print('no error')\n"
        "except OSError: pass\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "assert spool.append([line] * 3) == 3\n"
        "spool.seal()\n"
        "print([len(list(records_of(spool.segments.read(name)))) for name in spool.segments.sealed()])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert result.stdout.strip() == "[5, 3]", result.stderr


def test_age_is_that_of_the_oldest_segment(tmp_path: Path) -> None:
    leftover(tmp_path, {f"{time.time_ns() - 5_000_000_000:020d}-aa.seg": b'{"n":1}\n'})
    spool = spool_at(tmp_path)
    spool.segments.adopt()

    assert 4.5 < spool.oldest_age_seconds < 30


def test_a_synced_spool_syncs_what_it_appends(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path, limits=NOW, counters=Counters(), sync_each_append=True)

    spool.append(records(1))
    spool.seal()

    assert held(spool) == lines(1)
    assert os.listdir(tmp_path / "dead") == []
