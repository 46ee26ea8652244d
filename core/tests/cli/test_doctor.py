"""`pal doctor`."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from stores import add, fill, label, open_store, root_only, value

from pal_core.doctor import surroundings
from pal_core.plugins.targets import file_version
from pal_core.runtime.checkpoint import round_file, save_state, set_directory
from pal_core.store import filesystem
from pal_core.store.database import FILE_NAME
from pal_core.store.lock import Holder
from pal_core.store.store import Store


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A copy of a finished run."""
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def doctor(pal, tmp_path):
    """Call `pal doctor` on the run; gives exit code and lines."""

    def call(*options: str, code: int) -> list[str]:
        result = pal("doctor", str(tmp_path / "run"), *options)
        assert result.exit_code == code, result.output
        return result.stdout.splitlines()

    return call


def has(lines: list[str], start: str, *parts: str) -> bool:
    return any(line.startswith(start) and all(p in line for p in parts) for line in lines)


def change(run: Path, *statements: str) -> None:
    with sqlite3.connect(run / FILE_NAME) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def make_set(run: Path, number: int, *, files: int = 2) -> list[Path]:
    """A set on disk and in the store."""
    names = [f"generator-{i}.safetensors" for i in range(files)]
    paths = [set_directory(run, number) / name for name in names]
    for path in paths:
        save_state(path, {"walker/0/x": np.arange(100.0)})
    store = Store(run, write=True)
    store.add_set(number, {"files": names})
    store.close()
    return paths


def test_finished_run_is_sound(doctor, run):
    lines = doctor(code=0)
    assert lines[0] == "+ lock: nobody holds the run directory"
    assert has(lines, "+ store: pal.sqlite is sound: ", "30 samples labelled")
    assert has(lines, "+ states: ", "files of weights and states can be read")
    assert has(lines, "+ disk: ", " GB are free")
    assert not has(lines, "!")


def test_looking_changes_nothing(doctor, run):
    def content() -> dict[str, bytes]:
        files = (p for p in run.rglob("*") if p.is_file() and not p.name.endswith(("-wal", "-shm")))
        return {str(p.relative_to(run)): p.read_bytes() for p in files}

    before = content()
    doctor(code=0)
    assert content() == before


def test_settings_file_names_the_run(pal, toy, run):
    assert pal("doctor", str(toy)).exit_code == 0


def test_directory_without_a_run_is_refused(pal, tmp_path):
    (tmp_path / "run").mkdir()
    result = pal("doctor", "run")
    assert result.exit_code == 1
    assert "run holds no run" in result.stderr


def test_json_has_every_finding_and_every_repair(pal, run):
    (run / ".status.json.123").write_text("{")
    found = json.loads(pal("doctor", str(run), "--json").stdout)
    assert found["sound"] is True
    assert found["repairs"] == []
    assert {"severity": "note", "topic": "files", "text": "1 file not written to the end: .status.json.123",
            "advice": "remove: pal doctor --repair", "repairable": True} in found["findings"]  # fmt: skip
    found = json.loads(pal("doctor", str(run), "--json", "--repair").stdout)
    assert found["repairs"][0]["done"] == "1 file removed"
    assert not [f for f in found["findings"] if f["topic"] == "files"]


class TestLock:
    """Who holds the directory."""

    def test_run_at_work_is_named_and_not_repaired(self, pal, run):
        store = Store(run, write=True)
        (run / ".status.json.123").write_text("{")
        result = pal("doctor", str(run))
        assert result.exit_code == 0
        assert f"- lock: a run is at work: pid {os.getpid()} on " in result.stdout
        assert "status.json" not in result.stdout
        refused = pal("doctor", str(run), "--repair")
        assert refused.exit_code == 1
        assert f"run is in use by pid {os.getpid()} on " in refused.stderr
        assert (run / ".status.json.123").exists()
        store.close()

    def test_lock_that_was_left_behind_is_taken_away(self, doctor, run):
        (run / "lock").write_text(json.dumps(asdict(replace(Holder.me(), start="12"))))
        assert has(doctor(code=0), "- lock: left behind by pid ", "ended without a word; pal run takes it over")
        lines = doctor("--repair", code=0)
        assert has(lines, "= lock: left behind by pid ", "taken away")
        assert "+ lock: nobody holds the run directory" in lines

    def test_lock_held_on_another_computer_is_left_alone(self, pal, run, monkeypatch):
        monkeypatch.setattr("pal_core.store.lock.filesystem_of", lambda directory: "nfs4")
        record = json.dumps(asdict(replace(Holder.me(), place="elsewhere", host="node17")))
        (run / "lock").write_text(record)
        refused = pal("doctor", str(run), "--repair")
        assert refused.exit_code == 1
        assert "on node17" in refused.stderr
        assert (run / "lock").read_text() == record


