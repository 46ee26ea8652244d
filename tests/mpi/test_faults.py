"""What goes wrong ends with one clear message, soon."""

import signal

import pytest

BROKEN = """
from pal_core.builtin.{module} import {base}
from pal_core.builtin.options import {options}

class Broken({base}):
    Options = {options}

    def {method}(self, *args):
        if {condition}:
            raise RuntimeError("out of luck")
        return super().{method}(*args)
"""
CONSTRUCTOR = """
from pal_core.builtin.{module} import {base}
from pal_core.builtin.options import {options}

class Broken({base}):
    Options = {options}

    def __init__(self, options, context):
        if context.index == {index} and context.role == "{role}":
            raise RuntimeError("out of luck")
        super().__init__(options, context)
"""
ROLES = {
    "generator": ("walker", "ToyWalker", "ToyWalkerOptions", 5),
    "prediction": ("model", "ToyModel", "ToyModelOptions", 3),
    "training": ("model", "ToyModel", "ToyModelOptions", 2),
    "oracle": ("oracle", "ToyOracle", "ToyOracleOptions", 1),
}
TABLE = {"generator": "generator", "prediction": "model", "training": "model", "oracle": "oracle"}


def with_kernel(case, table, code):
    (case.folder / "broken.py").write_text(code)
    text = case.file.read_text()
    name = {"generator": "toy-walker", "model": "toy-model", "oracle": "toy-oracle"}[table]
    case.file.write_text(text.replace(f'"pal.{name}"', '"broken.py:Broken"'))


@pytest.mark.parametrize("role", ROLES)
def test_constructor_that_raises_on_one_rank_ends_the_run_with_its_name(toy, role):
    case = toy(stop="labels = 60")
    module, base, options, index = ROLES[role]
    code = CONSTRUCTOR.format(module=module, base=base, options=options, index=index, role=role)
    with_kernel(case, TABLE[role], code)
    done = case.run(limit=60)
    assert done.returncode == 1
    assert "RuntimeError: out of luck" in done.stderr
    assert "broken.py:Broken" in done.stderr
    assert f"[{TABLE[role]}]" in done.stderr


@pytest.mark.parametrize(
    ("role", "method", "condition"),
    [
        ("generator", "propose", "self.context.index == 5 and args[0] is not None"),
        ("prediction", "predict", "self.context.role == 'prediction' and self.context.index == 1"),
        ("training", "extend", "self.context.index == 2"),
    ],
)
def test_kernel_that_raises_in_the_run_ends_it_and_keeps_the_labels(toy, role, method, condition):
    stop = 'on_error = "stop"'
    case = toy(stop="labels = 60", generator=stop, model=stop, training=stop)
    module, base, options, _ = ROLES[role]
    code = BROKEN.format(module=module, base=base, options=options, method=method, condition=condition)
    with_kernel(case, TABLE[role], code)
    done = case.run(limit=60)
    assert done.returncode == 1
    assert "RuntimeError: out of luck" in done.stderr
    assert case.rows("SELECT COUNT(*) FROM labels")[0][0] >= 24
    assert "out of luck" in case.rows("SELECT text FROM journal WHERE text LIKE '%Traceback%'")[0][0]


def test_oracle_that_dies_costs_one_attempt(toy):
    case = toy(stop="labels = 40")
    crash = """
import ctypes
from pal_core.builtin.oracle import ToyOracle
from pal_core.builtin.options import ToyOracleOptions

class Broken(ToyOracle):
    Options = ToyOracleOptions
    calls = 0

    def label(self, sample):
        Broken.calls += 1
        if Broken.calls == 7:
            ctypes.string_at(0)
        return super().label(sample)
"""
    with_kernel(case, "oracle", crash)
    done = case.run()
    assert done.returncode == 0, done.stderr
    assert case.rows("SELECT COUNT(*) FROM labels") == [(40,)]
    failures = case.rows("SELECT failure, text FROM attempts WHERE failure IS NOT NULL")
    assert failures
    assert all(f == "crashed" and "SIGSEGV" in t for f, t in failures)


def test_oracle_that_hangs_is_ended_at_its_timeout(toy):
    case = toy(oracle="timeout = 1.0", stop="labels = 30")
    hang = """
import time
from pal_core.builtin.oracle import ToyOracle
from pal_core.builtin.options import ToyOracleOptions

class Broken(ToyOracle):
    Options = ToyOracleOptions
    calls = 0

    def label(self, sample):
        Broken.calls += 1
        if Broken.calls == 5:
            time.sleep(1000)
        return super().label(sample)
"""
    with_kernel(case, "oracle", hang)
    done = case.run()
    assert done.returncode == 0, done.stderr
    assert {f for (f,) in case.rows("SELECT failure FROM attempts")} == {None, "timeout"}


def test_oracle_that_always_fails_ends_the_run_with_the_reason(toy):
    case = toy(oracle="options = { fail_share = 1.0 }", stop="labels = 60")
    done = case.run(limit=60)
    assert done.returncode == 1
    assert "gave no label" in done.stderr
    assert "unconverged" in case.rows("SELECT reason FROM quarantine")[0][0]


def test_interrupted_run_goes_on_without_losing_or_doubling_a_label(toy):
    case = toy(oracle="options = { delay = 0.05 }", stop="labels = 120")
    process = case.start()
    case.wait_for(60, process)
    process.send_signal(signal.SIGINT)
    done = case.finish(process)
    assert done.returncode == 75, done.stderr
    assert "pal run" in done.stdout
    first = set(case.rows("SELECT sample, data FROM labels"))
    assert 60 <= len(first) < 120
    again = case.run()
    assert again.returncode == 0, again.stderr
    last = case.rows("SELECT sample, data FROM labels")
    assert first <= set(last)
    assert len(last) == 120
    assert case.rows("SELECT COUNT(*) FROM attempts WHERE failure IS NULL") == [(120,)]


def test_second_run_in_the_same_directory_is_refused(toy):
    case = toy(oracle="options = { delay = 0.05 }", stop="labels = 100000")
    process = case.start()
    case.wait_for(1, process)
    second = case.run(limit=60)
    process.send_signal(signal.SIGINT)
    first = case.finish(process)
    assert second.returncode == 1
    assert "is in use by pid" in second.stderr
    assert first.returncode == 75
