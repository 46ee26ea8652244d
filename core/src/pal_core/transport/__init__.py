"""How messages travel between hosts."""
