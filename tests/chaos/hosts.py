"""Hosts of walkers, predictors, trainers and oracles, with service times instead of kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from session import Session

__all__ = ["LIFE", "Host", "Oracle", "Predictor", "Trainer", "Walkers", "make"]

LIFE = 10**6
"""A generator host counts the chunks of every life from a multiple of this on."""


class Host:
    """What all hosts do: build, save, halt."""

    tells: tuple[str, ...] = ("manager",)

    def __init__(self, session: Session, name: str, life: int) -> None:
        self.session = session
        self.name = name
        self.life = life
        self.halted = False
        self.rng = session.rng
        self.stuck = self.rng.random() < session.scenario.stuck

    def hears(self, sender: str, life: int) -> bool:
        return not self.halted

    @property
    def alive(self) -> bool:
        return self.session.network.hosts.get(self.name) is self and not self.halted

    def tell(self, what: str, *rest: Any, to: str = "manager", twice: bool = True) -> None:
        self.session.network.send(self, to, what, *rest, twice=twice)

    def after(self, seconds: float, what: str, *rest: Any) -> None:
        """Do something later, if alive."""
        self.session.clock.after(seconds, self._later, what, rest)

    def _later(self, what: str, rest: tuple[Any, ...]) -> None:
        if self.alive:
            getattr(self, what)(*rest)

    def build(self) -> None:
        self.after(self.rng.uniform(1.0, 60.0), "tell", "ready")

    def state(self) -> int:
        """What a snapshot holds."""
        return 0

    def save(self, sender: str, number: int) -> None:
        self.after(self.rng.uniform(0.1, 30.0), "_save", number)

    def _save(self, number: int) -> None:
        self.tell("saved", number, self.session.write(self, number))

    def halt(self, sender: str, number: int) -> None:
        if self.stuck:
            self.session.faults["host that never halts"] += 1
            return
        saved = self.session.write(self, number) if number else False
        for to in self.tells:
            self.tell("has_halted", saved, to=to)
        self.halted = True


class Oracle(Host):
    """Labels take hours; some fail, hang, are refused, or can't be made at all."""

    factor = 1.0

    def inspect(self, sender: str) -> None:
        self.after(self.rng.uniform(1.0, 30.0), "tell", "inspected")

    def label(self, sender: str, sample: int, attempt: int, size: int) -> None:
        s, rng = self.session.scenario, self.rng
        self.session.watch.computes(self, sample)
        seconds = s.label * (size / 10) ** 0.5 * rng.lognormvariate(0.0, 0.5) * self.factor
        seconds *= 50.0 if rng.random() < s.slow else 1.0
        limit = s.plan.label_limit - 600.0
        rates = {"hung": s.hang, "failed": s.failing, "invalid": s.invalid, "nan": s.nan}
        good = 1.0 - sum(rates.values())
        what = rng.choices([*rates, "good"], [*rates.values(), good])[0]
        if what == "hung" or seconds > limit:
            seconds, what = limit, "hung"
        self.after(seconds * (rng.random() if what in ("failed", "invalid") else 1.0), what, sample, attempt, seconds)

    def _end(self, sample: int) -> None:
        self.session.watch.rests(self, sample)

    def hung(self, sample: int, attempt: int, seconds: float) -> None:
        self._fail("hung oracle or timeout", sample, attempt, False)

    def failed(self, sample: int, attempt: int, seconds: float) -> None:
        self._fail("failed label", sample, attempt, False)

    def invalid(self, sample: int, attempt: int, seconds: float) -> None:
        self._fail("invalid sample", sample, attempt, True)

    def _fail(self, what: str, sample: int, attempt: int, final: bool) -> None:
        self.session.faults[what] += 1
        self._end(sample)
        self.tell("missed", sample, attempt, final)

    def nan(self, sample: int, attempt: int, seconds: float) -> None:
        self.session.faults["NaN label"] += 1
        self._finish(sample, attempt, seconds, False)

    def good(self, sample: int, attempt: int, seconds: float) -> None:
        self._finish(sample, attempt, seconds, True)

    def _finish(self, sample: int, attempt: int, seconds: float, good: bool) -> None:
        self._end(sample)
        entry = self.session.journal.write(sample, self.name, good)
        self.tell("labelled", sample, attempt, seconds, entry)


