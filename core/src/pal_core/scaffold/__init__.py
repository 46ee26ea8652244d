"""Writes packages for kernels: `pal new-plugin`."""
