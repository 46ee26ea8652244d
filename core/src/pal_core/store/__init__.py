"""The SQLite store of a run."""
