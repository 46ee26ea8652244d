"""Which programs ran, and whether they ended."""

from __future__ import annotations

import printed
import pytest

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.log import finished, sections

BANNERS = [
    (" dscf (kennedy10) : TURBOMOLE rev. V7.5.0 compiled 13 Jun 2020 at 23:29:25", "dscf", "7.5.0"),
    (" dscf (oliver) : TURBOMOLE rev. V7.4.1 (2bfdd732) compiled 4 Nov 2019 at 15:12:03", "dscf", "7.4.1"),
    (" ricc2 (southgeorgia) : TURBOMOLE V7.3 ( 22142 ) 4 Jul 2018 at 18:12:42", "ricc2", "7.3"),
    (" egrad (c2l6) : TURBOMOLE rev. compiled 15 May 2015 at 15:32:09", "egrad", ""),
    (" egrad(tchplx10) : TURBOMOLE working version 2 Aug 2004 at 12:34:11", "egrad", ""),
    (" ridft_omp (node) : TURBOMOLE rev. V7-7-1 compiled 3 Feb 2023 at 10:13:59", "ridft", "7.7.1"),
]


@pytest.mark.parametrize(("line", "program", "version"), BANNERS)
def test_banners_of_all_versions_are_known(line, program, version):
    (section,) = sections(f"noise\n{line}\n one\n two")
    assert (section.program, section.version) == (program, version)
    assert section.lines == (line, " one", " two")


def test_programs_in_one_text_are_told_apart():
    text = printed.log("dscf", " first") + printed.log("grad", " second")
    assert [s.program for s in sections(text)] == ["dscf", "grad"]
    assert " second" in finished(text, ["grad"]).lines
    assert " second" not in finished(text, ["dscf"]).lines


@pytest.mark.parametrize("program", ["ridft", "ridft_omp", "ridft_smp", "ridft_mpi"])
def test_builds_for_several_cores_are_the_same_program(program):
    assert finished(printed.log(program), ["ridft"]).program == "ridft"


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", "crashed", "output of dscf or ridft wanted, found no start"),
        (printed.log("grad"), "crashed", "found no start"),
        ("dscf: command not found\n", "crashed", "found no start"),
        (printed.log("dscf") + printed.log("ridft"), "crashed", "found 2"),
        (printed.log("dscf", end="all"), "crashed", "doesn't say 'all done'"),
        (printed.log("dscf").replace("done  ****", "done"), "crashed", "doesn't say 'all done'"),
        (printed.log("dscf").replace("dscf : all", "grad : all"), "crashed", "doesn't say 'all done'"),
        (printed.log("dscf", " ATTENTION: dscf did not converge! "), "unconverged", "did not converge!"),
        (
            printed.log("dscf", "   convergence criteria cannot be satisfied within     3 iterations !"),
            "unconverged",
            "cannot",
        ),
        (printed.log("dscf", " not converged!"), "unconverged", "not converged"),
        (printed.log("dscf", " dscf ended abnormally"), "crashed", "ended abnormally"),
        (printed.log("dscf", " program stopped."), "crashed", "program stopped"),
        (printed.log("dscf", "forrtl: severe (174): SIGSEGV, segmentation fault occurred"), "crashed", "SIGSEGV"),
        (
            printed.log("dscf", end="")
            + "slurmstepd: error: *** JOB 7 ON node7 CANCELLED AT 2024-02-23 DUE TO TIME LIMIT ***",
            "timeout",
            "TIME LIMIT",
        ),
        ("srun: error: JOB 7 CANCELLED DUE TO TIME LIMIT\n", "timeout", "TIME LIMIT"),
    ],
)
def test_failures_have_a_kind_and_show_their_lines(text, kind, message):
    with pytest.raises(Unreadable, match=message) as caught:
        finished(text, ["ridft", "dscf"])
    assert caught.value.kind == kind
    assert (
        caught.value.evidence in "\n".join(line.rstrip() for line in text.splitlines()) or len(caught.value.lines) > 1
    )
