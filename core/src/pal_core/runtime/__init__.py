"""Hosts that run kernels, and the processes that run hosts."""
