"""Kernels that come with pal-core: a plugin like any other."""
