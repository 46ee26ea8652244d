"""NequIP and Allegro committees for PAL."""

__version__ = "0.1.0"
