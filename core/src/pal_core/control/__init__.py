"""The controller as pure state machines."""
