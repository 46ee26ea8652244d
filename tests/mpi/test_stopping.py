"""Every way of stopping ends the run by itself, with everybody told."""

import time

import pytest

WAYS = {
    "labels": {"stop": "labels = 60"},
    "steps": {"stop": "steps = 2000"},
    "generator": {"generator": "options = { steps = 40 }", "stop": 'generators = "any"'},
    "all generators": {"generator": "options = { steps = 40 }", "stop": 'generators = "all"'},
    "trainer": {"model": "options = { stop_after_rounds = 2 }", "stop": "labels = 100000"},
    "rounds": {"stop": "rounds = 2"},
    "convergence": {"stop": "converged = { uncertain = 0.95, window = 200 }"},
}
REASONS = {
    "labels": "60 labels",
    "steps": "steps",
    "generator": "walkers ended",
    "all generators": "8 of 8 walkers ended",
    "trainer": "asked to stop",
    "rounds": "2 training rounds",
    "convergence": "converged",
}


@pytest.mark.parametrize("way", WAYS)
def test_run_ends_by_itself(toy, way):
    case = toy(**WAYS[way])
    done = case.run()
    assert done.returncode == 0, done.stderr
    assert REASONS[way] in str(case.status()["reason"])
    assert case.status()["outcome"] == "done"


def test_label_rule_is_exact(toy):
    case = toy(stop="labels = 50")
    case.run()
    assert case.rows("SELECT COUNT(*), COUNT(DISTINCT sample) FROM labels") == [(50, 50)]


@pytest.mark.parametrize("line", ['batching = "all"', "controllers = 2", 'schedule = "serial"'])
def test_ways_to_run(toy, line):
    case = toy(run=line, stop="labels = 60")
    done = case.run()
    assert done.returncode == 0, done.stderr
    assert case.rows("SELECT COUNT(*) FROM labels") == [(60,)]


def test_reranking_drops_what_has_become_certain(toy):
    case = toy(selection="rerank = true", oracle="options = { delay = 0.02 }", stop="labels = 100")
    done = case.run()
    assert done.returncode == 0, done.stderr
    assert case.rows("SELECT SUM(count) FROM dropped WHERE why = 'reranked'")[0][0] > 0


def test_generate_and_predict_without_oracle_and_training(tmp_path, toy):
    case = toy(stop="steps = 400")
    text = case.file.read_text()
    start, end = text.index("[training]"), text.index("[selection]")
    case.file.write_text(text[:start] + text[end:].replace("[data]\nbootstrap = 24\n", ""))
    done = case.run()
    assert done.returncode == 0, done.stderr
    assert case.rows("SELECT COUNT(*) FROM samples") == [(0,)]
    assert case.status()["steps"] >= 400


def test_last_weights_reach_disk_with_all_labels(toy):
    case = toy(stop="labels = 60")
    case.run()
    last = case.rows("SELECT labels FROM rounds ORDER BY round DESC, member")
    assert last[:4] == [(60,)] * 4


def test_time_that_is_up_interrupts_the_run(toy):
    case = toy(oracle="options = { delay = 0.02 }", stop="labels = 100000\nwall_time = 15")
    begin = time.monotonic()
    done = case.run()
    assert done.returncode == 75, done.stderr
    assert time.monotonic() - begin < 20
    assert case.status()["outcome"] == "interrupted"
    assert str(case.status()["reason"]).startswith("time is up")
    assert case.rows("SELECT COUNT(*) > 0, COUNT(*) - (SELECT COUNT(*) FROM attempts) FROM labels") == [(1, 0)]
    assert case.rows("SELECT COUNT(*) FROM sets") == [(1,)]
