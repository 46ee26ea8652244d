"""Settings files: models, loading and checks."""
