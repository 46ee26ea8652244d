"""How a run's status is shown."""

from __future__ import annotations

import io

import pytest

from pal_core.cli.progress import Progress, describe, duration, one_line

STATUS = {
    "phase": "running",
    "outcome": None,
    "seconds": 75.4,
    "labels": 40,
    "steps": 1234,
    "steps_per_second": 56.7,
    "uncertain_share": 0.125,
    "queue": 3,
    "rounds": 2,
    "rules": {"labels": 100, "walkers": 4},
    "progress": 0.4,
    "seconds_left": 111.0,
    "members": {
        "0": {"version": 7, "epoch": 9, "metrics": {"loss": 1.0, "validation_energy_mae": 0.25}},
        "1": {"version": 8, "epoch": 9, "metrics": {"loss": None, "validation_energy_mae": 0.75}},
    },
    "utilisation": {"oracle": 0.98, "training": 0.5},
    "failed_attempts": 2,
    "quarantined": 0,
    "dropped": 5,
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "unknown"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"),
        (3599, "59 min 59 s"), (3600, "1 h 0 min"), (100_000, "27 h 46 min"),
    ],
)  # fmt: skip
def test_duration_in_words(seconds, words):
    assert duration(seconds) == words


def test_one_line_holds_counts_and_limits():
    assert one_line(STATUS).split("  ")[0].strip() == "running"
    assert one_line(STATUS).endswith(
        "1 min 15 s  labels 40/100  steps 1234 (56.7/s)  uncertain 12.5%  queue 3  rounds 2"
    )
    assert "uncertain -" in one_line(STATUS | {"uncertain_share": None})


class TestDescribe:
    """The lines of a live display."""

    def test_lines_of_a_running_run(self):
        assert describe(STATUS)[1:] == [
            f"[{'#' * 12}{'.' * 18}]  40%  time left to the stop rule: 1 min 51 s",
            "model versions 0:7 1:8   validation: energy_mae 0.5",
            "busy: oracle 98%  training 50%   2 failed attempts, 5 dropped",
        ]

    def test_what_is_not_known_is_left_out(self):
        bare = {"progress": None, "seconds_left": None, "members": {}, "utilisation": {}} | dict.fromkeys(
            ("failed_attempts", "dropped"), 0
        )
        assert describe(STATUS | bare)[1:] == [f"[{'.' * 30}]   time left to the stop rule: unknown", "busy: -"]

    def test_ended_run_has_no_bar(self):
        assert not any("time left" in line for line in describe(STATUS | {"outcome": "done"}))

    def test_errors_that_are_no_numbers_are_left_out(self):
        members = {"0": STATUS["members"]["0"], "1": {"version": 8, "metrics": {"validation_energy_mae": None}}}
        assert describe(STATUS | {"members": members})[2].endswith("validation: energy_mae 0.25")

    def test_full_bar(self):
        assert describe(STATUS | {"progress": 1.0})[1].startswith(f"[{'#' * 30}] 100%")


class TestTerminal:
    """Lines that are redrawn."""

    def test_lines_are_drawn_over_the_last_ones(self, monkeypatch):
        monkeypatch.setenv("COLUMNS", "200")
        screen = Terminal()
        show = Progress(screen)
        show(STATUS)
        first = screen.getvalue()
        assert first == "".join(f"\x1b[2K{line}\n" for line in describe(STATUS)) + "\x1b[J"
        ended = STATUS | {"outcome": "done"}
        show(ended)
        assert screen.getvalue() == first + "\x1b[4F" + "".join(f"\x1b[2K{x}\n" for x in describe(ended)) + "\x1b[J"
        show(STATUS)
        assert "\x1b[3F" in screen.getvalue()

    def test_lines_are_cut_at_the_terminals_width(self, monkeypatch):
        # A line that wraps would take two, and the next picture would be drawn one too low.
        monkeypatch.setenv("COLUMNS", "40")
        screen = Terminal()
        Progress(screen)(STATUS)
        lines = screen.getvalue().removesuffix("\x1b[J").splitlines()
        assert max(len(line.removeprefix("\x1b[2K")) for line in lines) == 40


class TestPlainLines:
    """Not on a terminal."""

    def test_line_now_and_then_and_at_every_new_phase(self):
        now = [0.0]
        stream = io.StringIO()
        show = Progress(stream, clock=lambda: now[0])
        for second in range(25):
            now[0] = float(second)
            show(STATUS | {"seconds": second, "phase": "running" if second < 13 else "draining"})
        shown = [line.split()[:3] for line in stream.getvalue().splitlines()]
        assert shown == [
            ["running", "0", "s"],
            ["running", "10", "s"],
            ["draining", "13", "s"],
            ["draining", "23", "s"],
        ]
        assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_quiet_shows_nothing(stream):
    Progress(stream, quiet=True)(STATUS)
    assert stream.getvalue() == ""
