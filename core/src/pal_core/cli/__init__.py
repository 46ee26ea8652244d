"""The command `pal`."""
