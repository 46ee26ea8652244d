"""Weights of another run to begin with."""

from __future__ import annotations

import numpy as np
import pytest

from pal_core.runtime.checkpoint import round_file, save_state
from pal_core.runtime.starting import StartError, check_weights, find_start, read_start, shares


def put(path, value: float = 0.0, **notes: str):
    save_state(path, {"w": np.array([value])}, notes)
    return path


def test_newest_round_of_every_member_of_a_run(tmp_path):
    put(round_file(tmp_path, 0, 3))
    newest = [put(round_file(tmp_path, 0, 12)), put(round_file(tmp_path, 1, 5))]
    put(round_file(tmp_path, 3, 5))  # a gap: who was that?
    assert find_start(tmp_path) == newest


def test_folder_with_files_will_do(tmp_path):
    files = [put(tmp_path / f"member-{k:03d}.safetensors", k) for k in range(3)]
    assert find_start(tmp_path) == files
    weights, path = read_start(tmp_path, 4, "any.kernel")
    assert (weights["w"].tolist(), path) == ([1.0], files[1])


@pytest.mark.parametrize("there", [[], ["models"], ["models/member-000"], ["member-001"]])
def test_without_weights_it_is_refused(tmp_path, there):
    for name in there:
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(StartError) as error:
        find_start(tmp_path)
    assert error.value.message == f"model.start: {tmp_path} holds no weights of a member"


def test_weights_of_another_kernel_are_refused(tmp_path):
    path = put(tmp_path / "member-000.safetensors", kernel="schnet.committee")
    assert read_start(tmp_path, 0, "schnet.committee")[1] == path
    with pytest.raises(StartError) as error:
        read_start(tmp_path, 0, "mace.committee")
    assert error.value.message == (
        f"model.start: {path} holds weights of 'schnet.committee', model.kernel is 'mace.committee'"
    )


@pytest.mark.parametrize(
    ("there", "members", "told"),
    [
        (2, 2, "members begin with weights of 2 others (0 -> 0, 1 -> 1)"),
        (2, 5, "members begin with weights of 2 others (0 -> 0 and 2 and 4, 1 -> 1 and 3): those with the same ones "
               "agree until they have been trained"),
        (4, 2, "members begin with weights of 4 others (0 -> 0, 1 -> 1); 2 are not used"),
        (3, 2, "members begin with weights of 3 others (0 -> 0, 1 -> 1); 1 is not used"),
    ],
)  # fmt: skip
def test_who_takes_whose_is_told(tmp_path, there, members, told):
    assert shares([tmp_path] * there, members) == told


class Shaped:
    def __init__(self, **shapes):
        self.shapes = shapes

    def weights(self):
        if self.shapes.pop("raises", False):
            raise RuntimeError("not before the first label")
        return {name: np.zeros(shape) for name, shape in self.shapes.items()}


class TestCheckWeights:
    GIVEN = {"a": np.zeros((2, 3)), "b": np.zeros(())}

    def test_same_names_and_shapes_fit(self, tmp_path):
        check_weights(Shaped(a=(2, 3), b=()), self.GIVEN, tmp_path)

    @pytest.mark.parametrize("shapes", [{}, {"raises": True}])
    def test_model_without_weights_yet_cannot_be_compared(self, tmp_path, shapes):
        check_weights(Shaped(**shapes), self.GIVEN, tmp_path)

    def test_every_difference_is_named(self, tmp_path):
        with pytest.raises(StartError) as error:
            check_weights(Shaped(a=(2, 4), c=()), self.GIVEN, tmp_path)
        assert error.value.message == (
            f"model.start: {tmp_path} doesn't fit the model: 'c' is missing; 'b' is unknown to it; "
            "'a' has shape (2, 3), (2, 4) wanted"
        )
        assert error.value.hint == "give the model the options it was trained with"
