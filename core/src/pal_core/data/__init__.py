"""Data that cross processes: schemas, columnar batches and committee statistics."""

from pal_core.data.batch import Batch
from pal_core.data.committee import Committee
from pal_core.data.schema import Field, Schema, SchemaError

__all__ = ["Batch", "Committee", "Field", "Schema", "SchemaError"]
