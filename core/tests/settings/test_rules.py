"""What ties one table to another, and kernels to each other."""

from __future__ import annotations

import pytest

from pal_core.settings.load import from_dict


def test_misplaced_keys_are_sent_to_their_table(problems, toy):
    toy["generator"]["temperature"] = 3
    toy["generator"]["options"] = {"walkers": 3}
    toy["labels"] = 3
    assert sorted(problems(toy)) == [
        "generator.options.walkers: unknown key; it belongs in [generator], not in the options of pal.toy-walker",
        "generator.temperature: unknown key; it is an option of the kernel: write it in [generator.options]",
        "labels: unknown key; it belongs in [stop]",
    ]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("generator", "x", "generator: found 'x', expected a table"),
        ("check", {"kernel": "pal.finite"}, "check: found a table, expected an array of tables; write [[check]]"),
        ("check", ["pal.finite"], "check[0]: found 'pal.finite', expected a table"),
        ("check", [{}], "check[0].kernel: found nothing, expected a value"),
        ("selection", 3, "selection: found 3, expected a table"),
        ("oracle", {"kernel": 3}, "oracle.kernel: found 3, expected a string"),
    ],
)
def test_wrong_tables_are_explained(problems, toy, name, value, message):
    toy[name] = value
    assert any(p.startswith(message) for p in problems(toy))


def test_wrong_role_names_both_roles(problems, toy):
    toy["oracle"]["kernel"] = "pal.toy-model"
    assert problems(toy) == [
        "oracle.kernel: found 'pal.toy-model', a model of pal, expected an oracle; did you mean 'pal.toy-oracle'?"
    ]


def test_missing_package_is_named(problems, toy):
    toy["model"]["kernel"] = "schnet.committee"
    assert problems(toy) == [
        "model.kernel: found 'schnet.committee', expected a model of an installed plugin; pip install pal-schnet"
    ]


def test_kernels_that_do_not_fit_name_each_other(problems, toy, tmp_path):
    (tmp_path / "a.xyz").touch()
    toy["generator"] = {"kernel": "fake.walker", "options": {"structure": "a.xyz"}}
    toy["oracle"] = {"kernel": "fake.oracle", "options": {"field": "energies"}}
    toy["check"] = [{"kernel": "fake.check"}]
    toy["data"] = {"initial": ["a.npz"]}
    (tmp_path / "a.npz").touch()
    assert sorted(problems(toy)) == [
        "check[0].kernel: found labels of oracle 'fake.oracle' with energies float64(), "
        "expected forces float64(atoms, 3) [eV/Å], which check 'fake.check' reads",
        "check[0].kernel: found samples of generator 'fake.walker' with x float64(2), "
        "expected image float64(8, 8), which check 'fake.check' reads",
        "generator.kernel: found predictions of model 'pal.toy-model' with energy float64(), gradient float64(2), "
        "expected forces float64(atoms, 3) [eV/Å], which generator 'fake.walker' reads",
        "oracle.kernel: found labels of oracle 'fake.oracle' with energies float64(), "
        "expected energy float64(), gradient float64(2), which model 'pal.toy-model' learns",
    ]


@pytest.mark.parametrize("pair", [("gradient", "energy"), ("energy", "forces")])
def test_covariance_that_nothing_predicts_is_refused(pair, problems, toy, tmp_path):
    (tmp_path / "a.xyz").touch()
    toy["generator"] = {"kernel": "fake.correlator", "options": {"structure": "a.xyz", "pair": list(pair)}}
    (problem,) = (p for p in problems(toy) if "covariance" in p)
    assert problem == (
        "generator.kernel: found predictions of model 'pal.toy-model' with energy float64(), gradient float64(2), "
        f"expected a number {pair[0]} and a field {pair[1]}, whose covariance generator 'fake.correlator' reads"
    )


def test_model_and_oracle_that_cannot_read_the_samples(problems, toy, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from pal_core.data import Field, Schema\n"
        "from pal_core.kernels import Generator\n"
        "from pal_core.options import Interface\n"
        "class Mine(Generator):\n"
        "    interface = Interface(produces=Schema([Field('x', 'float32', (2,))]))\n"
        "    def propose(self, feedback):\n"
        "        return {}\n"
    )
    toy["generator"] = {"kernel": "mine.py:Mine"}
    there = "found samples of generator 'mine.py:Mine' with x float32(2), expected x float64(2), which"
    assert sorted(problems(toy)) == [
        "generator.kernel: found generator 'mine.py:Mine', which proposes nothing without a model, "
        "expected a generator that can bootstrap; "
        "name labelled files in data.initial, or start from trained weights (model.trained)",
        f"model.kernel: {there} model 'pal.toy-model' reads",
        f"oracle.kernel: {there} oracle 'pal.toy-oracle' reads",
    ]


def test_label_that_means_something_else_than_the_sample_field_is_refused(problems, toy):
    toy["oracle"] = {"kernel": "fake.oracle", "options": {"field": "x"}}
    assert (
        "oracle.kernel: labels of oracle 'fake.oracle' that can't stand beside samples of generator 'pal.toy-walker': "
        "two meanings of one field: x float64(2) and x float64()"
    ) in problems(toy)


