"""How `pal run` starts the ranks of a run, watches them, and starts them again."""
