"""Looks through a run directory for damage and leftovers, and repairs what is safe."""