class TestStore:
    """The database and its tables."""

    def test_old_format_is_upgraded(self, doctor, tmp_path):
        from test_upgrade import make_format_1

        (tmp_path / "run").mkdir()
        make_format_1(tmp_path / "run")
        assert has(doctor(code=1), "! store: ", "has format 1, this pal-core reads 2; upgrade it")
        lines = doctor("--repair", code=0)
        assert has(lines, "= store: ", "the store was upgraded from format 1 to 2")
        assert has(lines, "+ store: pal.sqlite is sound")

    def test_newer_format_is_a_problem_without_a_repair(self, doctor, run):
        change(run, "UPDATE meta SET value = '99' WHERE key = 'format'")
        assert has(doctor("--repair", code=1), "! store: ", "has format 99", "update pal-core")

    @pytest.mark.parametrize(
        ("statement", "told", "then"),
        [
            ("DELETE FROM labels WHERE sample = 5", "1 samples are labelled, but have no label: 5", "waiting"),
            ("UPDATE samples SET state = 'dropped' WHERE id = 5", "are dropped, but have a label: 5", "labelled"),
            ("UPDATE samples SET state = 'odd' WHERE id = 5", "are in a state that doesn't exist: 5", "labelled"),
            ("UPDATE samples SET state = 'quarantined' WHERE id = 5", "are quarantined for no reason", "labelled"),
        ],
    )
    def test_states_that_contradict_other_tables_are_set_right(self, doctor, run, statement, told, then):
        change(run, statement)
        assert has(doctor(code=1), "! store: ", told)
        lines = doctor("--repair", code=0)
        assert has(lines, "= store: ", told, "set right")
        store = Store(run)
        assert store._run("SELECT state FROM samples WHERE id = 5") == [(then,)]
        assert store.journal(1)[0]["text"] == "states of samples were set right"

    def test_attempts_of_unknown_samples_are_removed_and_labels_are_not(self, doctor, run):
        change(run, "UPDATE attempts SET sample = 999 WHERE sample = 5")
        assert has(doctor(code=1), "! store: 1 rows of table attempts belong to samples that are gone")
        assert has(doctor("--repair", code=0), "= store: ", "attempts removed")
        change(run, "DELETE FROM samples WHERE id = 5")
        lines = doctor("--repair", code=1)
        assert has(lines, "! store: 1 rows of table labels belong to samples that are gone; labels are not thrown away")
        assert len(Store(run)._run("SELECT sample FROM labels")) == 30

    @pytest.mark.parametrize(
        ("statement", "told", "lost"),
        [
            (
                "UPDATE samples SET data = zeroblob(LENGTH(data)) WHERE id = 5",
                "1 samples are not what was stored: 5",
                "1 samples whose content had changed, 1 labels of samples that are lost",
            ),
            (
                "UPDATE labels SET data = x'00' WHERE sample = 5",
                "1 labels can't be read, of the samples: 5",
                "1 labels that were not whole, the labels of 1 samples, which wait again",
            ),
        ],
    )
    def test_changed_content_is_told_and_given_up_on_demand(self, doctor, run, statement, told, lost):
        change(run, statement)
        assert has(doctor(code=1), "! store: ", told, "restore pal.sqlite from a backup, or go on without these: ")
        lines = doctor("--repair", code=0)
        assert has(lines, "= store: ", told, "saved 29 of 30 labels, ", "; the damaged file is kept as ", lost)
        assert has(lines, "+ store: pal.sqlite is sound: ", "29 samples labelled")

    @pytest.mark.parametrize("schema", ["samples", "labels"])
    def test_lost_schema_is_forgotten_and_written_again(self, doctor, run, schema):
        change(run, f"UPDATE meta SET value = '[[' WHERE key = '{schema}'")  # noqa: S608
        assert has(doctor(code=1), "! store: ", f"the schema of {schema} can't be read", "the damaged file is kept")
        lines = doctor("--repair", code=0)
        assert has(lines, "= store: ", "saved 30 labels, ", "lost: the schemas of samples and labels, which the next ")
        assert has(lines, "- store: the schemas of samples and labels were lost", "pal run writes them again")
        store = open_store(run)
        assert len(store.labels(store.labelled())) == 30
        store.close()
        assert not has(doctor(code=0), "- store")

    def test_writer_that_was_cut_short_is_tidied_up_after(self, doctor, run, tmp_path):
        store = Store(run, write=True)
        store.open_session("{}", {})
        shutil.copytree(run, tmp_path / "copy")
        store.close()
        shutil.rmtree(run)
        (tmp_path / "copy").rename(run)
        (run / "lock").write_text("")
        lines = doctor(code=0)
        assert has(lines, "- store: the last writer was cut short; what it has committed is safe")
        assert has(lines, "- session: session 2 ended without a word; pal run goes on")
        assert has(doctor("--repair", code=0), "= store: the last writer was cut short", "opened and closed in order")
        assert (run / f"{FILE_NAME}-wal").stat().st_size == 0

    def test_log_on_a_network_file_system_is_replaced(self, doctor, run, monkeypatch):
        monkeypatch.setattr(filesystem, "filesystem_of", lambda directory: "lustre")
        monkeypatch.setattr("pal_core.doctor.database.filesystem_of", lambda directory: "lustre")
        assert has(doctor(code=1), "! store: ", "write-ahead log, which doesn't work on lustre")
        doctor("--repair", code=0)

    def test_samples_ahead_are_told(self, doctor, run):
        store = Store(run, write=True)
        kept = store.next_sample - 26
        store.rewind(26, 9)
        store.close()
        assert kept > 0
        assert has(doctor(code=0), f"- store: {kept} samples are kept ahead of the set")


