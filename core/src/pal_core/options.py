"""Base of every kernel's options, and the interface by which kernels are matched."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from pal_core.data.schema import Schema

__all__ = ["Interface", "KernelOptions"]


@dataclass(frozen=True)
class Interface:
    """What a kernel reads and what it gives.

    ========== =========================== ===========================
    role       consumes                    produces
    ========== =========================== ===========================
    generator  predicted fields it reads   the fields of a sample
    model      sample fields it reads      the fields it predicts
    oracle     sample fields it reads      the fields of a label
    selection  predicted fields it reads   nothing
    check      sample fields it reads      nothing
    ========== =========================== ===========================

    `learns` is for models (the label fields that training needs; default: `produces`) and for label checks
    (the label fields that they read).

    `covariances` is for generators: pairs of predicted fields, the first of them one number per sample, whose
    covariance over the committee's members the walker wants beside mean and deviation (`Feedback.covariance`).
    """

    consumes: Schema = field(default_factory=Schema)
    produces: Schema = field(default_factory=Schema)
    learns: Schema | None = None
    covariances: tuple[tuple[str, str], ...] = ()

    @property
    def labels(self) -> Schema:
        """Label fields that a model trains on or a check reads."""
        return self.produces if self.learns is None else self.learns


class KernelOptions(BaseModel):
    """Options of a kernel: a pydantic model in a light module.

    Every field has a default where one makes sense, a ``description``, and its unit in
    ``json_schema_extra={"unit": "K"}``. Relative paths (type `pathlib.Path`) are resolved
    against the settings file's folder before validation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def interface(self) -> Interface:
        """Fields that a kernel with these options reads and gives; must not import anything heavy."""
        return Interface()

    def needs_fields(self) -> tuple[str, ...]:
        """Predicted fields that a selection reads by name, of whatever type and shape."""
        return ()
