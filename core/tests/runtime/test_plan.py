"""Who runs where."""

from __future__ import annotations

import pytest
from worlds import plugins, toy

from pal_core.runtime.plan import PlanError, Processes, count_processes, make_plan
from pal_core.settings.load import from_dict


@pytest.fixture
def settings(tmp_path):
    def make(**tables):
        return from_dict(toy(**tables), tmp_path, plugins()).settings

    return make


def roles(plan, of: str = "") -> list[tuple]:
    return [(p.address, p.rank, p.indices) for p in plan.parts if not of or p.role == of]


class TestCounting:
    """Ranks of every role."""

    @pytest.mark.parametrize(
        ("cores", "found"),
        [
            (1, Processes(1, 1, 1, 1, 1)),
            (8, Processes(1, 1, 1, 2, 2)),
            (64, Processes(1, 2, 1, 16, 2)),
        ],
    )
    def test_roles_left_out_are_chosen_for_the_machine(self, settings, cores, found):
        assert count_processes(settings(), cores) == found

    def test_given_numbers_count_zero_too(self, settings):
        asked = settings(
            run={"controllers": 2},
            generator={"processes": 3},
            model={"processes": 0},
            training={"processes": 2},
            oracle={"processes": 5},
        )
        found = count_processes(asked, 64)
        assert found == Processes(2, 0, 3, 5, 2)
        assert found.size == 12

    def test_run_without_oracle_and_training(self, settings):
        found = count_processes(settings(oracle=None, training=None, data=None, stop=None), 8)
        assert found == Processes(1, 1, 1, None, None)
        assert found.size == 3

    def test_ranks_left_over_in_an_allocation_become_oracles(self, settings):
        assert count_processes(settings(), 8, size=20) == Processes(1, 1, 1, 15, 2)

    def test_oracles_yield_if_the_allocation_is_small(self, settings):
        assert count_processes(settings(), 64, size=7) == Processes(1, 2, 1, 1, 2)

    @pytest.mark.parametrize(("size", "oracles"), [(6, None), (30, 4)])
    def test_allocation_that_does_not_fit_is_refused_with_both_numbers(self, settings, size, oracles):
        table = {} if oracles is None else {"processes": oracles}
        with pytest.raises(PlanError) as error:
            count_processes(settings(oracle=table), 64, size=size)
        wanted = 6 + (16 if oracles is None else oracles)
        counts = f"(controller 1, prediction 2, generator 1, oracle {oracles or 16}, training 2)"
        assert error.value.message == f"the settings ask for {wanted} ranks {counts}, {size} were started"
        assert f"start {wanted} ranks, or change `processes`" in error.value.hint
        assert error.value.exit_code == 2


class TestDealing:
    """Walkers and members on ranks."""

    def test_every_role_has_its_ranks_and_every_thing_one_place(self, settings):
        plan = make_plan(settings(generator={"walkers": 7}, model={"members": 3}), Processes(1, 2, 3, 2, 2))
        assert roles(plan) == [
            ("manager", 0, ()),
            ("exchange", 0, ()),
            ("prediction/0", 1, (0,)),
            ("prediction/1", 2, (1, 2)),
            ("generator/0", 3, (0, 1)),
            ("generator/1", 4, (2, 3)),
            ("generator/2", 5, (4, 5, 6)),
            ("oracle/0", 6, (0,)),
            ("oracle/1", 7, (1,)),
            ("training/0", 8, (0,)),
            ("training/1", 9, (1, 2)),
        ]
        assert plan.size == 10
        assert plan.ranks["oracle/1"] == 7
        assert plan.hosts_of_member(2) == ("prediction/1",)
        assert plan.on(0) == plan.parts[:2]
        assert plan.addresses("training") == ("training/0", "training/1")

    def test_exchange_may_have_a_rank_of_its_own(self, settings):
        plan = make_plan(settings(), Processes(2, 1, 1, 1, 1))
        assert (plan.ranks["manager"], plan.ranks["exchange"], plan.ranks["prediction/0"]) == (0, 1, 2)

    def test_roles_without_ranks_share_the_controllers(self, settings):
        plan = make_plan(settings(), Processes(1, 0, 0, 0, 1))
        assert plan.ranks == {
            "manager": 0, "exchange": 0, "prediction/0": 0, "generator/0": 0, "oracle/0": 0, "training/0": 1
        }  # fmt: skip
        assert plan.role("generator")[0].indices == (0, 1, 2, 3)

    def test_roles_that_are_not_there_have_no_part(self, settings):
        plan = make_plan(settings(oracle=None, training=None, data=None, stop=None), Processes(1, 1, 1, None, None))
        assert {p.role for p in plan.parts} == {"manager", "exchange", "prediction", "generator"}

    def test_plan_needs_as_many_nodes_as_ranks(self, settings):
        with pytest.raises(PlanError, match="5 ranks are needed, 4 were started"):
            make_plan(settings(), Processes(1, 1, 1, 1, 1), ["n"] * 4)


