"""A shuffling network and the hosts on it: walkers, predictors, trainers and oracles without any kernel.

Messages of one sender to one receiver keep their order, everything else is shuffled by a seeded generator. A host that
takes its time sends itself a message.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any


class Network:
    """Links between pairs of hosts, each first in, first out."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.links: dict[tuple[str, str], deque[tuple[Any, ...]]] = {}

    def send(self, sender: str, to: str, *message: Any) -> None:
        self.links.setdefault((sender, to), deque()).append(message)

    def take(self) -> tuple[str, str, tuple[Any, ...]] | None:
        """The next message of a random link."""
        if not self.links:
            return None
        link = self.rng.choice(list(self.links))
        message = self.links[link].popleft()
        if not self.links[link]:
            del self.links[link]
        return *link, message

    def cut(self, host: str) -> None:
        """The process of a host has died: nothing from it or to it arrives any more."""
        self.links = {link: messages for link, messages in self.links.items() if host not in link}


class Host:
    """What simulated hosts have in common: they halt once, and do nothing but halt once they are broken."""

    tells = ("manager",)

    def __init__(self, name: str, network: Network) -> None:
        self.name = name
        self.network = network
        self.rng = network.rng
        self.halted = self.broken = False

    def send(self, to: str, *message: Any) -> None:
        self.network.send(self.name, to, *message)

    def receive(self, sender: str, what: str, *rest: Any) -> None:
        if what == "break" and not self.halted:
            self.broken = True
            self.send("manager", "broken")
        elif what == "halt" and not self.halted:
            self.halted = True
            for to in self.tells:
                self.send(to, "halted")
        elif not self.halted and not self.broken:
            getattr(self, what)(*rest)


class Walkers(Host):
    """A generator host; each walker ends after as many proposals as `lives` says."""

    tells = ("exchange", "manager")

    def __init__(self, name: str, network: Network, lives: list[int], first: int, seq: int = 0) -> None:
        super().__init__(name, network)
        self.lives = list(lives)
        self.first = first
        """Number of its first walker in the whole run."""
        self.idle = list(range(len(lives)))
        self.flying: dict[int, list[int]] = {}
        self.seq = seq

    def bootstrap(self, count: int) -> None:
        for _ in range(count):
            self.send("manager", "candidate", self.first + self.rng.choice(range(len(self.lives))))

    def work(self) -> None:
        """Some walkers are ready before others."""
        some = self.rng.sample(self.idle, self.rng.randint(1, len(self.idle))) if self.idle else []
        self.idle = [w for w in self.idle if w not in some]
        ended = tuple(self.first + w for w in some if self.lives[w] == 0)
        going = [w for w in some if self.lives[w] != 0]
        if ended:
            self.send("exchange", "gone", ended)
        if going:
            for walker in going:
                self.lives[walker] -= 1
            images = sum(self.rng.choice((1, 1, 3)) for _ in going)
            self.send("exchange", "proposals", self.seq, images, len(going))
            self.flying[self.seq] = going
            self.seq += 1
        if self.idle:
            self.send(self.name, "work")

    def verdicts(self, seq: int) -> None:
        self.idle += self.flying.pop(seq, [])  # of an earlier life, if unknown
        self.send(self.name, "work")

    def save(self, number: int) -> None:
        self.send("manager", "saved", number)


class Predictor(Host):
    """A prediction host."""

    tells = ("exchange", "manager")

    def predict(self, batch: int) -> None:
        self.send(self.name, "answer", batch)

    def answer(self, batch: int) -> None:
        self.send("exchange", "prediction", batch)


class Trainer(Host):
    """A training host with one member, which asks to stop after `patience` rounds."""

    def __init__(self, name: str, network: Network, member: int, patience: int) -> None:
        super().__init__(name, network)
        self.member = member
        self.patience = patience
        self.newest = self.running = self.rounds = 0
        self.finishing = self.said = False

    def save(self, number: int) -> None:
        self.send("manager", "saved", number)

    def train(self, number: int) -> None:
        self.newest = number
        self._begin()

    def finish(self) -> None:
        self.finishing = True
        self._begin()

    def _begin(self) -> None:
        if self.running:
            return
        if self.newest > self.rounds:
            self.running = self.newest
            self.send("manager", "began", self.running)
            self.send(self.name, "end")
        elif self.finishing and not self.said:
            self.said = True
            self.send("manager", "trained")

    def end(self) -> None:
        self.rounds, self.running = self.running, 0
        self.send("manager", "ended round", self.rounds)
        self.patience -= 1
        if self.patience == 0:
            self.send("manager", "asks stop", self.member)
        self._begin()


class Oracle(Host):
    """An oracle host: fails now and then, and sometimes says so twice."""

    def inspect(self) -> None:
        self.send("manager", "inspected")

    def label(self, sample: int, attempt: int) -> None:
        self.send(self.name, "done", sample, attempt)

    def done(self, sample: int, attempt: int) -> None:
        fate = self.rng.choices(["labelled", "refused", "missed", "invalid"], [40, 1, 4, 1])[0]
        for _ in range(self.rng.choice([1, 1, 1, 2])):
            self.send("manager", fate, sample, attempt)