def test_threshold_on_a_field_that_nothing_predicts(problems, toy):
    toy["selection"]["options"]["field"] = "forces"
    assert problems(toy) == [
        "selection.options.field: found predictions of model 'pal.toy-model' with energy float64(), "
        "gradient float64(2), expected forces, which selection 'pal.threshold' reads"
    ]


def test_training_without_labels_is_refused(problems, toy):
    del toy["oracle"], toy["stop"]
    assert problems(toy) == [
        "training: found a table, expected no [training], since nothing gives labels; "
        "add an [oracle], name labelled files in data.initial, or leave [training] out"
    ]


def test_oracle_without_training_collects_labels(host, toy, tmp_path):
    del toy["training"]
    toy["model"]["trained"] = True
    assert from_dict(toy, tmp_path, host).warnings == ()


def test_untrained_model_without_training_is_a_warning(host, toy, tmp_path):
    del toy["training"]
    (warning,) = from_dict(toy, tmp_path, host).warnings
    assert str(warning) == (
        "model: it is neither trained here nor said to be trained; "
        "say model.trained = true if the options name trained weights"
    )


def test_single_member_has_no_covariances(problems, toy, tmp_path):
    (tmp_path / "a.xyz").touch()
    toy["generator"] = {"kernel": "fake.correlator", "options": {"structure": "a.xyz", "pair": ["energy", "gradient"]}}
    toy["model"]["members"] = 1
    assert (
        "model.members: found 1, expected at least 2, since generator 'fake.correlator' with these options compares "
        "members"
    ) in problems(toy)


def test_single_member_has_no_threshold(problems, host, toy, tmp_path):
    toy["model"]["members"] = 1
    assert problems(toy) == [
        "model.members: found 1, expected at least 2, since selection 'pal.threshold' compares members; "
        "take 2 members or more, or another selection"
    ]
    toy["selection"] = {"kernel": "pal.random"}
    assert from_dict(toy, tmp_path, host).settings.model.members == 1


def test_more_processes_than_walkers_or_members(problems, toy):
    toy["generator"]["processes"] = 5
    toy["model"]["processes"] = 5
    toy["training"]["processes"] = 6
    assert problems(toy) == [
        "generator.processes: found 5, expected at most generator.walkers = 4, since a rank needs one at least",
        "model.processes: found 5, expected at most model.members = 4, since a rank needs one at least",
        "training.processes: found 6, expected at most model.members = 4, since a rank needs one at least",
    ]


def test_value_in_error_is_not_judged_twice(problems, toy):
    toy["generator"].update(walkers="4", processes=3)
    assert problems(toy) == ["generator.walkers: found '4', expected an integer"]


def test_nothing_to_start_from(problems, host, toy, tmp_path):
    toy["data"] = {"bootstrap": 0}
    assert problems(toy) == [
        "data.bootstrap: found 0, expected more than 0, since nothing else gives the first labels; set it to a few "
        "dozen, name labelled files in data.initial, or start from trained weights (model.trained)"
    ]
    toy["model"]["trained"] = True
    assert from_dict(toy, tmp_path, host)


def test_unreadable_initial_files_name_the_formats(problems, toy, tmp_path):
    (tmp_path / "a.extxyz").touch()
    toy["data"] = {"initial": ["a.extxyz", "b.npz"]}
    assert problems(toy) == [
        "data.initial[0]: no installed format reads a.extxyz; npz reads .npz",
        f"data.initial[1]: found 'b.npz', expected an existing file in {tmp_path}",
    ]


def test_rules_of_stopping_need_their_kernels(problems, toy):
    del toy["oracle"], toy["training"]
    toy["stop"] = {"labels": 3, "rounds": 2}
    assert problems(toy) == [
        "stop.labels: found 3, expected no such rule without an [oracle] table",
        "stop.rounds: found 2, expected no such rule without a [training] table",
    ]


def test_no_stop_rule_is_a_warning(host, toy, tmp_path):
    del toy["stop"]
    (warning,) = from_dict(toy, tmp_path, host).warnings
    assert warning.key == "stop"
    assert warning.hint == "set one of stop.labels, stop.steps, stop.rounds, stop.wall_time, stop.converged"


def test_unused_initial_data_are_a_warning(host, toy, tmp_path):
    del toy["training"]
    toy["model"]["trained"] = True
    toy["data"] = {"initial": ["a.npz"]}
    (tmp_path / "a.npz").touch()
    (warning,) = from_dict(toy, tmp_path, host).warnings
    assert str(warning) == "data.initial: these labels are not used, since there is no [training]"


def test_dispatch_that_would_starve_training_is_refused(problems, toy):
    toy["oracle"]["ahead"] = 10
    assert problems(toy) == [
        "oracle.ahead: found 10, expected at least training.retrain_after = 20, or no round would ever start"
    ]