class TestRecovery:
    """A database that SQLite can't make sense of any more."""

    @pytest.fixture
    def large(self, tmp_path):
        """300 labelled samples, in a file of many pages."""
        store = open_store(tmp_path / "run")
        add(store, *range(1, 301))
        label(store, *range(1, 299))
        store.quarantine(299, "odd", value(7))
        store.close()
        return tmp_path / "run" / FILE_NAME

    def pages(self, path: Path, table: str) -> list[int]:
        """Leaf pages of a table."""
        with sqlite3.connect(path) as db:
            try:
                sql = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno"
                return [r[0] for r in db.execute(sql, [table])]
            except sqlite3.OperationalError:
                pytest.skip("this SQLite can't tell which pages a table has")

    @pytest.mark.parametrize("table", ["samples", "labels", "samples_by_hash"])
    def test_what_can_be_read_is_saved_and_the_damaged_file_kept(self, doctor, large, table):
        pages = self.pages(large, table)
        content = bytearray(large.read_bytes())
        start = (pages[len(pages) // 2] - 1) * 4096
        content[start : start + 4096] = b"\xa5" * 4096
        large.write_bytes(content)
        lines = doctor(code=1)
        assert has(lines, "! store: ", "is damaged", "pal doctor --repair")
        assert large.read_bytes() == content

        lines = doctor("--repair", code=0)
        assert has(lines, "= store: ", "saved ", "the damaged file is kept as pal.sqlite.damaged-", "; lost: ")
        (kept,) = [p for p in large.parent.iterdir() if ".damaged-" in p.name and p.name[-1].isdigit()]
        assert kept.read_bytes() == content
        store = Store(large.parent)
        found = store.labelled()
        assert (table == "samples_by_hash") == (len(found) == 298)
        assert len(found) > 100
        assert store.labels(found).columns["energy"].tolist() == found
        assert store.samples(found).columns["x"][:, 0].tolist() == found
        assert "the store was damaged: saved " in store.journal(1)[0]["text"]
        assert [s.id for s in store.waiting()][-1] == 300
        store.close()
        open_store(large.parent).close()

    @pytest.mark.parametrize("seed", range(20))
    def test_whatever_is_damaged_the_store_opens_again(self, pal, large, seed):
        places = random.Random(seed)
        content = bytearray(large.read_bytes())
        for _ in range(40 if seed % 2 else 5):
            start = places.randrange(len(content) - 64)
            content[start : start + 64] = places.randbytes(64)
        large.write_bytes(content)
        listed = pal("labels", "list", "run")
        assert listed.exit_code == 1
        assert "pal doctor" in listed.stderr
        result = pal("doctor", "run", "--repair")
        assert result.exit_code == 0, result.output
        (said,) = [line for line in result.stdout.splitlines() if line.startswith("= store: ")]
        Store(large.parent).close()
        store = open_store(large.parent)
        found = store.labelled()
        assert re.search(rf": saved {len(found)} (of \d+ )?labels, \d+ (of \d+ )?samples", said), said
        assert len(found) > 100
        right = zip(found, store.samples(found), store.labels(found), strict=True)
        assert sum(n == sample["x"][0] == label["energy"] for n, sample, label in right) > 0.95 * len(found)
        store.close()

    @pytest.mark.parametrize("table", ["samples", "labels"])
    def test_rows_are_found_without_the_page_that_leads_to_them(self, doctor, large, table):
        with sqlite3.connect(large) as db:
            (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [table]).fetchone()
        content = bytearray(large.read_bytes())
        content[(root - 1) * 4096 : root * 4096] = bytes(4096)
        large.write_bytes(content)
        lines = doctor("--repair", code=0)
        assert has(lines, "= store: ", "saved 298 labels, 300 samples, 1 quarantine", "lost: nothing that is known of")
        found = Store(large.parent).labelled()
        assert Store(large.parent).labels(found).columns["energy"].tolist() == found

    def test_store_whose_first_page_is_gone_is_saved_whole(self, doctor, large):
        large.write_bytes(bytes(4096) + large.read_bytes()[4096:])
        lines = doctor("--repair", code=0)
        assert has(lines, "= store: ", "saved 298 labels, 300 samples, 1 quarantine", "lost: nothing that is known of")
        assert {p.name for p in large.parent.iterdir() if p.name.endswith(".part")} == set()

    def test_half_a_file_gives_what_it_has_or_stays(self, pal, large):
        os.truncate(large, large.stat().st_size // 2)
        before = large.read_bytes()
        result = pal("doctor", str(large.parent), "--repair")
        kept = [p for p in large.parent.iterdir() if p.read_bytes() == before]
        assert len(kept) == 1
        assert result.exit_code == (1 if kept == [large] else 0), result.output

    def test_file_of_nothing_but_rubbish_stays_and_the_error_says_so(self, pal, large):
        large.write_bytes(b"rubbish" * 1000)
        result = pal("doctor", str(large.parent), "--repair")
        assert result.exit_code == 1
        assert "nothing can be saved: file is not a database" in result.stderr
        assert "restore it from a backup, or use another run.directory" in result.stderr
        assert {p.name for p in large.parent.iterdir()} == {FILE_NAME, "lock"}
        assert large.read_bytes() == b"rubbish" * 1000


class TestSnapshots:
    """Sets, and weights of rounds."""

    @pytest.fixture(autouse=True)
    def _without_own_sets(self, run):
        """The run's own set would serve where these tests damage theirs."""
        store = Store(run, write=True)
        store.drop_sets(2)
        store.close()
        shutil.rmtree(run / "snapshots")

    def test_complete_set_is_told(self, doctor, run):
        make_set(run, 7)
        assert has(doctor(code=0), "+ snapshots: set 7 is complete")

    @pytest.mark.parametrize("how", ["missing", "cut", "rubbish"])
    def test_damaged_set_falls_back_to_the_one_before(self, doctor, run, how):
        make_set(run, 6)
        path = make_set(run, 7)[0]
        if how == "missing":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-8] if how == "cut" else b"rubbish")
        lines = doctor(code=1)
        assert has(lines, "! snapshots: set 7 can't be used: generator-0.safetensors", "; go back to set 6: pal doctor")
        lines = doctor("--repair", code=0)
        assert has(lines, "= snapshots: set 7 can't be used", "the run goes on from set 6")
        assert has(lines, "+ snapshots: set 6 is complete")
        assert not set_directory(run, 7).exists()
        assert Store(run).last_set()[0] == 6

    def test_damaged_set_without_another_is_given_up_only_by_hand(self, doctor, run):
        paths = make_set(run, 7)
        paths[0].unlink()
        advice = f"restore it from a backup, or give it up: remove {set_directory(run, 7)}, then pal doctor --repair"
        assert has(doctor("--repair", code=1), "! snapshots: set 7 can't be used", advice)
        assert paths[1].exists()
        shutil.rmtree(set_directory(run, 7))
        assert has(doctor("--repair", code=0), "= snapshots: set 7", "the run goes on from its labels")
        assert Store(run).last_set() is None

    def test_sets_that_do_not_count_are_removed(self, doctor, run):
        make_set(run, 7)
        for number in (6, 8):
            save_state(set_directory(run, number) / "generator-0.safetensors", {"x": np.zeros(3)})
        assert has(doctor(code=0), "- snapshots: set 8 on disk doesn't count")
        doctor("--repair", code=0)
        assert [p.name for p in sorted((run / "snapshots").glob("0*"))] == ["000007"]

    def test_weights_that_cannot_be_read_are_named(self, doctor, run):
        path = next((run / "models").glob("*/*.safetensors"))
        path.write_bytes(path.read_bytes()[:-5])
        lines = doctor("--repair", code=1)
        assert has(
            lines, f"! states: {path.relative_to(run)} can't be read: ", "restore it from a backup, or remove it"
        )


class TestLeftovers:
    """Files of runs that were killed."""

    def test_unfinished_files_and_scratch_are_removed_and_nothing_else(self, doctor, run):
        keep = {p for p in run.rglob("*") if p.is_file() and not p.name.endswith(("-wal", "-shm"))}
        target = round_file(run, 0, 99)
        left = [run / ".status.json.77", target.with_name(f".{target.name}.123"), run / "snapshots" / "x.part"]
        left += [run / "spool" / "level" / ".5-1.label.123", run / "spool" / "other" / ".7-2.label.9"]
        left += [run / "scratch" / "oracle-0" / "deep" / "wave.dat", run / ".pal.sqlite-probe-wal"]
        for path in left:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("half")
        lines = doctor(code=0)
        assert has(lines, "- files: 6 files not written to the end: ")
        assert has(lines, "- files: 1 file of oracles in scratch/")
        lines = doctor("--repair", code=0)
        files = {p for p in run.rglob("*") if p.is_file() and not p.name.endswith(("-wal", "-shm"))}
        assert files == keep
        assert not has(lines, "- files")

    def test_labels_on_their_way_are_told_of_and_kept(self, doctor, run):
        folder = run / "spool" / "0123456789abcdef"
        folder.mkdir(parents=True)
        (folder / "5-1.label").write_text("dear")
        text = "- spool: 1 label in spool/0123456789abcdef, not in the store yet"
        assert has(doctor(code=0), text, "pal run takes them in")
        assert has(doctor("--repair", code=0), text)
        assert (folder / "5-1.label").read_text() == "dear"

    def test_scratch_that_leads_elsewhere_is_not_followed(self, doctor, run, tmp_path):
        shutil.rmtree(run / "scratch", ignore_errors=True)
        (tmp_path / "precious").mkdir()
        (tmp_path / "precious" / "thesis.tex").touch()
        (run / "scratch").symlink_to(tmp_path / "precious")
        doctor("--repair", code=0)
        assert (tmp_path / "precious" / "thesis.tex").exists()


class TestSurroundings:
    """Packages and disk."""

    @pytest.mark.parametrize(
        ("then", "code", "told"),
        [
            ("class Walker: pass", 0, "+ packages: as in the last session: "),
            ("class Walker: ...", 0, "- packages: the kernel's file "),
            (None, 1, "! packages: the kernel's file "),
        ],
    )
    def test_file_of_a_kernel_is_compared_with_what_it_was(self, doctor, run, tmp_path, then, code, told):
        path = tmp_path / "walker.py"
        path.write_text("class Walker: pass")
        change(run, f"UPDATE sessions SET packages = '{json.dumps({str(path): file_version(path)})}'")  # noqa: S608
        path.unlink() if then is None else path.write_text(then)
        lines = doctor(code=code)
        assert has(lines, told)
        assert not any("pip install" in line for line in lines)

    def test_other_version_is_a_note_and_a_missing_package_a_problem(self, doctor, run):
        change(run, """UPDATE sessions SET packages = '{"pal-core": "0.0.1", "pal-gone": "2.0"}'""")
        lines = doctor(code=1)
        assert has(lines, "- packages: pal-core ", "is installed, the last session used 0.0.1")
        assert has(
            lines, "! packages: pal-gone 2.0, used by the last session, isn't installed; pip install pal-gone==2.0"
        )

    def test_same_packages_are_well(self, doctor, run):
        there = version("pal-core")
        change(run, 'UPDATE sessions SET packages = \'{"pal-core": "%s"}\'' % there)  # noqa: S608, UP031
        assert f"+ packages: as in the last session: pal-core {there}" in doctor(code=0)

    def test_little_room_is_told(self, doctor, run, monkeypatch):
        monkeypatch.setattr(surroundings.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 0, 10**8))
        assert has(doctor(code=0), "- disk: 100 MB are free; make room: a full disk stops the run")

    @root_only
    def test_full_disk_is_a_problem(self, pal, run, tmp_path):
        disk = tmp_path / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
        try:
            shutil.copy(run / FILE_NAME, disk)
            fill(disk)
            result = pal("doctor", str(disk))
            assert result.exit_code == 1
            assert f"! disk: the disk of {disk} is full; make room, then pal run goes on" in result.stdout
        finally:
            subprocess.run(["umount", "-l", disk], check=True)
