"""Kernels that do what kernels shouldn't. Importing this is harmless."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from pal_core import rng
from pal_core.builtin.options import ToyOracleOptions
from pal_core.builtin.oracle import ToyOracle
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.builtin.walker import ToyWalker
from pal_core.data import Batch, Committee, Schema
from pal_core.data import Field as Column
from pal_core.kernels import (
    Decision,
    Epoch,
    Expected,
    Feedback,
    Generator,
    Label,
    LabelCheck,
    Model,
    OracleFailure,
    Proposal,
    Sample,
    Selection,
    State,
    Stop,
)
from pal_core.options import Interface, KernelOptions

WAYS = (
    "raises",
    "fails",
    "refuses",
    "exits",
    "dies",
    "hangs",
    "starts others and hangs",
    "answers and dies",
    "prints a lot",
    "notes a lot",
    "tells its world",
)
"""What can go wrong with a label; the first coordinate of a sample names one by 10 + its place."""


class HowOptions(ToyOracleOptions):
    how: str = Field("", description="what goes wrong, apart from labels")


UNLUCKY = 13.0
"""First coordinate of a sample that some models can't predict."""


def _is_open(fd: int) -> bool:
    return Path(f"/proc/self/fd/{fd}").exists()


class OddOracle(ToyOracle):
    """Fails in the way that its options name, or its sample."""

    Options = HowOptions

    def __init__(self, options: HowOptions, context) -> None:
        super().__init__(options, context)
        if options.how == "build raises":
            raise ValueError("out of luck")
        if options.how == "build dies":
            print("last words", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if options.how == "build hangs":
            time.sleep(1000)
        if options.how == "dies when built again":
            mark = context.directory.parent / "built"
            if mark.exists():
                raise ValueError("not twice")
            mark.touch()

    def label(self, sample: Sample) -> Label:
        if sample["x"][0] >= 10:
            getattr(self, "_" + WAYS[int(sample["x"][0]) - 10].replace(" ", "_"))()
        return super().label(sample)

    def inspect(self, sample: Sample) -> None:
        super().inspect(sample)
        if self.options.how == "inspect raises":
            raise ValueError("no inspection today")
        if self.options.how == "inspect dies":
            os.kill(os.getpid(), signal.SIGKILL)

    def close(self) -> None:
        if self.options.how == "close tells":
            (self.context.directory.parent / "closed").touch()

    def _raises(self) -> None:
        raise ZeroDivisionError("one over nothing")

    def _fails(self) -> None:
        raise OracleFailure("unconverged", "no convergence in 100 steps", "x" * 10_000 + "the last line")

    def _refuses(self) -> None:
        raise OracleFailure("invalid_input", "an unknown element")

    def _exits(self) -> None:
        sys.exit(3)

    def _dies(self) -> None:
        print("the last line", flush=True)
        ctypes.string_at(0)

    def _hangs(self) -> None:
        print("still at it", flush=True)
        time.sleep(1000)

    def _starts_others_and_hangs(self) -> None:
        other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        (self.context.directory.parent / "other").write_text(str(other.pid))
        time.sleep(1000)

    def _answers_and_dies(self) -> None:
        threading.Timer(0.3, os._exit, [7]).start()

    def _prints_a_lot(self) -> None:
        for _ in range(200):
            print("x" * 10_000)

    def _notes_a_lot(self) -> None:
        for i in range(100):
            self.context.note(f"note {i}")

    def _tells_its_world(self) -> None:
        known = {"cwd": str(Path.cwd()), "environment": dict(os.environ), "pgid": os.getpgrp(), "pid": os.getpid()}
        known |= {"files": sorted(p.name for p in Path.cwd().iterdir())}
        known |= {"inheritable": [fd for fd in range(64) if _is_open(fd) and os.get_inheritable(fd)]}
        (self.context.directory.parent / "world.json").write_text(json.dumps(known))
        Path("rest").mkdir()
        Path("rest/file").write_text("left behind")
        Path("link").symlink_to("/")


class CounterOptions(KernelOptions):
    steps: int = Field(10**9, description="proposals after which a walker ends")
    slow: float = Field(0.0, description="time that a proposal takes")
    tells: bool = Field(False, description="notes whether it was trusted, and by which version")

    def interface(self) -> Interface:
        return Interface(produces=SAMPLE)


class Counter(Generator):
    """Proposes its own number and how often it has been asked, so that no sample ever comes twice."""

    Options = CounterOptions

    def __init__(self, options: CounterOptions, context) -> None:
        super().__init__(options, context)
        self.count = 0
        self.heard: list[Feedback | None] = []
        self.closed = False

    def propose(self, feedback: Feedback | None) -> Sample | Stop:
        self.heard.append(feedback)
        if feedback is not None and self.options.tells:
            self.context.note(f"trusted {feedback.trusted}, version {feedback.version}")
        time.sleep(self.options.slow)
        if feedback is not None:
            self.count += 1
        if self.count >= self.options.steps:
            return Stop("counted enough")
        return {"x": np.array([float(self.context.index), float(self.count)])}

    def bootstrap(self) -> Sample:
        return {"x": np.array([float(self.context.index), -1.0])}

    def snapshot(self) -> State:
        return {"count": np.array(self.count)}

    def restore(self, state: State) -> None:
        self.count = int(state["count"])

    def close(self) -> None:
        self.closed = True


class CorrelatorOptions(CounterOptions):
    def interface(self) -> Interface:
        return Interface(produces=SAMPLE, covariances=(("energy", "gradient"),))


class Correlator(Counter):
    """Wants to know how the members' energies and gradients go together."""

    Options = CorrelatorOptions


class BandOptions(CounterOptions):
    broken_at: int = Field(-1, description="turn at which an image in the middle is no number")

    def interface(self) -> Interface:
        return Interface(consumes=LABEL.pick(["gradient"]), produces=SAMPLE)


class Band(Counter):
    """Images on a line that slide downhill: all in one turn, in every third turn one alone, which it wants labelled.

    The first one it never wants labelled. Walker *k* has 3 + *k* images and trembles by its own random numbers.
    """

    Options = BandOptions

    def __init__(self, options: BandOptions, context) -> None:
        super().__init__(options, context)
        self._rng = context.rng()
        self._images = np.linspace((-0.6, 1.4), (0.6, 0.0), 3 + context.index)

    def propose(self, feedback):
        if feedback is not None:
            self._slide(feedback)
        self.heard.append(feedback)
        self.count += feedback is not None
        if self.count >= self.options.steps:
            return Stop("slid enough")
        if self.count % 3 == 2:
            return Proposal({"x": self._images[1].copy()}, label=True)
        images = self._images.copy()
        if self.count == self.options.broken_at:
            images[1] = np.nan
        return tuple(Proposal({"x": x}, label=None if k else False) for k, x in enumerate(images))

    def _slide(self, feedback) -> None:
        if isinstance(feedback, tuple):
            gradient = np.array([f.mean["gradient"] for f in feedback])
            moves = -1e-4 * gradient + 0.01 * self._rng.standard_normal(gradient.shape)
            self._images = np.clip(self._images + np.clip(moves, -0.05, 0.05), (-1.7, -0.6), (1.2, 2.0))
        else:
            self._images[1] -= np.clip(1e-4 * feedback.mean["gradient"], -0.05, 0.05)

    def bootstrap(self) -> Sample:
        return {"x": np.array([0.1 * self.context.index, 0.3 - 0.01 * self.count])}

    def snapshot(self) -> State:
        return {**super().snapshot(), "rng": rng.get_state(self._rng), "images": self._images.copy()}

    def restore(self, state: State) -> None:
        super().restore(state)
        rng.set_state(self._rng, state["rng"])
        self._images = np.array(state["images"])


class Unseeded(Counter):
    """Proposes what nobody can repeat."""

    def bootstrap(self) -> Sample:
        return {"x": np.random.default_rng().standard_normal(2)}


class ClumsyOptions(CounterOptions):
    fails: str = Field("", description="method that raises, or 'nan': then what it proposes is no number")
    who: int = Field(-1, description="walker that fails; -1: all of them")
    at: int = Field(0, description="count from which on it fails")


class Clumsy(Counter):
    """Counts, and fails at something."""

    Options = ClumsyOptions

    def _perhaps_fail(self, method: str) -> bool:
        o = self.options
        failing = o.fails == method and o.who in (-1, self.context.index) and self.count >= o.at
        if failing and method != "nan":
            raise RuntimeError(f"no {method} today")
        return failing

    def propose(self, feedback: Feedback | None) -> Sample | Stop:
        proposal = super().propose(feedback)
        self._perhaps_fail("propose")
        if self._perhaps_fail("nan"):
            return {"x": np.array([float(self.context.index), np.nan])}
        return proposal

    def bootstrap(self) -> Sample:
        self._perhaps_fail("bootstrap")
        return super().bootstrap()

    def snapshot(self) -> State:
        self._perhaps_fail("snapshot")
        return super().snapshot()


class Mortal(ToyWalker):
    """Walker 1 of the toy fails when it has heard six verdicts."""

    count = 0

    def propose(self, feedback: Feedback | None) -> Sample | Stop:
        self.count += feedback is not None
        if (self.context.index, self.count) == (1, 6):
            raise RuntimeError("no propose today")
        return super().propose(feedback)

    def snapshot(self) -> State:
        return {**super().snapshot(), "heard": np.array(self.count)}

    def restore(self, state: State) -> None:
        rest = dict(state)
        self.count = int(rest.pop("heard"))
        super().restore(rest)


class ScriptOptions(KernelOptions):
    epochs: int = Field(3, description="epochs of a round")
    stop_at: int = Field(0, description="epoch of a round at which it asks for the end, again and again; 0: never")
    fails: str = Field("", description="method that raises, or what else goes wrong")
    good_epochs: int = Field(0, description="epochs after which training raises or diverges, if that goes wrong")

    def interface(self) -> Interface:
        return Interface(SAMPLE, LABEL)


class Script(Model):
    """Trains so many epochs a round; its weights and predictions are the number of epochs trained."""

    Options = ScriptOptions

    def __init__(self, options: ScriptOptions, context) -> None:
        super().__init__(options, context)
        self.trained = 0.0
        self.held_out: list[bool] = []
        self.points: list[float] = []
        self.loads = 0
        self.closed = self.interrupted = False

    def _perhaps_fail(self, method: str) -> None:
        if self.options.fails == method:
            raise RuntimeError(f"no {method} today")

    def predict(self, batch: Batch) -> Batch:
        self._perhaps_fail("predict")
        if self.options.fails == "one sample" and (batch.columns["x"][:, 0] == UNLUCKY).any():
            raise RuntimeError("no such sample today")
        n = len(batch) - (self.options.fails == "length")
        columns = {"energy": np.full(n, self.trained), "gradient": np.zeros((n, 2)), "more": np.zeros(n)}
        return Batch(LABEL | Schema([Column("more")]), columns, size=n)

    def weights(self) -> State:
        self._perhaps_fail("weights")
        diverged = self.options.fails == "divergence" and self.trained > self.options.good_epochs
        return {"trained": np.array(np.nan if diverged else self.trained)}

    def load(self, weights: State) -> None:
        self._perhaps_fail("load")
        self.trained = float(weights["trained"])
        self.loads += 1

    def extend(self, batch: Batch, validation) -> None:
        self._perhaps_fail("extend")
        self.points += batch.columns["x"][:, 0].tolist()
        self.held_out += validation.tolist()

    def train(self) -> Iterator[Epoch | Stop]:
        self._perhaps_fail("train")
        try:
            for i in range(self.options.epochs):
                while i + 1 == self.options.stop_at:
                    yield Stop("had enough")
                if self.trained >= self.options.good_epochs:
                    self._perhaps_fail("epoch")
                self.trained += 1
                yield Epoch(int(self.trained), {"loss": 1 / self.trained})
        except GeneratorExit:
            self.interrupted = True
            raise

    def close(self) -> None:
        self.closed = True


class Joint(Script):
    """Predicts 100 more together than alone, so that one sees which it was."""

    Options = ScriptOptions

    @classmethod
    def predict_together(cls, members, batch: Batch) -> list[Batch]:
        how = members[0].options.fails
        if how == "together":
            raise ArithmeticError("too many at once")
        outputs = [member.predict(batch) for member in members]
        for output in outputs:
            output.columns["energy"] += 100.0
        if how == "joint nonsense":
            outputs[1].columns["energy"][:] = np.nan
        return outputs[: 1 if how == "joint length" else None]


class Nonsense(Script):
    """Predicts energies that are no numbers."""

    Options = ScriptOptions

    def predict(self, batch: Batch) -> Batch:
        output = super().predict(batch)
        output.columns["energy"][:] = np.nan
        return output


class HalfNonsense(Script):
    """Member 1 predicts a gradient that is no number."""

    Options = ScriptOptions

    def predict(self, batch: Batch) -> Batch:
        output = super().predict(batch)
        if self.context.index == 1:
            output.columns["gradient"][:, 1] = np.inf
        return output


class Moody(Script):
    """Training raises once a round, after an epoch."""

    Options = ScriptOptions
    failed: ClassVar[set[int]] = set()

    def train(self) -> Iterator[Epoch | Stop]:
        epochs = super().train()
        yield next(epochs)
        if len(self.points) not in Moody.failed:
            Moody.failed.add(len(self.points))
            raise ArithmeticError("not in the mood")
        yield from epochs


class JudgeOptions(KernelOptions):
    fails: str = Field("", description="what goes wrong")
    upper: float = Field(100.0, description="energy above which a sample is labelled")


class Judge(Selection):
    """Labels samples whose predicted energy is high; trusts all of them, also predictions that are not finite."""

    Options = JudgeOptions

    def select(self, batch: Batch, committee: Committee) -> Decision:
        if self.options.fails == "select":
            raise RuntimeError("no judgement today")
        energy = committee.mean.columns["energy"]
        n = 1 if self.options.fails == "length" else len(batch)
        label = np.zeros(n, np.int64) if self.options.fails == "indices" else energy[:n] > self.options.upper
        return Decision(label, np.ones(n, np.bool_), energy[:n])

    def rerank(self, queue: Batch, committee: Committee):
        if self.options.fails == "rerank":
            return np.array([0, len(queue)])
        return np.argsort(-committee.mean.columns["energy"])


class CheckOptions(KernelOptions):
    how: str = Field("", description="what goes wrong")
    below: float = Field(0.0, description="energy below which a label is set aside")


class Suspicious(LabelCheck):
    """Objects to low energies; may raise."""

    Options = CheckOptions

    def __init__(self, options: CheckOptions, context) -> None:
        super().__init__(options, context)
        self.admitted: list[float] = []
        if options.how == "build":
            raise ValueError("no check today")

    def check(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        if self.options.how == "check":
            raise ZeroDivisionError("one over nothing")
        if self.options.how == "note":
            self.context.note("had a look")
        return f"energy {float(label['energy']):.1f}" if label["energy"] < self.options.below else None

    def remember(self, sample: Sample, label: Label) -> None:
        if self.options.how == "remember":
            raise ZeroDivisionError("one over nothing")
        self.admitted.append(float(label["energy"]))

    def snapshot(self) -> State:
        if self.options.how == "snapshot":
            raise ZeroDivisionError("one over nothing")
        return {"admitted": np.array(self.admitted)}

    def restore(self, state: State) -> None:
        if self.options.how == "restore":
            raise ZeroDivisionError("one over nothing")
        self.admitted = state["admitted"].tolist()