class TestGpus:
    """Devices are dealt out on every node."""

    def test_ranks_of_a_node_take_its_gpus_in_turn(self, settings):
        asked = settings(model={"members": 5, "gpus": [0, 1]}, training={"gpus": [3]})
        plan = make_plan(asked, Processes(1, 5, 1, 1, 2), ["a", "a", "a", "a", "b", "b", "b", "b", "b", "b"])
        assert [(plan.nodes[p.rank], p.gpu) for p in plan.role("prediction")] == [
            ("a", 0), ("a", 1), ("a", 0), ("b", 0), ("b", 1)
        ]  # fmt: skip
        assert [p.gpu for p in plan.role("training")] == [3, 3]
        assert {p.gpu for p in plan.parts if p.role not in ("prediction", "training")} == {None}

    def test_without_gpus_there_is_none(self, settings):
        assert {p.gpu for p in make_plan(settings(), Processes(1, 1, 1, 1, 1)).parts} == {None}


class TestPlacement:
    """Rules for nodes."""

    RULES = (
        {"match": "gpu*", "oracle": 0, "generator": 0, "training": 1},
        {"match": "cpu*", "model": 0, "training": 0},
    )

    def test_rules_are_obeyed_on_every_node(self, settings):
        nodes = ["gpu1"] * 4 + ["cpu1"] * 3 + ["gpu2"] + ["cpu2"] * 2
        asked = settings(model={"members": 4}, placement=list(self.RULES))
        plan = make_plan(asked, Processes(1, 2, 2, 3, 2), nodes)
        where = {
            role: [plan.nodes[p.rank] for p in plan.role(role)]
            for role in ("prediction", "generator", "oracle", "training")
        }
        assert where == {
            "prediction": ["gpu1", "gpu1"],
            "generator": ["cpu1", "cpu1"],
            "oracle": ["cpu1", "cpu2", "cpu2"],
            "training": ["gpu1", "gpu2"],
        }
        assert sorted(p.rank for p in plan.parts) == [0, *range(10)]

    def test_first_rule_that_matches_counts(self, settings):
        rules = [{"match": "n1", "oracle": 1}, {"match": "n*", "oracle": 0}]
        plan = make_plan(settings(placement=rules), Processes(1, 1, 1, 1, 1), ["n0", "n0", "n0", "n1", "n2"])
        assert plan.nodes[plan.ranks["oracle/0"]] == "n1"

    def test_rules_say_nothing_before_nodes_are_known(self, settings):
        rules = [{"match": "*", "oracle": 0}]
        assert make_plan(settings(placement=rules), Processes(1, 1, 1, 1, 1)).ranks["oracle/0"] == 3

    def test_rank_without_a_role_is_refused_with_node_and_what_is_left(self, settings):
        rules = [{"match": "cpu", "model": 0, "generator": 1, "oracle": 1, "training": 0}]
        with pytest.raises(PlanError) as error:
            make_plan(settings(placement=rules), Processes(1, 1, 1, 2, 1), ["gpu"] * 2 + ["cpu"] * 4)
        assert error.value.message == (
            "[[placement]] doesn't fit node cpu: its rule and its ranks don't agree; still to be placed: 1 of oracle, "
            "1 of training"
        )
        assert error.value.hint.startswith("ranks per node: gpu 2, cpu 4; change the rule that matches cpu")

    def test_stated_numbers_are_placed_before_ranks_are_filled_up(self, settings):
        rules = [{"match": "n1", "oracle": 2}]
        plan = make_plan(settings(placement=rules), Processes(1, 1, 1, 3, 2), ["n1"] * 4 + ["n2"] * 4)
        assert [plan.nodes[plan.ranks[a]] for a in plan.addresses("oracle")].count("n1") == 2

    def test_stated_number_that_has_no_room_or_no_ranks_is_refused(self, settings):
        for oracle, processes in ((4, Processes(1, 1, 1, 4, 1)), (2, Processes(1, 2, 2, 1, 2))):
            with pytest.raises(PlanError, match="doesn't fit node n1"):
                make_plan(settings(placement=[{"match": "n1", "oracle": oracle}]), processes, ["n1"] * 4 + ["n2"] * 4)
