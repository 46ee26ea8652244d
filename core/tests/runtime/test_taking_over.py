"""Hosts that a spare rank takes over: what they get, what they leave alone, and that nothing counts twice."""

from __future__ import annotations

from test_training import ended, recall, release, trainer, work
from worlds import Outbox, make_host, make_setup, odd, points, work_until

from pal_core import messages as m
from pal_core.control import vocabulary as v
from pal_core.runtime.oracle import OracleHost
from pal_core.runtime.plan import Processes
from pal_core.runtime.replacing import Replacing
from pal_core.runtime.training import TrainingHost

SCRIPT = {"kernel": odd("Script"), "members": 2, "options": {}}
EVERYTHING = {"kernel": "pal.all", "options": {}}


def taken_over(kind, setup, address: str, times: int = 1):
    """A host that another rank builds anew, and its outbox."""
    host, out = make_host(kind, setup, address)
    host.times = times
    host.start()
    return host, out


class TestOracle:
    """Programs of the lost one may live some seconds longer."""

    def test_label_is_made_in_another_directory(self, tmp_path):
        setup = make_setup(tmp_path)
        (tmp_path / "run/scratch/oracle-0").mkdir(parents=True)
        (tmp_path / "run/scratch/oracle-0/output").touch()
        host, out = taken_over(OracleHost, setup, "oracle/0")
        host.receive("manager", m.Label(1, 2, points(1)))
        work_until(host, out, m.Labelled)
        assert (tmp_path / "run/scratch/oracle-0/output").exists()
        assert (tmp_path / "run/scratch/oracle-0-1").is_dir()
        host.close()

    def test_every_time_in_another_one(self, tmp_path):
        hosts = [make_host(OracleHost, make_setup(tmp_path), "oracle/0")[0] for _ in range(3)]
        for times, host in enumerate(hosts):
            host.times = times
        assert len({host.scratch for host in hosts}) == 3


class TestTrainer:
    """Every label reaches a model once."""

    def anew(self, folder):
        setup = make_setup(folder, model={**SCRIPT, "members": 1}, selection=EVERYTHING)
        return taken_over(TrainingHost, setup, "training/0")

    def test_labels_that_come_before_it_is_told_everything_are_told_again(self, tmp_path):
        host, out = self.anew(tmp_path)
        host.receive("manager", release(2))
        assert work(host) == 0
        host.receive("manager", recall(1))
        host.receive("manager", release(2))
        work(host)
        assert ended(out) == [2]
        assert host._members[0].model.points == [1] * 4 + [2] * 4

    def test_round_that_it_has_been_told_of_is_no_news(self, tmp_path):
        host, out = self.anew(tmp_path)
        host.receive("manager", recall(2))
        for number in (2, 3, 3):
            host.receive("manager", release(number))
        work(host)
        assert ended(out) == [3]
        assert host._members[0].model.points == [1] * 4 + [2] * 4 + [3] * 4

    def test_one_of_a_run_without_any_round_takes_the_first(self, tmp_path):
        host, out = self.anew(tmp_path)
        host.receive("manager", m.Recall(0, release(1, 0).batch, release(1, 0).validation, release(1, 0).score))
        host.receive("manager", release(1))
        work(host)
        assert ended(out) == [1]
        assert host._members[0].model.points == [1] * 4

    def test_snapshot_of_the_first_round_is_restored_only_once_there_are_labels(self, tmp_path):
        host, _ = trainer(tmp_path, training={"publish_every": 1})
        host.receive("manager", release(1))
        work(host, turns=3)
        host.receive("manager", m.Halt(set=1))
        host, _ = trainer(tmp_path, past=1)
        host.receive("manager", m.Recall(0, release(1, 0).batch, release(1, 0).validation, release(1, 0).score))
        assert host._members[0].model.loads == 0
        host.receive("manager", release(1))
        work(host, turns=1)
        assert host._members[0].model.loads == 1

    def test_what_the_manager_sends_meanwhile_and_then_adds_up(self, story):
        s = story(training={"retrain_after": 4}, model=SCRIPT, selection=EVERYTHING, spares=1).explore()
        s.lose("training/0")
        s.select(*[5.0] * 4)
        while s.flying:
            s.label(*s.flying[0])
        s.say("training/0", m.Ready())
        sent = [x for x in s.out.to("training/0") if isinstance(x, m.Train | m.Recall)]
        assert [type(x) for x in sent] == [m.Train, m.Recall, m.Train]
        host, _ = taken_over(TrainingHost, s.setup, "training/0")
        for message in sent:
            host.receive("manager", message)
            work(host)
        assert sorted(host._members[0].model.points) == sorted(s.store.samples(range(1, 17)).columns["x"][:, 0])


class TestManager:
    """Whom it tells what."""

    def test_spare_is_told_to_take_over_before_others_hear_of_it_and_every_rank_hears(self, tmp_path):
        setup = make_setup(tmp_path, Processes(2, 1, 1, 1, 1, 2))
        out = Outbox()
        replacing = Replacing(setup.plan, out)
        event = replacing.lost(setup.plan.ranks["oracle/0"])
        assert isinstance(event, v.HostsLost)
        replacing.replace(event.hosts)
        told = [to for to, x in out if isinstance(x, m.Moved)]
        dead = setup.plan.ranks["oracle/0"]
        assert {setup.plan.ranks[to] for to in told} == set(setup.plan.ranks.values()) - {dead}
        kinds = [type(x) for _, x in out]
        assert kinds.index(m.Take) < kinds.index(m.Moved)

    def test_its_own_message_that_a_host_has_moved_is_no_news(self, story):
        s = story().explore()
        s.host._heard.clear()
        s.say("manager", m.Moved(("oracle/0",), 7))
        s.tick(10_000.0)
        assert s.host.outcome is None

    def test_machine_hears_which_walkers_live_again(self, tmp_path):
        setup = make_setup(tmp_path, Processes(1, 1, 2, 1, 1, 1))
        replacing = Replacing(setup.plan, Outbox())
        event = replacing.lost(setup.plan.ranks["generator/1"])
        assert event is not None
        assert (event.hosts, event.walkers) == (("generator/1",), (2, 3))
        event = replacing.lost(setup.plan.ranks["oracle/0"])
        assert event is not None
        assert event.walkers == ()
