"""Contract tests that plugins subclass."""
