"""File formats of atomistic samples and labels."""