def test_ranks_for_roles_that_are_not_there(problems, toy):
    del toy["oracle"], toy["training"], toy["stop"]
    toy["placement"] = [{"match": "n*", "oracle": 2}]
    assert problems(toy) == ["placement[0].oracle: found 2 ranks, expected none without an [oracle] table"]


def test_serial_schedule_needs_all_three_phases(problems, toy):
    toy["run"] = {"schedule": "serial"}
    del toy["training"]
    assert problems(toy) == [
        "run.schedule: found 'serial', expected 'parallel' without [training]: "
        "exploring, labelling and training take turns"
    ]


@pytest.mark.parametrize(
    ("run", "warned"),
    [({"schedule": "serial", "spares": 1}, True), ({"schedule": "serial", "spares": 0}, False), ({"spares": 1}, False)],
)
def test_spares_of_a_serial_run_are_a_warning(host, toy, tmp_path, run, warned):
    toy["run"] = run
    said = [str(w) for w in from_dict(toy, tmp_path, host).warnings]
    wanted = (
        "run.spares: spare ranks are never used in the serial schedule: lost ranks are always started anew; "
        'leave it out, or set run.schedule = "parallel"'
    )
    assert said == ([wanted] if warned else [])


def test_convergence_of_a_fixed_share_is_a_warning(host, toy, tmp_path):
    toy["selection"] = {"kernel": "pal.all"}
    toy["stop"] = {"converged": {"uncertain": 0.1}}
    (warning,) = from_dict(toy, tmp_path, host).warnings
    assert str(warning) == (
        "stop.converged: selection 'pal.all' selects the same share however sure the committee is: "
        "this rule says nothing"
    )


class TestTrainingPolicies:
    """Rules of training policies."""

    def warnings(self, host, toy, tmp_path) -> list[str]:
        return [str(w) for w in from_dict(toy, tmp_path, host).warnings]

    def test_window_needs_a_model_that_can_train_on_a_part(self, problems, toy, tmp_path):
        (tmp_path / "mine.py").write_text(
            "from pal_core.builtin.model import ToyModel\nfrom pal_core.kernels import Model\n"
            "class Mine(ToyModel):\n    use = Model.use\n"
        )
        toy["model"] = {"kernel": "mine.py:Mine"}
        toy["training"] = {"window": 100}
        (found,) = problems(toy)
        assert found.startswith("training.window: found model '")
        assert found.endswith(
            "mine.py:Mine', which trains on all its labels, expected a model that can be told which labels to use "
            "(capability 'use' in `pal kernels NAME`); leave training.window out, or take another model"
        )

    def test_window_is_sound_with_a_model_that_can(self, host, toy, tmp_path):
        toy["training"] = {"window": 100, "replay": 20}
        assert self.warnings(host, toy, tmp_path) == []

    def test_replay_without_window_and_a_share_are_warnings(self, host, toy, tmp_path):
        toy["training"] = {"replay": 20}
        assert self.warnings(host, toy, tmp_path) == ["training.replay: nothing is replayed without training.window"]
        toy["training"] = {"window": 50, "replay": 0.1}
        (found,) = self.warnings(host, toy, tmp_path)
        assert found.startswith("training.replay: a share of all older labels grows with them")

    @pytest.mark.parametrize("replay", [1.5, -1, 0.0, "many"])
    def test_replay_is_a_number_or_a_share(self, problems, toy, replay):
        toy["training"] = {"window": 50, "replay": replay}
        assert any(p.startswith("training.replay") for p in problems(toy))

    def test_reinitialise_must_say_when(self, problems, toy):
        toy["training"] = {"reinitialise": {}}
        assert problems(toy) == ["training.reinitialise: found an empty table, expected every or stalled, or both"]

    def test_judging_without_held_out_labels_is_a_warning(self, host, toy, tmp_path):
        toy["training"] = {"patience": 5, "validation": 0.0}
        (found,) = self.warnings(host, toy, tmp_path)
        assert found.startswith("training.validation: without held-out labels, training is judged by how well")

    def test_audit_without_an_oracle_is_refused(self, problems, toy):
        toy["selection"]["audit"] = 0.1
        del toy["oracle"], toy["training"]
        toy["model"]["trained"] = True
        found = "selection.audit: found 0.1, expected 0 without an [oracle] table: nothing labels the samples"
        assert found in problems(toy)

    def test_start_must_be_a_folder_and_needs_no_bootstrap(self, host, problems, toy, tmp_path):
        toy["model"]["start"] = "old"
        assert problems(toy) == [
            f"model.start: found 'old', expected a run directory or a folder with weights of members, in {tmp_path}"
        ]
        (tmp_path / "old").mkdir()
        toy["data"] = {"bootstrap": 0}
        assert self.warnings(host, toy, tmp_path) == []

    def test_initial_folder_must_be_a_run(self, host, problems, toy, tmp_path):
        (tmp_path / "old").mkdir()
        toy["data"] = {"initial": ["old"]}
        assert problems(toy) == [
            "data.initial[0]: found the folder 'old', expected a run directory, with pal.sqlite, or a file"
        ]
        (tmp_path / "old" / "pal.sqlite").touch()
        assert self.warnings(host, toy, tmp_path) == []
