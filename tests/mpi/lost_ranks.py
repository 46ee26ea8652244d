"""Ranks that exchange numbered messages as fast as they can while some of them are lost; started by mpiexec.

    lost_ranks.py SECONDS SPARES [kill:N | stop:N | exit:N | hub ...]

Rank 0 is the hub: it talks with every worker, workers also talk with the next one, and the last SPARES ranks wait to
take over. Faults come one after the other. Messages are counted by (sending rank, receiving rank): whatever a rank
gets from another must be 0, 1, 2 and so on. Rank 0 prints what it and the others found, as JSON.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import time
from collections import Counter

import numpy as np

from pal_core import messages as m
from pal_core.transport.doorbell import Doorbell
from pal_core.transport.mpi import MpiTransport, World
from pal_core.transport.wire import Wire

WINDOW = 6
SIZES = (10, 10, 10, 1000, 4000, 30_000, 200_000)
HUB = "hub"


def main() -> None:
    seconds, spares, faults = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    world = World()
    bell = Doorbell(world.share(secrets.token_hex(6) if world.rank == 0 else None), world.rank, range(world.size))
    workers = world.size - spares - 1
    ranks = {HUB: 0} | {f"w{r}": r for r in range(1, workers + 1)}
    ranks |= {f"spare{r}": r for r in range(workers + 1, world.size)}
    transport = MpiTransport(world, Wire([]), ranks, bell)
    pids = [int(text) for text in world._gather(str(os.getpid()))]
    rank = Rank(world, transport, ranks, workers, pids)
    if world.rank == 0:
        rank.lead(seconds, faults)
    else:
        rank.follow()
    if not transport.flush(10.0):
        print(f"rank {world.rank}: not everything was sent", file=sys.stderr)
    transport.close()
    world.leave(0)


class Rank:
    """One rank's conversations."""

    def __init__(self, world, transport, ranks, workers, pids):
        self.world, self.transport, self.ranks, self.pids = world, transport, dict(ranks), pids
        self.workers = workers
        self.me = next(a for a, r in ranks.items() if r == world.rank)
        self.random = np.random.default_rng(world.rank)
        self.sent, self.got, self.heard = Counter(), Counter(), Counter()
        self.ends: dict[int, int] = {}
        self.problems: list[str] = []
        self.lost: dict[int, float] = {}
        self.talking = True

    def peers(self) -> list[str]:
        if self.me == HUB:
            return [f"w{i}" for i in range(1, self.workers + 1)]
        if self.me.startswith("spare"):
            return []
        i = int(self.me[1:])
        return [HUB, f"w{i % self.workers + 1}", f"w{(i - 2) % self.workers + 1}"]

    def talk(self) -> None:
        for peer in self.peers():
            rank = self.ranks[peer]
            if rank in self.lost or self.sent[rank] - self.heard[rank] >= WINDOW:
                continue
            number = self.sent[rank]
            size = int(self.random.choice(SIZES))
            payload = {"ack": np.array(self.got[rank]), "data": np.full(size, number % 251, np.uint8)}
            self.transport.send(peer, self.me, m.Weights(self.world.rank, number, payload))
            self.sent[rank] += 1

    def turn(self) -> list[m.Message]:
        """Take in messages and answer; returns the orders among them."""
        if self.talking:
            self.talk()
        orders = []
        for to, _, message in self.transport.receive():
            if isinstance(message, m.Weights):
                self.take(message)
            elif isinstance(message, m.Note):
                orders.append(message)
            else:
                self.problems.append(f"{to} got {message}")
        for lost in self.transport.lost():
            self.lost[lost] = time.time()
        if not orders:
            self.transport.wait(1e-4)
        return orders

    def take(self, message: m.Weights) -> None:
        source, number = message.member, message.version
        if source in self.lost:
            self.problems.append(f"{self.me}: a message from {source} after its loss")
        if number != self.got[source]:
            self.problems.append(f"{self.me}: number {number} of {source} instead of {self.got[source]}")
        if not (message.state["data"] == number % 251).all():
            self.problems.append(f"{self.me}: number {number} of {source} has other bytes")
        self.got[source] += 1
        self.heard[source] = int(message.state["ack"])

    def follow(self) -> None:
        while True:
            for order in self.turn():
                what, *words = order.text.split()
                if what == "move":
                    address, rank = words[0], int(words[1])
                    self.transport.move(address, rank)
                    self.ranks[address] = rank
                    if rank == self.world.rank:
                        self.me = address
                elif what == "exit":
                    os._exit(1)
                elif what == "stop":
                    self.talking = False
                    sent = {str(r): n for r, n in self.sent.items()}
                    self.report("sent", sent)
                elif what == "ends":
                    self.finish({int(r): n for r, n in json.loads(order.text[5:]).items()})
                    self.report("found", {"problems": self.problems, "lost": self.lost, "got": sum(self.got.values())})
                elif what == "leave":
                    return
            if 0 in self.lost:
                print(f"rank {self.world.rank} leaves, the hub is lost", flush=True)
                self.world.leave(1)

    def report(self, what: str, content: object) -> None:
        self.transport.send(HUB, f"spare{self.world.rank}", m.Note(what, json.dumps([self.world.rank, content])))

    def finish(self, wanted: dict[int, int]) -> None:
        """Wait for the last messages of all living."""
        end = time.time() + 10
        while time.time() < end and any(self.got[r] < n for r, n in wanted.items()):
            self.turn()
        for r, n in wanted.items():
            if self.got[r] != n:
                self.problems.append(f"{self.me}: {self.got[r]} messages of {n} from {r}")

    def order(self, ranks, text: str) -> None:
        """Orders go to ranks, whatever their address is now."""
        for rank in ranks:
            address = next(a for a, r in self.ranks.items() if r == rank)
            self.transport.send(address, HUB, m.Note("order", text))

    def living(self) -> list[int]:
        return [r for r in range(1, self.world.size) if r not in self.lost]

    def lead(self, seconds: float, faults: list[str]) -> None:
        begin, notices = time.time(), {}
        spares = list(range(self.workers + 1, self.world.size))
        pause = seconds / (len(faults) + 1)
        for fault in faults:
            self.go_on(begin + pause)
            begin, victim = time.time(), 0
            if fault == "hub":
                print(json.dumps({"pids": self.pids}), flush=True)
                time.sleep(0.5)  # mpiexec has to read it
                os.kill(os.getpid(), signal.SIGKILL)
            kind, victim = fault.split(":")[0], int(fault.split(":")[1])
            if kind == "exit":
                self.order([victim], "exit")
            else:
                os.kill(self.pids[victim], signal.SIGSTOP if kind == "stop" else signal.SIGKILL)
            while victim not in self.lost and time.time() < begin + 8:
                self.turn()
            notices[f"{fault}"] = self.lost.get(victim, float("inf")) - begin
            for address in [a for a, r in self.ranks.items() if r == victim]:
                spare = spares.pop(0)
                self.order(self.living(), f"move {address} {spare}")
                self.transport.move(address, spare)
                self.ranks[address] = spare
                self.ranks.pop(f"spare{spare}", None)
        self.go_on(begin + pause)
        self.talking = False
        self.order(self.living(), "stop")
        sent = self.collect("sent")
        self.finish({r: n.get("0", 0) for r, n in sent.items()})
        for rank in self.living():
            wanted = {r: n[str(rank)] for r, n in sent.items() if str(rank) in n} | {0: self.sent[rank]}
            self.order([rank], "ends " + json.dumps(wanted))
        found = self.collect("found")
        self.order(self.living(), "leave")
        problems = self.problems + [p for f in found.values() for p in f["problems"]]
        late = {r: f["lost"] for r, f in found.items()}
        total = sum(self.got.values()) + sum(f["got"] for f in found.values())
        result = {"problems": problems, "notices": notices, "lost": sorted(self.lost), "messages": total}
        result |= {"seen": {r: sorted(map(int, s)) for r, s in late.items()}, "living": self.living()}
        print(json.dumps(result), flush=True)

    def go_on(self, until: float) -> None:
        while time.time() < until:
            self.turn()

    def collect(self, what: str) -> dict[int, dict]:
        answers: dict[int, dict] = {}
        end = time.time() + 15
        while set(self.living()) - set(answers) and time.time() < end:
            for note in self.turn():
                rank, content = json.loads(note.text)
                answers[rank] = content
        if missing := set(self.living()) - set(answers):
            self.problems.append(f"no answer ({what}) from {sorted(missing)}")
        return answers


if __name__ == "__main__":
    main()