class Predictor(Host):
    """Answers batches one after the other."""

    tells = ("exchange", "manager")

    def predict(self, sender: str, batch: int, size: int) -> None:
        slow = 50.0 if self.rng.random() < 0.01 else 1.0
        self.after(self.session.scenario.predict * size * slow / 100, "tell_predicted", batch)

    def tell_predicted(self, batch: int) -> None:
        self.tell("predicted", batch, to="exchange")


class Walkers(Host):
    """All walkers of a host take a turn and propose together; now and then one ends, or is disabled."""

    tells = ("exchange", "manager")

    def __init__(self, session: Session, name: str, life: int) -> None:
        super().__init__(session, name, life)
        self.first = int(name.partition("/")[2]) * session.scenario.walkers
        self.left = session.scenario.walkers
        self.seq = life * LIFE
        self.steps = session.restored(name)
        self.waits: dict[int, int] = {}

    def state(self) -> int:
        return self.steps

    def bootstrap(self, sender: str, count: int) -> None:
        for _ in range(count):
            self.after(self.rng.uniform(1.0, 600.0), "_candidate")

    def _candidate(self) -> None:
        self.tell("candidate", self.first + self.rng.randrange(self.left), self.session.size(), twice=False)

    def explore(self, sender: str) -> None:
        self._turn(self.left)

    def _turn(self, walkers: int) -> None:
        self.after(self.session.scenario.turn * self.rng.lognormvariate(0.0, 0.3), "_propose", walkers)

    def _propose(self, walkers: int) -> None:
        if self.left > 1 and self.rng.random() < 0.001:
            self.left, walkers = self.left - 1, walkers - 1
            self.tell("gone", (self.first + self.left,), self.rng.random() < 0.5, to="exchange")
        if not walkers:
            return
        self.steps += walkers
        self.waits[self.seq] = walkers
        images = sum(self.rng.randint(2, 9) for _ in range(walkers) if self.rng.random() < self.session.scenario.bands)
        self.tell("proposals", self.seq, walkers + images, walkers, to="exchange")
        self.seq += 1

    def verdicts(self, sender: str, seq: int) -> None:
        self.session.watch.answered(self.name, seq, seq in self.waits)
        self._turn(self.waits.pop(seq))


class Trainer(Host):
    """Trains on all that was released; weights are on disk when a round ends."""

    def __init__(self, session: Session, name: str, life: int) -> None:
        super().__init__(session, name, life)
        self.newest = self.over = session.store.weights.get(name, 0)
        self.running = 0
        self.finishing = False

    def state(self) -> int:
        return self.over

    def train(self, sender: str, number: int) -> None:
        self.newest = max(self.newest, number)
        self._begin()

    def finish(self, sender: str, limit: float) -> None:
        self.finishing = True
        self.after(limit, "_give_up")
        self._begin()

    def _give_up(self) -> None:
        self.running = 0
        self.tell("trained")

    def _begin(self) -> None:
        if self.running:
            return
        if self.newest > self.over:
            self.running = self.newest
            self.tell("began", self.running)
            self.after(self.session.scenario.train * self.rng.lognormvariate(0.0, 0.5), "_end", self.running)
        elif self.finishing:
            self.tell("trained")

    def _end(self, number: int) -> None:
        if number != self.running:
            return
        self.running, self.over = 0, number
        self.session.store.weights[self.name] = number
        self.tell("ended", number)
        self._begin()


def make(session: Session, name: str, life: int) -> Host:
    """The host of this name."""
    kinds: dict[str, type[Host]] = {"oracle": Oracle, "generator": Walkers, "training": Trainer}
    return kinds.get(name.partition("/")[0], Predictor)(session, name, life)
