"""The settings file as pydantic models: every table, key, default and unit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.config import JsonDict

__all__ = [
    "CheckTable",
    "DataTable",
    "GeneratorTable",
    "KernelTable",
    "ModelTable",
    "NodeRule",
    "OracleTable",
    "Reinitialise",
    "RunTable",
    "SelectionTable",
    "Settings",
    "StopTable",
    "TrainingTable",
]

ReplayShare = Annotated[float, Field(gt=0, lt=1)]
SECONDS: JsonDict = {"unit": "s"}
GIGABYTES: JsonDict = {"unit": "GB"}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KernelTable(_Table):
    """A kernel by name with its options."""

    kernel: str = Field(description='"<plugin>.<kernel>", "file.py:Class" or "module:Class"; `pal kernels` lists them')
    options: dict[str, Any] = Field(default_factory=dict, description="options of the kernel; see `pal kernels NAME`")


Processes = NonNegativeInt | None
_PROCESSES = "MPI ranks for this role; 0 shares the controller's rank; left out: chosen for the machine"
_GPUS = "GPU indices on each node, dealt to this role's ranks in turn; empty: CPU"


class RunTable(_Table):
    """How and where the run goes."""

    directory: Path = Field(Path("run"), description="everything the run writes; relative to the settings file")
    seed: NonNegativeInt = Field(0, description="seed of every random stream")
    schedule: Literal["parallel", "serial"] = Field(
        "parallel", description="all kernels at once, or explore, label and train one after the other"
    )
    batching: Literal["ready", "all"] = Field(
        "ready", description="predict what is there, or wait for every walker (lock step)"
    )
    controllers: Literal[1, 2] = Field(1, description="ranks of the controller: one for both cycles, or one each")
    threads: PositiveInt = Field(1, description="threads per rank for numerical libraries")
    snapshot_every: PositiveFloat = Field(60.0, description="interval of snapshot sets", json_schema_extra=SECONDS)
    spares: NonNegativeInt | None = Field(
        None, description="idle ranks that take over lost ones; left out: 1 where the MPI survives losses, else 0"
    )
    startup_limit: PositiveFloat = Field(
        300.0, description="time for all ranks to build their kernels", json_schema_extra=SECONDS
    )
    silence_limit: PositiveFloat = Field(
        1800.0,
        description="time in one call of a kernel after which the ranks are started anew; oracles have their timeout",
        json_schema_extra=SECONDS,
    )
    stop_limit: PositiveFloat = Field(
        60.0, description="time for all ranks to end once told to", json_schema_extra=SECONDS
    )
    max_restarts: NonNegativeInt = Field(
        3, description="times that ranks which died are started again in a row without a label or round in between"
    )
    requeue: bool = Field(
        False, description="put the batch job into the queue again when it ends before the run does; not after Ctrl-C"
    )

    @property
    def deterministic(self) -> bool:
        """Whether nothing depends on who is faster: a run that was killed can then repeat itself from its last set."""
        return self.schedule == "serial" and self.batching == "all"


class GeneratorTable(KernelTable):
    """The walkers."""

    walkers: PositiveInt = Field(1, description="number of walkers")
    processes: Processes = Field(None, description=_PROCESSES)
    on_error: Literal["reset", "disable", "stop"] = Field(
        "reset", description="a walker that raises goes on from its last snapshot, is disabled, or ends the run"
    )
    resets: NonNegativeInt = Field(3, description="resets in a row (within 100 steps) before a walker is disabled")


class ModelTable(KernelTable):
    """The committee and where it predicts."""

    members: PositiveInt = Field(4, description="models in the committee")
    processes: Processes = Field(None, description=_PROCESSES)
    on_error: Literal["reset", "stop"] = Field(
        "reset", description="a member that raises begins anew with its last weights, or ends the run"
    )
    resets: NonNegativeInt = Field(3, description="resets in a row of a member before the run ends")
    trained: bool = Field(
        False, description="the options name trained weights: walkers start at once, without bootstrap"
    )
    start: Path | None = Field(
        None,
        description="weights to begin with: a run directory, or a folder with files or folders member-000, member-001, "
        "...; relative to the settings file; members take them by turns, and walkers start at once",
    )
    gpus: tuple[NonNegativeInt, ...] = Field((), description=_GPUS)


class Reinitialise(_Table):
    """When a member begins anew with other initial weights.

    They are published once they are at least as good as the old ones. At least one key must be given.
    """

    every: PositiveInt | None = Field(None, description="after so many rounds; members take turns")
    stalled: PositiveInt | None = Field(
        None, description="after so many rounds in a row without a lower training.monitor"
    )


class TrainingTable(_Table):
    """When and where members are trained."""

    processes: Processes = Field(None, description=_PROCESSES)
    on_error: Literal["reset", "stop"] = Field(
        "reset", description="a member that raises trains on from its last weights, or ends the run"
    )
    resets: NonNegativeInt = Field(3, description="resets of a member since its last weights before the run ends")
    retrain_after: PositiveInt = Field(20, description="new labels that start a training round")
    publish_every: PositiveInt = Field(5, description="epochs between two hand-overs of weights within a round")
    min_epochs: PositiveInt = Field(1, description="epochs a round lasts before new labels may end it")
    first_epochs: PositiveInt = Field(
        200, description="epochs after which the first round ends at the latest and walkers set off"
    )
    final_time: float = Field(
        300.0, ge=0, description="longest last round, on all labels, after the stop rule", json_schema_extra=SECONDS
    )
    validation: float = Field(0.1, ge=0, lt=1, description="share of labels held out for validation")
    monitor: str = Field(
        "validation_loss",
        description="metric of the model's epochs by which training is judged, low is good; while nothing is held "
        "out, the one without validation_",
    )
    patience: PositiveInt | None = Field(
        None,
        description="epochs without a lower monitor after which a member ends its round, with its best weights; left "
        "out: the model decides, and its last weights count",
    )
    reinitialise: Reinitialise | None = Field(None, description="when members begin anew; left out: never")
    window: PositiveInt | None = Field(
        None, description="newest labels that are trained on, and a replay of older ones; left out: all labels"
    )
    replay: NonNegativeInt | ReplayShare = Field(
        0, description="older labels trained on besides the window: their number, or their share (a float below 1)"
    )
    replay_by: Literal["reservoir", "uncertainty"] = Field(
        "reservoir", description="older labels are drawn evenly, or weighted by the score they were selected with"
    )
    checkpoints: PositiveInt = Field(
        20, description="rounds whose weights are kept on disk for each member: the first and the newest"
    )
    gpus: tuple[NonNegativeInt, ...] = Field((), description=_GPUS)


class OracleTable(KernelTable):
    """The oracle and how its failures are treated."""

    processes: Processes = Field(None, description=_PROCESSES)
    timeout: PositiveFloat = Field(
        3600.0, description="longest time for one label; needs isolate", json_schema_extra=SECONDS
    )
    retries: NonNegativeInt = Field(1, description="further attempts after a failure")
    on_error: Literal["retry", "stop"] = Field(
        "retry", description="a failure is followed by another attempt, elsewhere if possible, or ends the run"
    )
    isolate: bool = Field(True, description="label in a child process, so that a crash costs one attempt only")
    memory: PositiveFloat | None = Field(
        None,
        description="most memory that an oracle and the programs it starts may use together; needs isolate",
        json_schema_extra=GIGABYTES,
    )
    scratch: PositiveFloat | None = Field(
        None, description="largest size of an oracle's scratch directory; needs isolate", json_schema_extra=GIGABYTES
    )
    keep_scratch: NonNegativeFloat = Field(
        10.0,
        description="what is kept of the scratch directory of a failed attempt, and a hundred times that of all "
        "together; 0: nothing",
        json_schema_extra={"unit": "MB"},
    )
    environment: tuple[str, ...] = Field(
        (), description="variables that an oracle's process gets although they look like a secret or like MPI's"
    )
    queue: PositiveInt = Field(1000, description="samples that may wait; beyond it the least uncertain are dropped")
    per_walker: PositiveInt | None = Field(
        None, description="samples of one walker that may wait; beyond it its least uncertain is dropped; left out: any"
    )
    give_up_after: PositiveInt = Field(20, description="samples without a usable label in a row that end the run")
    ahead: PositiveInt | None = Field(
        None, description="stop dispatching while this many labels wait for training; left out: never"
    )


class SelectionTable(KernelTable):
    """What is uncertain enough to be labelled."""

    kernel: str = Field("pal.threshold", description=KernelTable.model_fields["kernel"].description)
    rerank: bool = Field(False, description="judge the oracle queue again after every training round")
    audit: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of trusted samples that are labelled too, drawn at random, never to be trained on: they "
        "tell the committee's error where the walkers go",
    )


class CheckTable(KernelTable):
    """A check that every label passes before training; `[[check]]` may occur several times."""


class DataTable(_Table):
    """Labels to start from."""

    initial: tuple[Path, ...] = Field(
        (), description="files with labelled samples, or directories of other runs; relative to the settings file"
    )
    bootstrap: NonNegativeInt = Field(
        64, description="samples labelled before any model is trusted, without initial data"
    )


class Convergence(_Table):
    """Few uncertain samples over a window of predictions."""

    uncertain: float = Field(ge=0, le=1, description="largest share of samples selected for labelling")
    window: PositiveInt = Field(1000, description="predicted samples that the share is taken over")


class StopTable(_Table):
    """When the run ends: whichever comes first."""

    labels: PositiveInt | None = Field(None, description="admitted labels, initial data not counted")
    steps: PositiveInt | None = Field(None, description="predicted samples of all walkers together")
    rounds: PositiveInt | None = Field(None, description="training rounds that every member has finished")
    wall_time: PositiveFloat | None = Field(
        None,
        description="time since the start of `pal run` after which the run has ended in order, to be resumed",
        json_schema_extra=SECONDS,
    )
    converged: Convergence | None = Field(None, description="few uncertain samples")
    generators: Literal["any", "all"] = Field("all", description="walkers that must have ended by themselves")
    training: Literal["any", "all"] = Field("any", description="members that must have asked to end the run")


class NodeRule(_Table):
    """Ranks of each role on the nodes whose name matches."""

    match: str = Field("*", description="shell pattern of node names")
    generator: NonNegativeInt | None = Field(None, description="ranks on each such node; left out: as many as needed")
    model: NonNegativeInt | None = Field(None, description="likewise")
    training: NonNegativeInt | None = Field(None, description="likewise")
    oracle: NonNegativeInt | None = Field(None, description="likewise")


class Settings(_Table):
    """A whole settings file."""

    run: RunTable = Field(default_factory=RunTable)
    generator: GeneratorTable
    model: ModelTable
    training: TrainingTable | None = None
    oracle: OracleTable | None = None
    selection: SelectionTable = Field(default_factory=SelectionTable)
    check: tuple[CheckTable, ...] = ()
    data: DataTable = Field(default_factory=DataTable)
    stop: StopTable = Field(default_factory=StopTable)
    placement: tuple[NodeRule, ...] = Field((), description="where ranks go on several nodes; first match counts")
