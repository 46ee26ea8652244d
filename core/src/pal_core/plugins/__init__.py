"""Discovery, checking and isolation of plugins."""
